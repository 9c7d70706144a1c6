import Logging
import Synchronization
import TidemarkCore

/// The lease of a pipeline that an operator runs by hand: taken from a service, which stands by meanwhile, and given back.
final class LeaseByForce: Sendable {
    private enum Outcome {
        case taken
        case anothers
        case unanswered
        /// This target keeps no leases, so that nobody else leads by one either.
        case impossible
    }

    private let keeping: LeaseKeeping
    private let pipeline: String
    private let log: Logger
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ pipeline: String, in keeping: LeaseKeeping, log: Logger) { (self.pipeline, self.keeping, self.log) = (pipeline, keeping, log) }

    /// Once now; where the target does not answer, again and again while the pipeline waits for it, too.
    func take() async {
        let first = await attempt(force: true)
        guard first != .impossible else { return }
        let (keeping, pipeline) = (keeping, pipeline)
        let keep = Task { [weak self] in
            // What another run has taken since is not taken back, but once it is free it is wanted.
            var isDue = first != .taken
            while !Task.isCancelled {
                if await !keeping.holds(pipeline) {
                    let outcome = await self?.attempt(force: isDue) ?? .impossible
                    if outcome == .impossible { return }
                    if outcome == .taken { isDue = false }
                }
                await keeping.lost(pipeline)
                try? await Task.sleep(for: .milliseconds(keeping.leaseMs / 3))
            }
        }
        task.withLock { $0 = keep }
    }

    func giveBack() async {
        let keep = task.withLock { task in
            defer { task = nil }
            return task
        }
        keep?.cancel()
        await keep?.value
        await keeping.release(pipeline)
    }

    private func attempt(force: Bool) async -> Outcome {
        do {
            return try await keeping.acquire(pipeline, force: force).holder == keeping.holder ? .taken : .anothers
        } catch let failure as TidemarkError where failure.retry != .later {
            log.warning("it runs without a lease, of which services know nothing: \(failure.what): \(failure.why)")
            return .impossible
        } catch {
            return .unanswered
        }
    }
}
