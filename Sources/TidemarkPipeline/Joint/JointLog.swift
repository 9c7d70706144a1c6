import TidemarkBlocking
import TidemarkCore

/// One log that several pipelines of this process read, each for a target of its own. Where they are close together, one of
/// them looks and reads, and the others take what it has found.
///
/// Nobody waits for another one longer than a moment: who gets nothing goes on by itself.
final class JointLog: Sendable {
    typealias Reader = Int

    private let looks = Monitor(JointLooks())
    private let pages: Monitor<JointPages>
    private let places = Monitor(JointPlaces())

    /// How long a reader waits for another one's look, which is about the longest pause between the looks of one who has nothing
    /// to do.
    private static let lookWaitMs = 60
    /// How long it waits for another one's next page, whose target may be a slow one; and for all pages of a window.
    private static let (pageWaitMs, windowWaitMs) = (100, 300)

    /// - Parameter bytesMax: of pages that are kept for those who follow.
    init(bytesMax: Int) { pages = Monitor(JointPages(bytesMax: bytesMax)) }

    func enter() -> Reader { places.withLock { $0.enter() } }

    func leave(_ reader: Reader) {
        places.withLock { $0.leave(reader) }
        looks.withLock { $0.leave(reader) }
        pages.withLock { $0.leave(reader) }
    }

    // MARK: - Looks

    /// What a reader does that wants the windows after a place.
    /// - Parameter proven: the state of the catalogue in which its own look has found capture whole; nil where there was none.
    func turn(of reader: Reader, at cursor: Cursor, proven: String?) -> JointLooks.Turn {
        move(reader, to: cursor.snapshot)
        let asked = ContinuousClock.now
        guard let proven, places.withLock({ $0.count }) > 1 else { return looks.withLock { $0.begin(reader, at: cursor, asked) } }
        return looks.wait(ms: Self.lookWaitMs) { $0.turn(of: reader, at: cursor, proven: proven, asked: asked, now: .now) }
            ?? looks.withLock { $0.begin(reader, at: cursor, .now, proven: proven) }
    }

    /// What the look that a reader's turn was has found.
    func end(_ look: JointLook, of reader: Reader) {
        places.withLock { $0.pass(look.windows) }
        looks.withLock { $0.end(look, of: reader) }
    }

    /// A look to a place where others stand already: nobody else needs it.
    func land(_ windows: [Window], of reader: Reader) {
        places.withLock { $0.pass(windows) }
        looks.withLock { $0.leave(reader) }
    }

    /// - Parameter quiet: a later moment up to which nothing was logged either.
    func endWithNothing(_ quiet: Snapshot?, of reader: Reader) { looks.withLock { $0.endWithNothing(quiet, of: reader, at: .now) } }

    func fail(_ reader: Reader) { looks.withLock { $0.leave(reader) } }

    // MARK: - Pages

    /// What a reader does that wants a window's page of this number.
    /// - Parameter waitedMs: so far, for pages of the window; raised by what this one takes.
    func step(
        of reader: Reader, in window: JointPages.Key, at number: Int, taking captures: Set<Int32>, waitedMs: inout Int
    ) -> JointPages.Step {
        if number == 0 { move(reader, to: window.start) }
        let need = number == 0 ? places.withLock { $0.need(of: window.start, beside: reader) } : JointPlaces.Need()
        let begun = ContinuousClock.now
        defer { waitedMs += Int(begun.duration(to: .now) / .milliseconds(1)) }
        var awaited: Reader?
        let step = pages.wait(ms: min(Self.pageWaitMs, max(0, Self.windowWaitMs - waitedMs))) { pages in
            awaited = awaited ?? pages.reader(of: window)
            return pages.step(of: reader, in: window, at: number, taking: captures, need)
        }
        return step ?? pages.withLock { $0.step(of: reader, in: window, at: number, taking: captures, need, late: awaited) } ?? .alone
    }

    func add(_ page: ChangePage, to window: JointPages.Key, by reader: Reader) { pages.withLock { $0.add(page, to: window, by: reader) } }

    /// - Parameter isWhole: was it read to its end?
    func end(_ window: JointPages.Key, by reader: Reader, isWhole: Bool) { pages.withLock { $0.end(window, by: reader, isWhole: isWhole) } }

    /// The reader needs no more of the window.
    func finish(_ window: JointPages.Key, by reader: Reader) { pages.withLock { $0.finish(window, by: reader) } }

    private func move(_ reader: Reader, to place: Snapshot) {
        guard let number = places.withLock({ $0.move(reader, to: place) }) else { return }
        pages.withLock { $0.release(by: reader, before: number) }
    }
}
