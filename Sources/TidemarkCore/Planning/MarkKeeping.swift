/// Which rows a pass by marks reads, and up to where nothing has to be read again behind it. Pure.
///
/// A row may be committed late, with a mark below those that are there already. So the highest mark that a reader sees counts only once
/// everything has ended that was open when it was seen, and the rows up to it were read after that; until then they are read
/// again from the mark before.
package struct MarkKeeping: Hashable, Sendable {
    /// Rows up to here need not be read again.
    package private(set) var mark: ChangeMark?
    /// The mark that counts next, and what has to end before; nil for nothing.
    package private(set) var next: ChangeMark?
    package private(set) var horizon: String?
    /// The highest mark that there is.
    private var end: ChangeMark?
    private var endHorizon: String?
    private var isSettled = false

    package init(_ unit: SyncUnit) { (mark, next, horizon) = (unit.mark, unit.nextMark, unit.nextMarkHorizon) }

    /// A pass begins, before anything is read.
    /// - Parameters:
    ///   - seen: the highest mark, as the source saw it.
    ///   - open: what is open at the source after that was seen, also where it has drawn a value and written nothing yet; nil for nothing.
    package mutating func begin(_ seen: ChangeMark?, horizon open: String?) {
        (end, endHorizon, isSettled) = (seen, open, false)
        guard next == nil else { return }
        (next, horizon) = (seen, open)
    }

    /// A pass that was interrupted between two keys goes on: what was read before was read when it began.
    package mutating func resume() { isSettled = next != nil && horizon == nil }

    /// What is to be asked before the rows are read: has everything ended that was open then? Nil where nothing was.
    package var awaited: String? { next == nil ? nil : horizon }

    /// The answer.
    package mutating func settle(_ isPast: Bool) {
        guard next != nil, isPast || horizon == nil else { return }
        (horizon, isSettled) = (nil, true)
    }

    /// The rows that the pass reads, in this order: behind a mark, up to and with another. The next mark is read up to by itself,
    /// since it may be above what is there now.
    package var ranges: [(after: ChangeMark?, through: ChangeMark)] {
        guard let next else { return [] }
        var ranges = [(after: mark, through: next)]
        if let end, end != next { ranges.append((next, end)) }
        return ranges
    }

    /// All these rows are in the target; they were read after `settle`.
    package mutating func finish() {
        guard isSettled else { return }
        mark = next
        // What is above it was seen before anything was read, too, and waits for its own horizon.
        (next, horizon) = end == mark ? (nil, nil) : (end, endHorizon)
        isSettled = false
    }

    package func noted(in unit: SyncUnit) -> SyncUnit {
        var unit = unit
        (unit.mark, unit.nextMark, unit.nextMarkHorizon) = (mark, next, horizon)
        return unit
    }
}

extension SyncUnit {
    /// Are keys to be compared in this pass, to find rows that were deleted?
    package func deletesAreDue(_ reading: IncrementalReading, now: SourceTime) -> Bool {
        guard let seconds = reading.deletesEverySeconds else { return false }
        return deletesAt.flatMap { SourceTime($0) }.map { now >= $0.later(bySeconds: seconds) } ?? true
    }
}
