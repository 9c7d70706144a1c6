import Synchronization
import TidemarkCore

/// The lease of a pipeline that an operator runs by hand: taken from a service, which stands by meanwhile, and given back.
final class LeaseByForce: Sendable {
    private let keeping: LeaseKeeping
    private let pipeline: String
    private let task = Mutex<Task<Void, Never>?>(nil)

    init(_ pipeline: String, in keeping: LeaseKeeping) { (self.pipeline, self.keeping) = (pipeline, keeping) }

    /// Once now; where the target does not answer, again and again while the pipeline waits for it, too.
    func take() async {
        let isTaken = await isTaken(force: true)
        let (keeping, pipeline) = (keeping, pipeline)
        let keep = Task { [weak self] in
            var isFirst = !isTaken
            while !Task.isCancelled {
                // What another run has taken is not taken back, but once it is free it is wanted.
                if await !keeping.holds(pipeline), await self?.isTaken(force: isFirst) == true { isFirst = false }
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

    /// A target that cannot keep leases is no reason not to run: nobody else leads there either.
    private func isTaken(force: Bool) async -> Bool {
        guard let lease = try? await keeping.acquire(pipeline, force: force) else { return false }
        return lease.holder == keeping.holder
    }
}
