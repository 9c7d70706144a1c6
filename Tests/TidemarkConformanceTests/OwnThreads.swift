import Dispatch
import Testing

/// Runs a test, and the tasks beside it, on threads that no other test has. Tests block the few threads of
/// Swift's pool, so that one that waits for a task beside it would have to wait until those are done.
struct OwnThreads: TestTrait, TestScoping {
    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Threads(), operation: function)
    }

    private final class Threads: TaskExecutor {
        private let queue = DispatchQueue(label: "a test's own threads", attributes: .concurrent)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}

extension Trait where Self == OwnThreads {
    static var ownThreads: Self { OwnThreads() }
}
