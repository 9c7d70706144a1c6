/// Some of many, and what to ask for the ones that follow.
struct Page<Item: Encodable>: Encodable {
    var items: [Item]
    /// For `after`; nil where there are no more.
    var next: String?

    private enum CodingKeys: String, CodingKey { case items, next }

    /// With a null at the end of a list, which a reader need not take for a field that is missing.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(items, forKey: .items)
        try container.encode(next, forKey: .next)
    }
}

/// All there is, where it is never too much.
struct List<Item: Encodable>: Encodable {
    var items: [Item]
}

extension Call {
    static let pageLimit = 1...500

    /// How many items at most: 100 unless said otherwise.
    func limit() throws -> Int {
        guard let text = query["limit"] else { return 100 }
        guard let limit = Int(text), Self.pageLimit.contains(limit) else {
            throw Problem.malformed("limit is a number from \(Self.pageLimit.lowerBound) to \(Self.pageLimit.upperBound), and not \(text).")
        }
        return limit
    }

    /// The id that a page begins behind.
    func afterID() throws -> Int64? {
        try query["after"].map { text in
            guard let id = Int64(text) else { throw Problem.malformed("after is a number here, and not \(text).") }
            return id
        }
    }

    /// The page of what is sorted by a key that no two have.
    func page<Item: Encodable, Key: Comparable & CustomStringConvertible>(
        _ all: [Item], by key: (Item) -> Key, after: Key?, descending: Bool = false
    ) throws -> Page<Item> {
        let limit = try limit()
        let sorted = all.map { (key($0), $0) }.sorted { descending ? $0.0 > $1.0 : $0.0 < $1.0 }
        let rest = sorted.drop { item in after.map { descending ? item.0 >= $0 : item.0 <= $0 } ?? false }
        let page = rest.prefix(limit)
        return Page(items: page.map(\.1), next: rest.count > limit ? page.last?.0.description : nil)
    }
}
