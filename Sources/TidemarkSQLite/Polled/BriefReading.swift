import TidemarkCore

/// Reads rows that somebody takes their time with, in a transaction that the caller has begun.
///
/// In WAL mode the rows come as they are read, and nobody waits for a reader. In the other modes one keeps the application from
/// committing: all rows go into a temporary file first, and the transaction ends before the first one is handed over.
struct BriefReading {
    let database: SQLiteDatabase
    let isWAL: Bool

    private static let name = "tidemark_read"

    /// - Parameter queries: of so many columns each; of one moment.
    func each(_ queries: [(sql: String, values: [SQLiteValue])], columns: Int, _ body: (SQLiteStatement) throws -> Void) throws {
        guard !isWAL else {
            for query in queries { try each(query, body) }
            return
        }
        // Without types, so that nothing is made of a value.
        let names = (0..<columns).map { "c\($0)" }.joined(separator: ", ")
        try database.execute("DROP TABLE IF EXISTS temp.\(Self.name); CREATE TEMP TABLE \(Self.name) (\(names))")
        for query in queries { _ = try database.rows("INSERT INTO temp.\(Self.name) \(query.sql)", query.values) }
        try database.execute("COMMIT")
        try each(("SELECT * FROM temp.\(Self.name) ORDER BY rowid", []), body)
        try database.execute("DROP TABLE temp.\(Self.name)")
    }

    private func each(_ query: (sql: String, values: [SQLiteValue]), _ body: (SQLiteStatement) throws -> Void) throws {
        let statement = try database.prepare(query.sql)
        try statement.bind(query.values)
        defer { statement.reset() }
        while try statement.step() { try body(statement) }
    }
}
