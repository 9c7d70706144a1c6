import TidemarkCore

/// The keys that a source has, in a temporary table of the target's connection, so that memory stays bounded; a read
/// transaction may write there.
struct SeenKeys {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let pipeline: String
    private let binder: ImageBinder
    private let insert: SQLiteStatement
    private let scratch = ScratchBytes()
    private static let name = "tidemark_seen"

    init(_ database: SQLiteDatabase, _ rows: TableRows, pipeline: String) throws {
        self.database = database
        self.rows = rows
        self.pipeline = pipeline
        // Made from the table, so that the columns have its affinities, and its index can be used to compare them.
        let columns = rows.keyColumns.enumerated().map { "\(rows.reference($1)) AS c\($0)" }.joined(separator: ", ")
        try database.execute("DROP TABLE IF EXISTS temp.\(Self.name)")
        try database.execute("CREATE TEMP TABLE \(Self.name) AS SELECT \(columns) FROM \(rows.quotedName) WHERE 0")
        binder = try TargetTable(rows.captured, slot: 0, in: database, pipeline: pipeline).key
        let places = rows.keyColumns.indices.map { "?\($0 + 1)" }.joined(separator: ", ")
        insert = try database.prepare("INSERT INTO temp.\(Self.name) VALUES (\(places))")
    }

    func take(_ page: ChangePage) throws {
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

    /// The condition of the rows of a part that were not seen, and the values for its parameters. Nothing is taken behind it.
    func others(in part: TablePart) throws -> (sql: String, values: [SQLiteValue]) {
        let places = rows.keyColumns.indices
        try database.execute("CREATE INDEX temp.\(Self.name)_key ON \(Self.name) (\(places.map { "c\($0)" }.joined(separator: ", ")))")
        // The temporary column first: its collation compares, which is BINARY.
        let match = rows.keyColumns.map(rows.reference).enumerated().map { place, key in
            "\(Self.name).c\(place) = \(key) AND typeof(\(Self.name).c\(place)) = typeof(\(key))"
        }.joined(separator: " AND ")
        let (condition, values) = try rows.condition(of: part)
        return ("\(condition) AND NOT EXISTS (SELECT 1 FROM temp.\(Self.name) WHERE \(match))", values)
    }

    func drop() throws { try database.execute("DROP TABLE temp.\(Self.name)") }
}
