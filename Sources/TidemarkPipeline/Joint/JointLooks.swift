import TidemarkCore

/// What one reader's look has found: windows that others may take from the place where they begin.
struct JointLook {
    /// Where it began.
    var cursor: Cursor
    var windows: [Window]
    /// The state of the catalogue in which capture of all that the reader takes was whole at their end.
    var catalog: String
    /// Of the last window.
    var witness: String { windows.last?.witness ?? "" }

    func begins(at other: Cursor) -> Bool { cursor.snapshot == other.snapshot && cursor.witness == other.witness }
}

/// Looks at one log, by whichever reader comes first.
struct JointLooks {
    enum Turn {
        /// Take these windows.
        case follow(JointLook)
        /// A look that was begun since you asked found nothing.
        case nothing(quiet: Snapshot?)
        /// Look by yourself; where another look is given, at what lies before its end, where others are.
        case look(landing: JointLook?)
    }

    private struct Search {
        var reader: JointLog.Reader
        var place: Snapshot
        var begun: ContinuousClock.Instant
        /// Since when it is known to have found nothing.
        var ended: ContinuousClock.Instant?
        var quiet: Snapshot?
    }

    private var last: [JointLook] = []
    /// The youngest that may be under way, or found nothing and will be followed by another one.
    private var search: Search?

    /// One that is further behind takes more at a time.
    private static let kept = 3
    /// Windows of another one's look are read from the beginning of all of them, if they have to be read.
    private static let windowsMax = 8
    /// One that is further behind lands where it likes: its windows are cut at the source's own ticks.
    private static let landingChanges: Int64 = 100_000
    /// A reader with nothing to do looks again before this, or has something else to do.
    private static let searchAgesMs = 100

    /// - Returns: nil where there may be something in a moment.
    mutating func turn(
        of reader: JointLog.Reader, at cursor: Cursor, proven: String, asked: ContinuousClock.Instant, now: ContinuousClock.Instant
    ) -> Turn? {
        if let look = last.last(where: { $0.begins(at: cursor) }) {
            guard look.catalog == proven, look.windows.count <= Self.windowsMax else { return begin(reader, at: cursor, now) }
            return .follow(look)
        }
        if let search, search.reader != reader, search.place == cursor.snapshot, now - (search.ended ?? search.begun) < .milliseconds(Self.searchAgesMs) {
            guard search.ended != nil, search.begun >= asked else { return nil }
            return .nothing(quiet: search.quiet)
        }
        return begin(reader, at: cursor, now, proven: proven)
    }

    mutating func begin(_ reader: JointLog.Reader, at cursor: Cursor, _ now: ContinuousClock.Instant, proven: String? = nil) -> Turn {
        search = Search(reader: reader, place: cursor.snapshot, begun: now)
        return .look(landing: last.last.flatMap { $0.catalog == proven && isNear($0, cursor) ? $0 : nil })
    }

    private func isNear(_ look: JointLook, _ cursor: Cursor) -> Bool {
        guard let end = look.windows.last, end.end != cursor.snapshot, cursor.snapshot.isContained(in: end.end) else { return false }
        return end.throughID - cursor.lastID <= Self.landingChanges
    }

    mutating func end(_ look: JointLook, of reader: JointLog.Reader) {
        last.append(look)
        last.removeFirst(max(0, last.count - Self.kept))
        leave(reader)
    }

    mutating func endWithNothing(_ quiet: Snapshot?, of reader: JointLog.Reader, at now: ContinuousClock.Instant) {
        guard search?.reader == reader else { return }
        search?.ended = now
        search?.quiet = quiet
    }

    mutating func leave(_ reader: JointLog.Reader) {
        if search?.reader == reader { search = nil }
    }
}
