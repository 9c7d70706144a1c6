import TidemarkCore

/// Finds the rows of a part whose keys are in none of a source's pages. The pages' keys go to a temporary table, so that
/// memory stays bounded; a read transaction may write there.
struct ExtraRows {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let pipeline: String
    private let name = "tidemark_seen"

    init(_ database: SQLiteDatabase, _ rows: TableRows, pipeline: String) {
        self.database = database
        self.rows = rows
        self.pipeline = pipeline
    }

    func find(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws {
        // Made from the table, so that the columns have its affinities, and its index can be used to compare them.
        let columns = rows.keyColumns.enumerated().map { "\(rows.reference($1)) AS c\($0)" }.joined(separator: ", ")
        try database.execute("DROP TABLE IF EXISTS temp.\(name)")
        try database.execute("CREATE TEMP TABLE \(name) AS SELECT \(columns) FROM \(rows.quotedName) WHERE 0")
        try fill(nextPage)
        let places = rows.keyColumns.indices
        try database.execute("CREATE INDEX temp.\(name)_key ON \(name) (\(places.map { "c\($0)" }.joined(separator: ", ")))")
        try report(part, receive)
        try database.execute("DROP TABLE temp.\(name)")
    }

    private func fill(_ nextPage: () throws -> ChangePage?) throws {
        let binder = try TargetTable(rows.captured, slot: 0, in: database, pipeline: pipeline).key
        let places = rows.keyColumns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        let insert = try database.prepare("INSERT INTO temp.\(name) VALUES (\(places))")
        let scratch = ScratchBytes()
        while let page = try nextPage() {
            try page.bytes.withUnsafeBufferPointer { bytes in
                let applied = AppliedPage(page: page, bytes: bytes)
                for index in page.changes.indices where page.changes[index].operation != .delete {
                    do {
                        try binder.bind(applied.key(index), to: insert, scratch)
                        try insert.run()
                    } catch {
                        throw ApplyFault(pipeline: pipeline, table: rows.captured.name, key: applied.keyText(index))
                            .error(for: error, order: .staged)
                    }
                }
            }
        }
    }

    private func report(_ part: TablePart, _ receive: (RowDifference) throws -> Void) throws {
        let text = RowText(keysOf: rows)
        let keys = rows.keyColumns.map(rows.reference)
        // The temporary column first: its collation compares, which is BINARY.
        let match = keys.enumerated().map { place, key in
            "\(name).c\(place) = \(key) AND typeof(\(name).c\(place)) = typeof(\(key))"
        }.joined(separator: " AND ")
        let (condition, values) = try rows.condition(of: part)
        let statement = try database.prepare(
            """
            SELECT \(keys.joined(separator: ", ")) FROM \(rows.quotedName)
            WHERE \(condition) AND NOT EXISTS (SELECT 1 FROM temp.\(name) WHERE \(match))
            """)
        try statement.bind(values)
        defer { statement.reset() }
        while try statement.step() { try receive(RowDifference(.extra, key: text.text(statement.row()))) }
    }
}
