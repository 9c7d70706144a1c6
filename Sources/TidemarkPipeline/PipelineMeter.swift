import Synchronization
package import TidemarkCore

/// What a pipeline has done since its process began, for whoever shows it. Written once a window.
package final class PipelineMeter: Sendable {
    package struct Reading: Sendable {
        package var appliedChanges: Int64 = 0
        /// Whole transactions of the source, one or many, each applied in one of the target.
        package var windows: Int64 = 0
        /// Of keys and images, as the source sent them.
        package var appliedBytes: Int64 = 0
        package var lastWindowChanges: Int64 = 0
        package var lastWindowSeconds: Double = 0
        /// How often the pipeline was taken over, which is with each connection to the target.
        package var takeovers: Int64 = 0
        /// By kind: connection, conflict, source, data or other.
        package var failures: [String: Int64] = [:]
        /// What the target is known to have, and since when.
        package var applied: Snapshot?
        package var appliedAt: ContinuousClock.Instant?
    }

    private let state = Mutex(Reading())

    package init() {}

    package var reading: Reading { state.withLock { $0 } }

    func takeOver(at cursor: Cursor) {
        state.withLock { reading in
            reading.takeovers += 1
            (reading.applied, reading.appliedAt) = (cursor.snapshot, .now)
        }
    }

    func apply(to cursor: Cursor, changes: Int, bytes: Int, seconds: Double) {
        state.withLock { reading in
            reading.appliedChanges += Int64(changes)
            reading.appliedBytes += Int64(bytes)
            reading.windows += 1
            (reading.lastWindowChanges, reading.lastWindowSeconds) = (Int64(changes), seconds)
            (reading.applied, reading.appliedAt) = (cursor.snapshot, .now)
        }
    }

    func fail(_ failure: TidemarkError) {
        guard let kind = failure.kind else { return }
        state.withLock { $0.failures[kind, default: 0] += 1 }
    }
}

extension TidemarkError {
    /// Nil for what is none: a pause, and work that is done again at once.
    package var kind: String? {
        switch retry {
        case .later: "connection"
        case .takenOver: "conflict"
        case .unlessMoved: "source"
        case .never: table == nil && changeID == nil ? "other" : "data"
        case .paused, .moved, .staged: nil
        }
    }
}
