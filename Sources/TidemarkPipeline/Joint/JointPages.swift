import TidemarkCore

/// The pages of the last windows that more than one reader wants, as one of them reads them.
struct JointPages {
    /// A window, and what its pages hold of it.
    struct Key: Hashable {
        var start: Snapshot
        var end: Snapshot
        var form: JointForm
    }

    enum Step {
        case page(ChangePage)
        /// There are no more.
        case end
        /// Read on from here, and let the others have the pages.
        case forAll
        /// Read on from here by yourself.
        case alone
    }

    private struct Reading {
        var captures: Set<Int32>
        var pages: [ChangePage] = []
        /// How many were let go before those.
        var first = 0
        var bytes = 0
        /// Who reads on.
        var reader: JointLog.Reader?
        var isWhole = false
        /// As the place where it begins is numbered.
        var number: Int
        /// Who will need it, and who is in the middle of it: another reading of the window has other pages.
        var awaitedBy: Set<JointLog.Reader>
        var inside: Set<JointLog.Reader>

        var isNeeded: Bool { !awaitedBy.isEmpty || !inside.isEmpty || reader != nil }
    }

    private var readings: [Key: Reading] = [:]
    /// In the order in which they were begun.
    private var order: [Key] = []
    private var bytes = 0
    /// For all windows of one log.
    private let bytesMax: Int
    private static let readingsMax = 64

    init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// Who reads a window on, if anybody does.
    func reader(of window: Key) -> JointLog.Reader? { readings[window]?.reader }

    /// - Parameters:
    ///   - need: for its first page.
    ///   - late: for whom it has waited in vain.
    /// - Returns: nil where the next page may be there in a moment.
    mutating func step(
        of reader: JointLog.Reader, in window: Key, at number: Int, taking captures: Set<Int32>, _ need: JointPlaces.Need, late: JointLog.Reader? = nil
    ) -> Step? {
        guard let reading = readings[window] else {
            guard number == 0, !need.others.isEmpty else { return .alone }
            readings[window] = Reading(captures: captures, reader: reader, number: need.number, awaitedBy: need.others, inside: [reader])
            order.append(window)
            if order.count > Self.readingsMax, let oldest = order.first { remove(oldest) }
            return .forAll
        }
        if number == 0, captures.isSubset(of: reading.captures) {
            readings[window]?.inside.insert(reader)
            readings[window]?.awaitedBy.remove(reader)
        }
        guard readings[window]?.inside.contains(reader) == true, number >= reading.first else { return .alone }
        if number - reading.first < reading.pages.count { return .page(reading.pages[number - reading.first]) }
        if reading.isWhole { return .end }
        guard reading.reader == nil || reading.reader == late else { return nil }
        // What it takes besides, it may not be able to read.
        guard reading.captures == captures else { return .alone }
        readings[window]?.reader = reader
        return .forAll
    }

    /// Of one that somebody else has taken on, nobody wants it.
    mutating func add(_ page: ChangePage, to window: Key, by reader: JointLog.Reader) {
        guard readings[window]?.reader == reader else { return }
        let size = Self.size(page)
        readings[window]?.pages.append(page)
        readings[window]?.bytes += size
        bytes += size
        while bytes > bytesMax, let oldest = order.first {
            if oldest == window { return removeFirstPages(of: window) }
            remove(oldest)
        }
    }

    mutating func end(_ window: Key, by reader: JointLog.Reader, isWhole: Bool) {
        guard readings[window]?.reader == reader else { return }
        readings[window]?.reader = nil
        readings[window]?.isWhole = isWhole
    }

    /// The reader has the window, or gives it up.
    mutating func finish(_ window: Key, by reader: JointLog.Reader) {
        readings[window]?.inside.remove(reader)
        removeUnneeded()
    }

    /// The reader has gone on to the place with this number, and comes back to none before it.
    mutating func release(by reader: JointLog.Reader, before number: Int) {
        for (window, reading) in readings where reading.number < number { readings[window]?.awaitedBy.remove(reader) }
        removeUnneeded()
    }

    mutating func leave(_ reader: JointLog.Reader) {
        for (window, reading) in readings {
            if reading.reader == reader { readings[window]?.reader = nil }
            readings[window]?.awaitedBy.remove(reader)
            readings[window]?.inside.remove(reader)
        }
        removeUnneeded()
    }

    private mutating func removeUnneeded() {
        for window in order where readings[window]?.isNeeded != true { remove(window) }
    }

    private mutating func remove(_ window: Key) {
        bytes -= readings.removeValue(forKey: window)?.bytes ?? 0
        order.removeAll { $0 == window }
    }

    private mutating func removeFirstPages(of window: Key) {
        while bytes > bytesMax, let page = readings[window]?.pages.first {
            let size = Self.size(page)
            readings[window]?.pages.removeFirst()
            readings[window]?.first += 1
            readings[window]?.bytes -= size
            bytes -= size
        }
    }

    private static func size(_ page: ChangePage) -> Int {
        page.bytes.count + page.changes.count * MemoryLayout<Change>.stride + page.transactions.count * MemoryLayout<UInt64>.stride
            + page.befores.count * MemoryLayout<Range<Int>?>.stride
    }
}
