import Logging
import TidemarkBlocking
import TidemarkCore

/// A pipeline that an operator has paused waits, and goes on by itself.
extension Pipeline {
    private static let lookEveryMs = 500

    /// A worker whose pipeline was paused loses it as if another worker had taken it: what happened has another name.
    func namingPause<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch let failure as TidemarkError where failure.retry == .takenOver {
            guard let (pause, worker) = try? await currentPause() else { throw failure }
            if let pause { throw pause }
            guard worker == settings.worker else { throw failure }
            throw TidemarkError(
                "the pipeline was paused and resumed", why: "nobody has taken it over meanwhile", remedy: "Type the command again; it goes on there.",
                retry: .later)
        }
    }

    /// Who has nothing to apply learns only so that the pipeline was paused, taken over, or turned round.
    func noticePause(at cursor: Cursor) async throws {
        _ = try await targetThread.run { target in try target?.cursor() }
    }

    /// Looks beside, so that nobody's pipeline is taken over.
    private func currentPause() async throws -> (pause: TidemarkError?, worker: String?) {
        let openTarget = connections.target
        return try await targetThread.run { target in
            target = nil
            let opened = try openTarget()
            target = opened
            do {
                _ = try opened.cursor()
                return (nil, try opened.lastWorker())
            } catch let failure as TidemarkError where failure.retry == .paused {
                return (failure, nil)
            }
        }
    }

    func waitForResume(_ pause: TidemarkError) async throws {
        log.info("\(pause.what): \(pause.why); waiting for tidemark resume")
        await finishConfirming()
        // The log is rid of what was applied before; should that fail now, it is tried again later.
        if let cursor = progress.cursor, cursor != confirmed { try? await confirm(cursor) }
        while !stopping {
            try await self.pause(ms: Self.lookEveryMs)
            do {
                if try await currentPause().pause == nil { break }
            } catch let failure as TidemarkError where failure.retry == .later {
                log.debug("\(failure.what): \(failure.why)")
            }
            // A delayed target goes on as smoothly as it would have.
            if settings.limit.delaySeconds > 0 { try? await sourceThread.run { source in try source?.mark() } }
        }
        if !stopping { log.info("resumed") }
    }
}
