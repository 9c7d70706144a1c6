import Glibc

/// One thread that owns one connection. Work is a synchronous closure over the owned state, so a
/// transaction cannot suspend in the middle, and a blocking library never blocks the shared pool.
package final class DedicatedThread<State>: @unchecked Sendable {
    // @unchecked: `queue` and `stopped` are under `mutex`; `State` never leaves the thread.
    private typealias Job = (inout State) -> Void
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var queue: [Job] = []
    private var stopped = false

    /// - Parameter initial: makes the state, on the thread itself.
    package init(_ initial: @escaping @Sendable () -> State) {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
        let body = Unmanaged.passRetained(ThreadBody { [mutex, changed] in
            var state = initial()
            while let job = Self.take(self, mutex, changed) { job(&state) }
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
            pthread_mutex_lock(mutex)
            let refused = stopped
            if !refused {
                queue.append { state in continuation.resume(with: Result { try body(&state) }) }
            }
            pthread_cond_signal(changed)
            pthread_mutex_unlock(mutex)
            if refused { continuation.resume(throwing: CancellationError()) }
        }
    }

    /// Hands work over without waiting for it; it runs after all work given before it.
    package func submit(_ body: @escaping @Sendable (inout State) -> Void) {
        pthread_mutex_lock(mutex)
        queue.append(body)
        pthread_cond_signal(changed)
        pthread_mutex_unlock(mutex)
    }

    /// Lets the thread end once the work at hand is done; the state is released there.
    package func stop() {
        pthread_mutex_lock(mutex)
        stopped = true
        pthread_cond_signal(changed)
        pthread_mutex_unlock(mutex)
    }

    private static func take(
        _ thread: DedicatedThread, _ mutex: UnsafeMutablePointer<pthread_mutex_t>,
        _ changed: UnsafeMutablePointer<pthread_cond_t>
    ) -> Job? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while thread.queue.isEmpty && !thread.stopped { pthread_cond_wait(changed, mutex) }
        return thread.queue.isEmpty ? nil : thread.queue.removeFirst()
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }
}

/// What a new thread runs; a box, since C carries only a pointer.
private final class ThreadBody {
    let run: () -> Void
    init(run: @escaping () -> Void) { self.run = run }
}
