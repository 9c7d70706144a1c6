import Logging
import TidemarkBlocking
import TidemarkCore

/// By which epoch the tables are written, and what becomes of it.
extension PolledTables {
    private static let lookEveryMs = 200
    /// For so long a stream that has just taken its pipeline over anew may not have said so.
    private static let tenureWaitMs = 10_000

    /// Works with the epoch of whoever holds the pipeline; once more where that has changed meanwhile.
    func connecting(_ lane: PolledLane, _ body: (PolledLane) async throws -> Void) async throws {
        while true {
            let known = try await holding()
            guard let known else { return }
            do {
                return try await body(lane)
            } catch let failure as TidemarkError where failure.retry == .takenOver || failure.retry == .paused {
                // Another lane may have found out before.
                if epoch == known { epoch = nil }
                try await learn(after: failure, from: known)
            }
        }
    }

    /// - Returns: nil where it was stopped meanwhile.
    private func holding() async throws -> Int64? {
        while !stopFlag.isRaised {
            if case .stream(let tenure) = standing {
                // While the stream is paused, or waits for its databases, so do the tables.
                epoch = tenure.epoch
                if let epoch { return epoch }
                await clock.wait(Self.lookEveryMs)
                continue
            }
            if let epoch { return epoch }
            do {
                let found = try await take()
                epoch = found
                return found
            } catch let pause as TidemarkError where pause.retry == .paused {
                guard case .worker = standing else { throw pause }
                log.info("\(pause.what): \(pause.why); waiting for tidemark resume")
                await clock.wait(Self.lookEveryMs)
            }
        }
        return nil
    }

    private func take() async throws -> Int64 {
        let (open, worker) = (connections.holder, settings.worker)
        let isWorker = if case .worker = standing { true } else { false }
        let isBound = isWorker && (settings.isLeader || hasHeld)
        let (cursor, isMine) = try await holderThread.run { [hasHeld] target in
            target = nil
            let opened = try open()
            target = opened
            guard isWorker else { return (try opened.cursor(), true) }
            if isBound { try opened.requireNoOtherLeader(than: worker) }
            // Who was taken over does not take back; who was paused and resumed goes on.
            if hasHeld {
                _ = try opened.cursor()
                guard try opened.lastWorker() == worker else { return (try opened.cursor(), false) }
            }
            return (try opened.takeOver(worker: worker), true)
        }
        guard isMine else { throw cursor.isElsewhere(than: cursor.withNextEpoch, pipeline: settings.name) }
        if isWorker {
            hasHeld = true
            figures.takeOver(at: cursor)
        }
        return cursor.epoch
    }

    /// - Throws: where the pipeline is another's for good.
    private func learn(after failure: TidemarkError, from known: Int64) async throws {
        guard case .stream(let tenure) = standing else { return }
        var waitedMs = 0
        while tenure.epoch == known, !stopFlag.isRaised {
            guard waitedMs < Self.tenureWaitMs else { throw failure }
            await clock.wait(Self.lookEveryMs)
            waitedMs += Self.lookEveryMs
        }
    }
}

extension Cursor {
    fileprivate var withNextEpoch: Cursor {
        var cursor = self
        cursor.epoch += 1
        return cursor
    }
}
