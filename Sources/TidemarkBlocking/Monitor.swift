import Glibc

/// State that several threads share, and wait for to change. They may block: none is of the shared pool.
package final class Monitor<State>: @unchecked Sendable {
    // @unchecked: every access to `state` is under `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var state: State

    package init(_ state: sending State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        // A clock that is set must neither end a wait nor prolong it.
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(changed, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Wakes whoever waits.
    package func withLock<T>(_ body: (inout State) throws -> T) rethrows -> T {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        return try body(&state)
    }

    /// Returns what the body does, once that is something. It is asked after each change.
    package func wait<T>(for body: (inout State) -> T?) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let found = body(&state) { return announced(found) }
            pthread_cond_wait(changed, mutex)
        }
    }

    /// - Returns: nil where the body had nothing in all that time.
    package func wait<T>(ms: Int, for body: (inout State) -> T?) -> T? {
        var end = timespec()
        clock_gettime(CLOCK_MONOTONIC, &end)
        end.tv_sec += (end.tv_nsec + ms * 1_000_000) / 1_000_000_000
        end.tv_nsec = (end.tv_nsec + ms * 1_000_000) % 1_000_000_000
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let found = body(&state) { return announced(found) }
            guard pthread_cond_timedwait(changed, mutex, &end) == 0 else { return body(&state).map(announced) }
        }
    }

    /// A body that found something may have changed what others wait for.
    private func announced<T>(_ found: T) -> T {
        pthread_cond_broadcast(changed)
        return found
    }
}
