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
        /// Of the changes, those that another pipeline of the process had read from the log.
        package var changesReadByOthers: Int64 = 0
        package var lastWindowChanges: Int64 = 0
        package var lastWindowSeconds: Double = 0
        /// How often the pipeline was taken over, which is with each connection to the target.
        package var takeovers: Int64 = 0
        /// By kind: connection, conflict, source, data or other.
        package var failures: [String: Int64] = [:]
        /// What the target is known to have, and since when.
        package var applied: Snapshot?
        package var appliedAt: ContinuousClock.Instant?
        /// How long the last row that was written at the source for that took until the target had it, in seconds.
        package var endToEndSeconds: Double?
        /// How long it took, the last time, until the source knew of a window that was durable in the target.
        package var acknowledgeSeconds: Double?
        /// Rows of that kind that the target is not known to have yet; a target that is far behind has many.
        fileprivate var expected: [(mark: HeartbeatMark, writtenAt: ContinuousClock.Instant)] = []
    }

    private let state = Mutex(Reading())
    private static let expectedMax = 100

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
            reading.meet(cursor.snapshot)
        }
    }

    func takeFromOthers(changes: Int) { state.withLock { $0.changesReadByOthers += Int64(changes) } }

    /// Measures the way of a row that was written at the source.
    /// - Parameter begun: before its transaction was committed.
    package func expect(_ mark: HeartbeatMark, writtenAt begun: ContinuousClock.Instant) {
        state.withLock { reading in
            // It may have been faster than the news of it.
            if let applied = reading.applied, mark.isSeen(by: applied), let appliedAt = reading.appliedAt {
                reading.endToEndSeconds = max(0, begun.duration(to: appliedAt).inSeconds)
            } else if reading.expected.count < Self.expectedMax {
                reading.expected.append((mark, begun))
            }
        }
    }

    func acknowledge(seconds: Double) { state.withLock { $0.acknowledgeSeconds = seconds } }

    func fail(_ failure: TidemarkError) {
        guard let kind = failure.kind else { return }
        state.withLock { $0.failures[kind, default: 0] += 1 }
    }
}

extension PipelineMeter.Reading {
    fileprivate mutating func meet(_ snapshot: Snapshot) {
        guard let appliedAt, expected.contains(where: { $0.mark.isSeen(by: snapshot) }) else { return }
        for (mark, writtenAt) in expected where mark.isSeen(by: snapshot) { endToEndSeconds = writtenAt.duration(to: appliedAt).inSeconds }
        expected.removeAll { $0.mark.isSeen(by: snapshot) }
    }
}

extension Duration {
    package var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
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
