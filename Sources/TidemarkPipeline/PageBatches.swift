import Synchronization
import TidemarkBlocking
import TidemarkCore

/// The pages that one reading hands over, in batches of so many rows: each is a transaction of the target.
final class PageBatches: Sendable {
    private struct State {
        var page: ChangePage?
        var isBegun = false
        var rowsLeft = 0
    }

    private let slots: PageSlots<ChangePage>
    private let rows: Int
    private let state = Mutex(State())

    init(_ slots: PageSlots<ChangePage>, of rows: Int) { (self.slots, self.rows) = (slots, rows) }

    /// Waits until it is known whether there is another batch, which then begins. The first one may be empty.
    func begin() throws -> Bool {
        try state.withLock { state in
            let isFirst = !state.isBegun
            state.isBegun = true
            if state.page == nil { state.page = try slots.next() }
            state.rowsLeft = rows
            return isFirst || state.page != nil
        }
    }

    /// The batch's next page; nil at its end.
    func next() throws -> ChangePage? {
        try state.withLock { state in
            guard state.rowsLeft > 0 else { return nil }
            guard let page = try state.page ?? slots.next() else { return nil }
            guard page.changes.count > state.rowsLeft else {
                state.page = nil
                state.rowsLeft -= page.changes.count
                return page
            }
            var (part, rest) = (ChangePage(), ChangePage())
            for index in page.changes.indices.prefix(state.rowsLeft) { part.take(index, from: page) }
            for index in page.changes.indices.dropFirst(state.rowsLeft) { rest.take(index, from: page) }
            (state.page, state.rowsLeft) = (rest, 0)
            return part
        }
    }

    func abandon() { slots.abandon() }
}
