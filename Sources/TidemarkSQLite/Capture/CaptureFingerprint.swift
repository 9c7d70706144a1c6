import TidemarkCore

/// What a table's capture depends on, as text: the table, its unique indexes, and the application's triggers that
/// capture has to reckon with. No trigger sees a change of these (BREAKS C3, C4).
struct CaptureFingerprint {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// The text for one table, or nil where it is not there.
    func schemaText(of table: String) throws(SQLiteFailure) -> String? {
        let rows = try database.rows(
            """
            SELECT type, sql FROM main.sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL
              AND (type = 'table' OR type = 'index' AND upper(sql) GLOB 'CREATE UNIQUE*'
                   OR type = 'trigger' AND name NOT GLOB 'tidemark_capture_[0-9]*')
            ORDER BY type = 'trigger', type = 'index', name
            """, [.string(table)])
        guard rows.first?[0] == .string("table") else { return nil }
        return rows.filter { row in
            row[0] != .string("trigger") || SQLiteIndexText.isBeforeTrigger(row[1].string ?? "")
        }.map { $0[1].string ?? "" }.joined(separator: ";\n")
    }

    /// Does the application have triggers of its own on the table that run before capture's rows are written?
    func hasBeforeTriggers(on table: String) throws(SQLiteFailure) -> Bool {
        try database.rows(
            """
            SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?
              AND name NOT GLOB 'tidemark_capture_[0-9]*'
            """, [.string(table)]
        ).contains { SQLiteIndexText.isBeforeTrigger($0[0].string ?? "") }
    }

    /// The triggers of a generation, on whatever table they are now.
    func triggerText(of capture: Int64) throws(SQLiteFailure) -> String {
        try database.rows(
            """
            SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidemark_capture_\(capture)_*'
            ORDER BY name
            """
        ).map { $0[0].string ?? "" }.joined(separator: ";\n")
    }

    /// Compares every captured table with what setup recorded.
    /// - Returns: the first that differs, and how, in words.
    func firstDifference() throws(SQLiteFailure) -> (table: String, why: String)? {
        let captures = try database.rows(
            """
            SELECT capture, table_name, schema_text, trigger_text FROM main.tidemark_capture
            WHERE retired_at IS NULL ORDER BY capture
            """)
        for row in captures {
            guard let capture = row[0].integer, let table = row[1].string else { continue }
            guard let schema = try schemaText(of: table) else {
                return (table, "the table was dropped or renamed since it was set up")
            }
            let triggers = try triggerText(of: capture)
            if triggers.isEmpty {
                return (table, "its capture triggers are gone, as after a table is rebuilt (SQLite's way to alter one) or replaced by a renamed one")
            }
            if schema != row[2].string {
                return (table, "its columns, unique indexes or BEFORE triggers are no longer those that capture was made for")
            }
            if triggers != row[3].string { return (table, "its capture triggers were altered") }
        }
        return nil
    }

    static func error(table: String, why: String) -> TidemarkError {
        TidemarkError(
            "a captured table is no longer what setup made", table: TableName(schema: nil, name: table),
            why: why + ": changes since may not be in the log",
            remedy: "Type: tidemark setup …, which captures it as it is now, and load the table anew (tidemark copy …).")
    }
}
