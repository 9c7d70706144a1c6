/// Hands pages from the thread that reads them to the thread that writes them, one ahead.
///
/// Both sides are threads of their own that may block: the applying side sits inside one target
/// transaction from the first page to the commit, and must not suspend in it.
package final class PageSlots<Page: Sendable>: Sendable {
    private struct State {
        var ready: Page?
        var end: Result<Void, any Error>?
        var isAbandoned = false
    }

    private let state = Monitor(State())

    package init() {}

    /// Waits until the page before has been taken, then offers this one.
    /// - Returns: false when the applying side is gone and reading has no further use.
    package func offer(_ page: Page) -> Bool {
        state.wait { state in
            guard !state.isAbandoned else { return false }
            guard state.ready == nil else { return nil }
            state.ready = page
            return true
        }
    }

    /// Says that no page follows, because all is read or because reading failed.
    package func finish(_ result: Result<Void, any Error>) {
        state.withLock { $0.end = $0.end ?? result }
    }

    /// The next page, or nil at the end. Throws what reading failed with.
    package func next() throws -> Page? {
        let taken: Result<Page?, any Error> = state.wait { state in
            if let page = state.ready {
                state.ready = nil
                return .success(page)
            }
            return state.end.map { end in end.map { nil } }
        }
        return try taken.get()
    }

    /// The applying side takes no more pages; a reader that waits is let go.
    package func abandon() {
        state.withLock { state in
            state.isAbandoned = true
            state.ready = nil
        }
    }
}
