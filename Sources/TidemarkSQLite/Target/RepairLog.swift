import TidemarkCore

/// `tidemark_repair`: every row that a repair changed.
struct RepairLog {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// In the transaction of the repair.
    func add(_ differences: [RowDifference], of table: TableName, at cursor: Cursor, pipeline: String) throws {
        let statement = try database.prepare(
            """
            INSERT INTO main.tidemark_repair (pipeline, schema_name, table_name, key, kind, columns, rows, snapshot,
                repaired_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
            """)
        for difference in differences {
            try statement.bind([
                .string(pipeline), .string(table.schema ?? ""), .string(table.name), .string(difference.key),
                .string(difference.kind.rawValue), .string(JSONTexts.array(difference.columns)),
                .integer(difference.count), .string(cursor.snapshot.description),
            ])
            try statement.run()
        }
    }
}
