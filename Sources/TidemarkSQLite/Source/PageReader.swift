import TidemarkCore

/// Reads pages of the log, each while one statement is open.
final class PageReader {
    private let statement: SQLiteStatement
    private let captures: Set<Int32>
    private let limits: SQLiteSourceLimits
    /// Nil where changes travel as they are logged.
    private let shaping: LogShaping?

    init(_ database: SQLiteDatabase, captures: [Int32], limits: SQLiteSourceLimits, shaping: LogShaping? = nil) throws(SQLiteFailure) {
        self.shaping = shaping
        self.captures = Set(captures)
        self.limits = limits
        statement = try database.prepare(
            """
            SELECT id, capture, operation, key, image FROM main.data_changes
            WHERE id > ? AND id <= ? ORDER BY id LIMIT ?
            """)
    }

    /// - Returns: the next page, and how far it reaches in the log; nil where there is nothing left.
    func page(after: Int64, upTo end: Int64) throws -> (ChangePage, (lastID: Int64, rows: Int64)?) {
        let (page, read) = try logged(after: after, upTo: end)
        return (try shaping?.shaped(page) ?? page, read)
    }

    private func logged(after: Int64, upTo end: Int64) throws -> (ChangePage, (lastID: Int64, rows: Int64)?) {
        try statement.bind([.integer(after), .integer(end), .integer(Int64(limits.pageChangesMax))])
        // However it ends: an open statement is an open transaction.
        defer { statement.reset() }
        var page = ChangePage()
        var read: (lastID: Int64, rows: Int64)?
        // Rows of other pipelines' tables count as well, or one page could hold the read lock for the whole log.
        while try statement.step() {
            let id = statement.int64(0)
            read = (id, (read?.rows ?? 0) + 1)
            let capture = Int32(truncatingIfNeeded: statement.int64(1))
            guard captures.contains(capture) else { continue }
            let letter = statement.bytes(2)?.first
            if letter == SQLiteBeforeImages.letter { continue }
            guard let letter, let operation = Operation(rawValue: letter) else {
                throw TidemarkError(
                    "a row of the log cannot be read", changeID: id, why: "its operation is unknown",
                    remedy: "The log was altered, or written by a newer tidemark: install that version.")
            }
            page.append(
                id: id, capture: capture, operation: operation, key: statement.bytes(3), image: statement.bytes(4))
            if page.bytes.count >= limits.pageBytesMax { break }
        }
        return (page, read)
    }
}
