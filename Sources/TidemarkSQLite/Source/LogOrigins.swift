import TidemarkCore

/// Where the rows of the log were first made, as far as tidemark applied them: read beside them, in their order.
final class LogOrigins {
    private let statement: SQLiteStatement
    private let following: AppliedChanges
    private var range: Range?

    /// Rows of one origin.
    struct Range {
        var after: Int64
        var through: Int64
        var origin: String
        /// Is it the business of nobody who reads here?
        var isLeftOut: Bool
    }

    /// - Returns: nil where nothing that is applied is captured.
    init?(_ database: SQLiteDatabase, following: AppliedChanges) throws(SQLiteFailure) {
        guard try database.hasTable("tidemark_applied") else { return nil }
        self.following = following
        statement = try database.prepare(
            "SELECT after_id, through_id, origin FROM main.tidemark_applied WHERE through_id > ? AND after_id < ? ORDER BY through_id")
    }

    /// Within the read that the page is of.
    func begin(after: Int64, upTo end: Int64) throws(SQLiteFailure) {
        statement.bind(after, at: 1)
        statement.bind(end, at: 2)
        range = try next()
    }

    /// Of rows in the order of their ids; nil for one that was first made here.
    func origin(of id: Int64) throws(SQLiteFailure) -> Range? {
        while let range, range.through < id { self.range = try next() }
        guard let range, range.after < id else { return nil }
        return range
    }

    func end() { statement.reset() }

    private func next() throws(SQLiteFailure) -> Range? {
        guard try statement.step() else { return nil }
        let known = AppliedOrigin.databases(in: statement.column(2).string ?? "")
        let isLeftOut = switch following {
        case .leftOut: true
        case .passedOn(let other): other.map(known.contains) ?? false
        }
        return Range(after: statement.int64(0), through: statement.int64(1), origin: known.first ?? "", isLeftOut: isLeftOut)
    }
}
