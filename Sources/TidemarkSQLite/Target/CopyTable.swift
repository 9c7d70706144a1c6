import TidemarkCore

/// `tidemark_table_copy`: how far the tables of each pipeline are copied.
struct CopyTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func copies(of pipeline: String) throws -> [TableCopy] {
        // `status` also reads what an older version has made.
        let shape = try TargetInstallation(database).knowsShapes() ? "shape" : "NULL"
        return try database.rows(
            """
            SELECT schema_name, table_name, state, existing, capture, copied_through, rows, bytes, expected_rows,
                statements_after, statements_last, started_at, finished_at, \(shape)
            FROM main.tidemark_table_copy WHERE pipeline = ? ORDER BY schema_name, table_name
            """, [.string(pipeline)]
        ).map { row in
            let table = StoredTableName.name(row[0], row[1])
            guard let state = row[2].string.flatMap(TableCopy.State.init), let existing = row[3].string.flatMap(TableCopy.Existing.init)
            else {
                throw TidemarkError(
                    "a copy's state cannot be read", pipeline: pipeline, table: table, why: "its row of tidemark_table_copy was altered",
                    remedy: "Delete that row, and type: tidemark copy …")
            }
            var copy = TableCopy(
                table, existing, statementsAfter: try JSONTexts.texts(row[9], in: database),
                statementsLast: try JSONTexts.texts(row[10], in: database))
            copy.state = state
            copy.capture = Int32(truncatingIfNeeded: row[4].integer ?? 0)
            copy.copiedThrough = row[5].string
            (copy.rows, copy.bytes, copy.expectedRows) = (row[6].integer ?? 0, row[7].integer ?? 0, row[8].integer ?? 0)
            (copy.startedAt, copy.finishedAt, copy.shape) = (row[11].string, row[12].string, row[13].string)
            return copy
        }
    }

    /// In the caller's transaction. A copy that goes on keeps the time at which it began, also where the caller does
    /// not know it.
    func save(_ copy: TableCopy, of pipeline: String) throws(SQLiteFailure) {
        _ = try database.rows(
            """
            \(Self.insertion) ON CONFLICT (pipeline, schema_name, table_name) DO UPDATE SET
                state = excluded.state, existing = excluded.existing, capture = excluded.capture,
                copied_through = excluded.copied_through, rows = excluded.rows, bytes = excluded.bytes,
                expected_rows = excluded.expected_rows, statements_after = excluded.statements_after,
                statements_last = excluded.statements_last, shape = excluded.shape,
                started_at = CASE WHEN excluded.state = 'waiting' THEN NULL
                    WHEN ?13 IS NULL AND (tidemark_table_copy.state = 'copying' OR excluded.state = tidemark_table_copy.state)
                    THEN coalesce(tidemark_table_copy.started_at, excluded.started_at) ELSE excluded.started_at END,
                finished_at = CASE WHEN excluded.state = 'done' AND ?14 IS NULL AND tidemark_table_copy.state = 'done'
                    THEN tidemark_table_copy.finished_at ELSE excluded.finished_at END
            -- Of two lanes the one that came less far may be the later to say so.
            WHERE NOT (tidemark_table_copy.state = 'done' AND excluded.state = 'copying')
            """, Self.values(copy, pipeline))
    }

    /// Leaves a copy of the table that is there as it is.
    func expect(_ copy: TableCopy, of pipeline: String) throws(SQLiteFailure) {
        _ = try database.rows(
            "\(Self.insertion) ON CONFLICT (pipeline, schema_name, table_name) DO NOTHING", Self.values(copy, pipeline))
    }

    private static let insertion = """
        INSERT INTO main.tidemark_table_copy (pipeline, schema_name, table_name, state, existing, capture, copied_through,
            rows, bytes, expected_rows, statements_after, statements_last, shape, started_at, finished_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?15,
            CASE WHEN ?4 <> 'waiting' THEN coalesce(?13, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) END,
            CASE WHEN ?4 = 'done' THEN coalesce(?14, strftime('%Y-%m-%dT%H:%M:%fZ', 'now')) END)
        """

    private static func values(_ copy: TableCopy, _ pipeline: String) -> [SQLiteValue] {
        [
            .string(pipeline), .string(copy.table.schema ?? ""), .string(copy.table.name), .string(copy.state.rawValue),
            .string(copy.existing.rawValue), .integer(Int64(copy.capture)), .optional(copy.copiedThrough),
            .integer(copy.rows), .integer(copy.bytes), .integer(copy.expectedRows),
            .string(JSONTexts.array(copy.statementsAfter)), .string(JSONTexts.array(copy.statementsLast)),
            .optional(copy.startedAt), .optional(copy.finishedAt), .optional(copy.shape),
        ]
    }
}

/// Lists of texts in one column, as JSON. Of tidemark's own connections only, which have SQLite's JSON functions.
enum JSONTexts {
    static func array(_ texts: [String]) -> String {
        "[" + texts.map(SQLiteEncoding.jsonString).joined(separator: ",") + "]"
    }

    static func texts(_ stored: SQLiteValue, in database: SQLiteDatabase) throws(SQLiteFailure) -> [String] {
        try database.rows("SELECT value FROM json_each(?) ORDER BY key", [stored]).compactMap { $0[0].string }
    }
}

/// A table's name in two columns: the schema is empty where there is none.
enum StoredTableName {
    static func name(_ schema: SQLiteValue, _ name: SQLiteValue) -> TableName {
        let schema = schema.string ?? ""
        return TableName(schema: schema.isEmpty ? nil : schema, name: name.string ?? "")
    }
}

extension SQLiteValue {
    static func optional(_ text: String?) -> SQLiteValue { text.map { .string($0) } ?? .null }
}
