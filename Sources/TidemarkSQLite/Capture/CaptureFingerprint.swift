import TidemarkCore

/// What a table's capture depends on, as text: the table, its unique indexes, and the application's triggers that
/// capture has to reckon with. No trigger sees a change of these (BREAKS C3, C4).
struct CaptureFingerprint {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// The text for one table, or nil where it is not there.
    func schemaText(of table: String) throws(SQLiteFailure) -> String? { try statements(of: table).text(of: table) }

    /// The end of that text: what belongs to the table and is not its own statement.
    func textBesideTable(_ table: String) throws(SQLiteFailure) -> String {
        try statements(of: table).ofTables[table, default: []].dropFirst().map { ";\n" + $0 }.joined()
    }

    /// What of a schema fingerprints are made of.
    private struct Statements {
        /// The table's own first, where it is there.
        var ofTables: [String: [String]] = [:]
        /// Triggers by the generation of capture that they are of, whatever table they are on now.
        var ofCaptures: [Int64: [String]] = [:]

        func text(of table: String) -> String? { ofTables[table]?.joined(separator: ";\n") }
        func triggers(of capture: Int64) -> String { ofCaptures[capture, default: []].joined(separator: ";\n") }
    }

    /// - Parameter table: nil for all of the schema, in which SQLite finds nothing without reading it whole.
    private func statements(of table: String? = nil) throws(SQLiteFailure) -> Statements {
        var found = Statements()
        let rows = try database.rows(
            """
            SELECT type, tbl_name, sql, CASE WHEN type = 'trigger' AND name GLOB 'tidemark_capture_[0-9]*' THEN CAST(substr(name, 18) AS INTEGER) END
            FROM main.sqlite_schema
            WHERE sql IS NOT NULL AND (?1 IS NULL OR tbl_name = ?1)
              AND (type = 'table' OR type = 'index' AND upper(sql) GLOB 'CREATE UNIQUE*'
                   OR type = 'trigger' AND (\(Self.isApplicationTrigger) OR name GLOB 'tidemark_capture_[0-9]*'))
            ORDER BY type = 'trigger', type = 'index', name
            """, [table.map { .string($0) } ?? .null])
        for row in rows {
            guard let name = row[1].string, let sql = row[2].string else { continue }
            if let capture = row[3].integer {
                found.ofCaptures[capture, default: []].append(sql)
            } else if row[0] == .string("table") {
                found.ofTables[name, default: []].append(sql)
            } else if found.ofTables[name] != nil, row[0] != .string("trigger") || SQLiteIndexText.isBeforeTrigger(sql) {
                found.ofTables[name]?.append(sql)
            }
        }
        return found
    }

    /// Of a row of `sqlite_schema` that is a trigger: none of tidemark's.
    static let isApplicationTrigger = "name NOT GLOB 'tidemark_capture_[0-9]*' AND name NOT GLOB '\(TableGuard.names)'"
        + " AND name NOT GLOB '\(TombstoneTriggers.names)'"

    /// Does the application have triggers of its own on the table that run before capture's rows are written?
    func hasBeforeTriggers(on table: String) throws(SQLiteFailure) -> Bool {
        try database.rows(
            """
            SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND tbl_name = ?
              AND \(Self.isApplicationTrigger)
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

    /// Is any table captured?
    func hasCapture() throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidemark_capture_[0-9]*' LIMIT 1").isEmpty
    }

    /// The captured tables whose rows may have changed without a trace in the log, and why: they differ from what
    /// setup recorded, or setup found them so and captures them anew since.
    /// - Returns: with the generation of capture that has, or will have, the gap in front of it.
    func unseenChanges() throws(SQLiteFailure) -> [(table: TableName, why: String, capture: Int32, isStop: Bool)] {
        var found: [(table: TableName, why: String, capture: Int32, isStop: Bool)] = []
        let statements = try statements()
        for current in try CaptureRegistry(database).current() {
            let table = TableName(schema: nil, name: current.table)
            if let why = try difference(of: current.capture, of: current.table, in: statements) {
                // What setup has not seen yet is held whatever was copied: the copy's rows may be passed over too.
                found.append((table, why, .max, try stopReason(of: current.capture) == why))
            } else if let gap = current.gap {
                found.append((table, gap, Int32(truncatingIfNeeded: current.capture), false))
            }
        }
        return found
    }

    /// How a table differs from what setup recorded for a generation of its capture, in words.
    func difference(of capture: Int64, of table: String) throws(SQLiteFailure) -> String? {
        try difference(of: capture, of: table, in: statements())
    }

    private func difference(of capture: Int64, of table: String, in statements: Statements) throws(SQLiteFailure) -> String? {
        let recorded = try database.rows(
            "SELECT schema_text, trigger_text FROM main.tidemark_capture WHERE capture = ?", [.integer(capture)])
        guard let schema = statements.text(of: table) else { return "the table was dropped or renamed since it was set up" }
        let triggers = statements.triggers(of: capture)
        if triggers.isEmpty, schema == recorded.first?[0].string, let why = try stopReason(of: capture) { return why }
        if triggers.isEmpty {
            return "its capture triggers are gone, as after a table is rebuilt (SQLite's way to alter one) or replaced by a renamed one, or as the pipeline was torn down"
        }
        if schema != recorded.first?[0].string {
            return "its columns, unique indexes or BEFORE triggers are no longer those that capture was made for"
        }
        return triggers == recorded.first?[1].string ? nil : "its capture triggers were altered"
    }

    /// What there is to say of a generation whose triggers were dropped as the log had reached its cap.
    private func stopReason(of capture: Int64) throws(SQLiteFailure) -> String? {
        guard try LogLimitRecord(database: database).isInstalled() else { return nil }
        return try database.rows(
            "SELECT stopped_at, stopped_why FROM main.tidemark_capture WHERE capture = ? AND stopped_at IS NOT NULL", [.integer(capture)]
        ).first.map { row in
            "capture was stopped at \(row[0].string ?? "?"), as \(row[1].string ?? "?"); make room or raise max-log-size, then type:"
                + " tidemark setup, then tidemark verify --repair"
        }
    }

    static func error(_ table: TableName, why: String) -> TidemarkError {
        TidemarkError(
            "rows of a table may have changed without a trace in the log", table: table, why: why, remedy: remedy)
    }

    static let remedy =
        "Nothing is applied until the table is known to be equal. Type tidemark setup …, then tidemark copy --table TABLE"
        + " --existing empty …, or tidemark verify --table TABLE --repair …, which leaves equal rows alone."
        + " Or leave the table out: tidemark setup … --exclude TABLE. Of a pipeline that was torn down: remove the pipeline from the"
        + " configuration of the service."
}
