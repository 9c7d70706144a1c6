import Dispatch
package import Testing

/// Runs tests, and the tasks beside them, on threads that no other test has. Tests block the few threads of Swift's pool, so
/// that one that waits for a task beside it would have to wait until those are done.
package struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Self.threads, operation: function)
    }

    package static let threads: any TaskExecutor = Threads()

    private final class Threads: TaskExecutor {
        private let queue = DispatchQueue(label: "threads of tests' own", attributes: .concurrent)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}

extension Trait where Self == OwnThreads {
    package static var ownThreads: Self { OwnThreads() }
}
