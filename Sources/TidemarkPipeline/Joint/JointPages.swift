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
        /// Read on from here with these captures, and let the others have the pages.
        case forAll(Set<Int32>)
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
        /// Who may need it still.
        var awaitedBy: Set<JointLog.Reader>
    }

    private var readings: [Key: Reading] = [:]
    /// In the order in which they were begun.
    private var order: [Key] = []
    private var bytes = 0

    /// For all windows of one log.
    private static let bytesMax = 32 << 20

    /// - Parameters:
    ///   - need: for its first page.
    ///   - isLate: has it waited, in vain?
    /// - Returns: nil where the next page may be there in a moment.
    mutating func step(
        of reader: JointLog.Reader, in window: Key, at number: Int, taking captures: Set<Int32>, _ need: JointPlaces.Need, isLate: Bool
    ) -> Step? {
        guard let reading = readings[window] else {
            guard number == 0, !need.others.isEmpty else { return .alone }
            readings[window] = Reading(captures: captures, reader: reader, number: need.number, awaitedBy: need.others)
            order.append(window)
            return .forAll(captures)
        }
        guard captures.isSubset(of: reading.captures), number >= reading.first else { return .alone }
        if number - reading.first < reading.pages.count { return .page(reading.pages[number - reading.first]) }
        if reading.isWhole { return .end }
        guard reading.reader == nil || isLate else { return nil }
        readings[window]?.reader = reader
        return .forAll(reading.captures)
    }

    /// Of one that somebody else has taken on, nobody wants it.
    mutating func add(_ page: ChangePage, to window: Key, by reader: JointLog.Reader) {
        guard readings[window]?.reader == reader else { return }
        let size = page.bytes.count + page.changes.count * MemoryLayout<Change>.stride
        readings[window]?.pages.append(page)
        readings[window]?.bytes += size
        bytes += size
        while bytes > Self.bytesMax, let oldest = order.first {
            if oldest == window { return removeFirstPages(of: window) }
            remove(oldest)
        }
    }

    mutating func end(_ window: Key, by reader: JointLog.Reader, isWhole: Bool) {
        guard readings[window]?.reader == reader else { return }
        readings[window]?.reader = nil
        readings[window]?.isWhole = isWhole
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
        }
        removeUnneeded()
    }

    private mutating func removeUnneeded() {
        for window in order where readings[window].map({ $0.awaitedBy.isEmpty && $0.reader == nil }) ?? true { remove(window) }
    }

    private mutating func remove(_ window: Key) {
        bytes -= readings.removeValue(forKey: window)?.bytes ?? 0
        order.removeAll { $0 == window }
    }

    private mutating func removeFirstPages(of window: Key) {
        while bytes > Self.bytesMax, let page = readings[window]?.pages.first {
            let size = page.bytes.count + page.changes.count * MemoryLayout<Change>.stride
            readings[window]?.pages.removeFirst()
            readings[window]?.first += 1
            readings[window]?.bytes -= size
            bytes -= size
        }
    }
}
