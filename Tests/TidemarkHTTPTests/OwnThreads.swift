import Dispatch
import Testing

/// Runs a test, and the server beside it, on threads that no other test has: those of Swift's pool are few, and tests of
/// other suites block them.
struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    var isRecursive: Bool { true }

    func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(Self.threads, operation: function)
    }

    static let threads: any TaskExecutor = Threads()

    private final class Threads: TaskExecutor {
        private let queue = DispatchQueue(label: "the server's tests", attributes: .concurrent)

        func enqueue(_ job: consuming ExecutorJob) {
            let job = UnownedJob(job)
            queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
        }
    }
}

extension Trait where Self == OwnThreads {
    static var ownThreads: Self { OwnThreads() }
}
