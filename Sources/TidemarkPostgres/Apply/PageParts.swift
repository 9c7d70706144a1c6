import TidemarkCore

/// Takes a page apart where everything before a change has to be in the tables before it.
struct PageParts {
    enum Part {
        case changes(ChangePage)
        /// One partition was truncated.
        case leaf(LeafTruncation)
        /// From here on a table's changes are of a later generation of its capture.
        case renewal
        /// What follows was made there first; nil for the source.
        case origin(String?)
    }

    /// Tables that were truncated as a whole and have had no row since.
    private var emptied: Set<Int32> = []
    private var generations: [TableName: Int32] = [:]
    private let marksOrigins: Bool
    /// Of the last change; nil before the first.
    private var origin: String??

    init(marksOrigins: Bool = false) { self.marksOrigins = marksOrigins }

    /// Truncating a root logs one truncation for it and then one for each partition. Those say nothing
    /// new, and are left out: a target that is not partitioned can follow the root's.
    mutating func split(_ page: ChangePage, tables: [Int32: CapturedTable]) -> [Part] {
        var parts: [Part] = []
        var start = 0
        var known = Int32.min
        func changes(through end: Int) -> [Part] {
            guard start < end else { return [] }
            return [.changes(start == 0 && end == page.changes.count ? page : page.slice(start..<end))]
        }
        for (index, change) in page.changes.enumerated() {
            if marksOrigins, origin != .some(page.origin(index)) {
                origin = .some(page.origin(index))
                parts += changes(through: index) + [.origin(page.origin(index))]
                start = index
            }
            if change.capture != known, let name = tables[change.capture]?.name {
                if let earlier = generations.updateValue(change.capture, forKey: name), earlier != change.capture {
                    parts += changes(through: index) + [.renewal]
                    start = index
                }
                known = change.capture
            }
            guard change.operation == .truncate else {
                if !emptied.isEmpty { emptied.remove(change.capture) }
                continue
            }
            guard let image = change.image else {
                emptied.insert(change.capture)
                continue
            }
            parts += changes(through: index)
            start = index + 1
            if !emptied.contains(change.capture) {
                parts.append(.leaf(LeafTruncation(id: change.id, capture: change.capture, partition: Array(page.bytes[image]))))
            }
        }
        return parts + changes(through: page.changes.count)
    }
}

/// That one partition of a captured table was truncated.
struct LeafTruncation {
    let id: Int64
    let capture: Int32
    /// JSON with its `schema` and `table`.
    let partition: [UInt8]
}

extension ChangePage {
    /// Some of the changes, in a page of their own.
    fileprivate func slice(_ range: Range<Int>) -> ChangePage {
        var page = ChangePage()
        for index in range { page.take(index, from: self) }
        return page
    }
}
