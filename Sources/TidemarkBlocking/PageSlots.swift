import Glibc

/// Hands pages from the thread that reads them to the thread that writes them, one ahead.
///
/// Both sides are threads of their own that may block: the applying side sits inside one target
/// transaction from the first page to the commit, and must not suspend in it.
package final class PageSlots<Page: Sendable>: @unchecked Sendable {
    // @unchecked: every access to the state below is under `mutex`.
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let changed = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var ready: Page?
    private var end: Result<Void, any Error>?
    private var abandoned = false

    package init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(changed, nil)
    }

    deinit {
        pthread_cond_destroy(changed)
        pthread_mutex_destroy(mutex)
        changed.deallocate()
        mutex.deallocate()
    }

    /// Waits until the page before has been taken, then offers this one.
    /// - Returns: false when the applying side is gone and reading has no further use.
    package func offer(_ page: Page) -> Bool {
        locked {
            while ready != nil && !abandoned { pthread_cond_wait(changed, mutex) }
            if abandoned { return false }
            ready = page
            return true
        }
    }

    /// Says that no page follows, because all is read or because reading failed.
    package func finish(_ result: Result<Void, any Error>) {
        locked { end = end ?? result }
    }

    /// The next page, or nil at the end. Throws what reading failed with.
    package func next() throws -> Page? {
        let taken: Result<Page?, any Error> = locked {
            while ready == nil && end == nil { pthread_cond_wait(changed, mutex) }
            if let page = ready {
                ready = nil
                return .success(page)
            }
            return (end ?? .success(())).map { nil }
        }
        return try taken.get()
    }

    /// The applying side takes no more pages; a reader that waits is let go.
    package func abandon() {
        locked {
            abandoned = true
            ready = nil
        }
    }

    private func locked<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(mutex)
        defer {
            pthread_cond_broadcast(changed)
            pthread_mutex_unlock(mutex)
        }
        return body()
    }
}
