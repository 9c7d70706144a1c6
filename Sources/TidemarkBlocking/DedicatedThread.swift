import Glibc

/// One thread that owns one connection. Work is a synchronous closure over the owned state, so a
/// transaction cannot suspend in the middle, and a blocking library never blocks the shared pool.
package final class DedicatedThread<State>: Sendable {
    private typealias Job = (inout State) -> Void

    private struct Work {
        var queue: [Job] = []
        var isStopped = false
    }

    private let work = Monitor(Work())

    /// - Parameter initial: makes the state, on the thread itself.
    package init(_ initial: @escaping @Sendable () -> State) {
        let body = Unmanaged.passRetained(ThreadBody { [work] in
            var state = initial()
            while let job = Self.next(of: work) { job(&state) }
        })
        var thread = pthread_t()
        let status = pthread_create(&thread, nil, { raw in
            guard let raw else { return nil }
            Unmanaged<ThreadBody>.fromOpaque(raw).takeRetainedValue().run()
            return nil
        }, body.toOpaque())
        precondition(status == 0, "the system gives no more threads (pthread_create: \(status))")
        pthread_detach(thread)
    }

    /// Runs `body` on the thread, after all work given before it.
    package func run<T: Sendable>(_ body: @escaping @Sendable (inout State) throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            let isRefused = work.withLock { work in
                if !work.isStopped { work.queue.append { state in continuation.resume(with: Result { try body(&state) }) } }
                return work.isStopped
            }
            if isRefused { continuation.resume(throwing: CancellationError()) }
        }
    }

    /// Hands work over without waiting for it; it runs after all work given before it.
    package func submit(_ body: @escaping @Sendable (inout State) -> Void) {
        work.withLock { $0.queue.append(body) }
    }

    /// Lets the thread end once the work at hand is done; the state is released there.
    package func stop() {
        work.withLock { $0.isStopped = true }
    }

    private static func next(of work: Monitor<Work>) -> Job? {
        work.wait { work -> Job?? in
            guard work.queue.isEmpty else { return work.queue.removeFirst() }
            return work.isStopped ? .some(nil) : nil
        }
    }
}

/// What a new thread runs; a box, since C carries only a pointer.
private final class ThreadBody {
    let run: () -> Void
    init(run: @escaping () -> Void) { self.run = run }
}
