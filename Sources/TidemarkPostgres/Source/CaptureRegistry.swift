import TidemarkCore

/// `tidemark.capture`: which tables are captured, and what their images hold.
enum CaptureRegistry {
    static func isInstalled(in session: PostgresSession) throws -> Bool {
        try session.query("select to_regclass('tidemark.capture')")[0, 0] != nil
    }

    /// The highest change id drawn so far, whoever has committed since.
    static func lastDrawnID(in session: PostgresSession) throws -> Int64 {
        Int64(try session.query("select \(ChangeIDs.last)")[0, 0] ?? "") ?? 0
    }

    /// Every generation, retired ones too: rows that they wrote may still be in the log.
    static func tables(in session: PostgresSession) throws -> [CapturedTable] {
        let rows = try session.query(
            """
            select id, schema_name, table_name, to_json(columns), to_json(column_types),
                   to_json(generated::int[]::text[]), to_json(key_columns), retired_at is not null
            from tidemark.capture order by id
            """)
        return try (0..<rows.count).map { row in
            CapturedTable(
                capture: Int32(rows[row, 0] ?? "") ?? 0,
                name: TableName(schema: rows[row, 1], name: rows[row, 2] ?? ""),
                columns: try columns(rows[row, 3], rows[row, 4], rows[row, 5]),
                keyColumns: try JSONText.strings(rows[row, 6] ?? "[]"), encoding: .typedText,
                isRetired: rows[row, 7] == "t")
        }
    }

    /// Parallel JSON arrays of names, types, and 0 or 1 for generated.
    static func columns(_ names: String?, _ types: String?, _ generated: String?) throws -> [CapturedColumn] {
        let names = try JSONText.strings(names ?? "[]")
        let types = try JSONText.strings(types ?? "[]")
        let generated = try JSONText.strings(generated ?? "[]")
        return names.indices.map { place in
            CapturedColumn(
                name: names[place], type: place < types.count ? types[place] : "",
                isGenerated: place < generated.count && generated[place] == "1")
        }
    }
}
