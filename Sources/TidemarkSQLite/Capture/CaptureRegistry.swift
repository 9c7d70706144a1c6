import TidemarkCore

/// `tidemark_capture` and `tidemark_column`: the generations of every table's triggers.
struct CaptureRegistry {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// A generation whose triggers are there.
    struct Current {
        var capture: Int64
        var table: String
        var schemaText: String
        var gap: String?
    }

    func current() throws(SQLiteFailure) -> [Current] {
        try database.rows(
            "SELECT capture, table_name, schema_text, gap FROM main.tidemark_capture WHERE retired_at IS NULL ORDER BY capture"
        ).compactMap { row in
            guard let capture = row[0].integer, let table = row[1].string else { return nil }
            return Current(capture: capture, table: table, schemaText: row[2].string ?? "", gap: row[3].string)
        }
    }

    func capturedTables() throws(SQLiteFailure) -> [CapturedTable] {
        let columns = try database.rows(
            "SELECT capture, name, type, is_generated, key_position FROM main.tidemark_column ORDER BY capture, position")
        let byCapture = Dictionary(grouping: columns) { $0[0].integer ?? 0 }
        return try database.rows("SELECT capture, table_name, retired_at FROM main.tidemark_capture ORDER BY capture").map { row in
            let own = byCapture[row[0].integer ?? 0] ?? []
            let key = own.filter { $0[4] != .null }.sorted { ($0[4].integer ?? 0) < ($1[4].integer ?? 0) }
            return CapturedTable(
                capture: Int32(truncatingIfNeeded: row[0].integer ?? 0),
                name: TableName(schema: nil, name: row[1].string ?? ""),
                columns: own.map {
                    CapturedColumn(name: $0[1].string ?? "", type: $0[2].string ?? "", isGenerated: $0[3] == .integer(1))
                },
                keyColumns: key.map { $0[1].string ?? "" }, encoding: .storageClasses, isRetired: row[2] != .null)
        }
    }

    func nextCapture() throws(SQLiteFailure) -> Int64 {
        (try database.rows("SELECT max(capture) FROM main.tidemark_capture").first?.first?.integer ?? 0) + 1
    }

    /// Records a generation whose triggers have just been made.
    /// - Parameter gap: why rows may have passed unseen before it.
    func add(_ capture: Int64, _ table: SQLiteTable, images: CapturedImages, gap: String?) throws(SQLiteFailure) {
        let fingerprint = CaptureFingerprint(database)
        _ = try database.rows(
            """
            INSERT INTO main.tidemark_capture (capture, table_name, schema_text, trigger_text, gap, images, installed_at)
            VALUES (?, ?, ?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
            """,
            [
                .integer(capture), .string(table.name), .string(try fingerprint.schemaText(of: table.name) ?? ""),
                .string(try fingerprint.triggerText(of: capture)), gap.map { .string($0) } ?? .null,
                .string(images.rawValue),
            ])
        let key = table.key?.columns ?? []
        for (position, column) in table.columns.enumerated() {
            _ = try database.rows(
                "INSERT INTO main.tidemark_column (capture, position, name, type, is_generated, key_position) VALUES (?, ?, ?, ?, ?, ?)",
                [
                    .integer(capture), .integer(Int64(position + 1)), .string(column.name), .string(column.declaredType),
                    .integer(column.isGenerated ? 1 : 0),
                    key.firstIndex(of: column.name).map { .integer(Int64($0 + 1)) } ?? .null,
                ])
        }
    }

    func retire(_ capture: Int64) throws(SQLiteFailure) {
        _ = try database.rows(
            "UPDATE main.tidemark_capture SET retired_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE capture = ?",
            [.integer(capture)])
    }
}
