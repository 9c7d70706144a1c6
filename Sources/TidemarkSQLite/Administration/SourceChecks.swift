import TidemarkCore

/// Everything about a source that would go wrong, or is worth knowing before it does.
struct SourceChecks {
    private let database: SQLiteDatabase
    private let request: CaptureRequest
    private let tables: [SQLiteTable]

    init(_ database: SQLiteDatabase, request: CaptureRequest, tables: [SQLiteTable]) {
        self.database = database
        self.request = request
        self.tables = tables
    }

    func findings() throws -> [Finding] {
        var found: [Finding] = []
        if tables.isEmpty {
            found.append(
                Finding(.problem, "no table is selected", remedy: "Patterns are table names with *; sqlite3's .tables lists the tables."))
        }
        for table in tables { found += try findings(table) }
        found += try leftOut()
        found += try capture()
        found += try log()
        found += try file()
        return found
    }

    private func log() throws -> [Finding] {
        let log = ChangeLog(database: database)
        guard try log.installID() != nil else { return [] }
        guard try LogLimitRecord(database: database).isInstalled() else {
            return [Finding(.problem, "the source was set up by an older version", remedy: OlderLog.remedy)]
        }
        let silent = try LogStatus(database: database, log: log).slowest(besides: request.pipeline)?.finding
        return [silent].compactMap(\.self) + (try LogLimitRecord(database: database).standing().findings)
    }

    private func findings(_ table: SQLiteTable) throws -> [Finding] {
        let name = TableName(schema: nil, name: table.name)
        var found: [Finding] = []
        if table.key == nil, table.rowIDName == nil {
            found.append(
                Finding(
                    .problem, table: name, "it has no key, and columns named rowid, _rowid_ and oid hide the rowid",
                    remedy: "Declare a PRIMARY KEY with NOT NULL columns, or leave the table out with --exclude."))
        } else if table.key == nil {
            found.append(
                Finding(
                    request.requiresKey ? .problem : .warning, table: name,
                    "it has no key: rows are found by all their values, which is slow where the target has no index for it",
                    remedy: "Declare a PRIMARY KEY with NOT NULL columns, or leave the table out with --exclude."))
        }
        for trigger in try newerTriggers(table) {
            found.append(
                Finding(
                    .warning, table: name,
                    "the trigger \(trigger) is newer than capture and runs before it: where it fails an INSERT OR FAIL,"
                        + " the row stays and is not in the log",
                    remedy: "Leave OR FAIL out of statements on this table, or make the trigger again after: tidemark teardown, tidemark setup."))
        }
        if table.columns.contains(where: { !$0.isGenerated && $0.affinity == .blob && !$0.declaredType.uppercased().contains("BLOB") }) {
            found.append(
                Finding(
                    .note, table: name, "a -0.0 in a column without type arrives as 0.0: no SQL function of SQLite tells the two apart",
                    remedy: "None is needed unless the sign of zero matters."))
        }
        return found
    }

    /// Application triggers that stand behind capture's in the schema were made later, and SQLite runs them first.
    private func newerTriggers(_ table: SQLiteTable) throws(SQLiteFailure) -> [String] {
        try database.rows(
            """
            SELECT a.name FROM main.sqlite_schema AS a
            WHERE a.type = 'trigger' AND a.tbl_name = ?1 AND \(CaptureFingerprint.isApplicationTrigger)
              AND a.rowid > (SELECT min(c.rowid) FROM main.sqlite_schema AS c
                             WHERE c.type = 'trigger' AND c.tbl_name = ?1 AND c.name GLOB 'tidemark_capture_[0-9]*')
            ORDER BY a.name
            """, [.string(table.name)]
        ).compactMap { $0[0].string }
    }

    private func leftOut() throws(SQLiteFailure) -> [Finding] {
        try database.rows(
            """
            SELECT name, type FROM pragma_table_list WHERE schema = 'main' AND type IN ('virtual', 'shadow') ORDER BY name
            """
        ).compactMap { row in
            let name = TableName(schema: nil, name: row[0].string ?? "")
            guard request.selection.takes(name) else { return nil }
            return row[1] == .string("virtual")
                ? Finding(
                    .warning, table: name, "it is a virtual table, which can have no triggers: it is left out",
                    remedy: "Build it on the target from the tables that it indexes.")
                : Finding(.note, table: name, "it belongs to a virtual table: it is left out", remedy: "Nothing is to be done.")
        }
    }

    /// What is captured now, and what is not any more or not yet.
    private func capture() throws -> [Finding] {
        let log = ChangeLog(database: database)
        guard try log.isInstalled(), try LogLimitRecord(database: database).isInstalled(), try PipelineRegistry(database: database).request(of: request.pipeline) != nil else {
            return []
        }
        var found: [Finding] = []
        for unseen in try CaptureFingerprint(database).unseenChanges() where request.selection.takes(unseen.table) {
            found.append(Finding(.problem, table: unseen.table, unseen.why, remedy: CaptureFingerprint.remedy))
        }
        let captured = Set(try CaptureRegistry(database).current().map { SQLiteIdentifier.folded($0.table) })
        for table in tables where !captured.contains(SQLiteIdentifier.folded(table.name)) {
            found.append(
                Finding(
                    .problem, table: TableName(schema: nil, name: table.name), "it is selected and not captured",
                    remedy: "Type: tidemark setup …, and load the table."))
        }
        return found
    }

    private func file() throws(SQLiteFailure) -> [Finding] {
        var found: [Finding] = []
        let mode = try database.rows("PRAGMA main.journal_mode").first?.first?.string ?? ""
        if mode != "wal" {
            found.append(
                Finding(
                    .warning, "the journal mode is \(mode), not wal: writers wait for every read of the worker,"
                        + " and one without a busy timeout fails with “database is locked”",
                    remedy: "Type: sqlite3 FILE 'PRAGMA journal_mode = WAL', or set a busy timeout in the application."))
        }
        found.append(
            Finding(
                .note, "capture's rows count in total_changes(); changes() and last_insert_rowid() do not see them",
                remedy: "Use changes() where the application counts its rows."))
        found.append(
            Finding(
                .note, "ALTER TABLE … DROP COLUMN of a captured table fails while its triggers are there",
                remedy: "Type tidemark teardown … before it, and tidemark run --existing empty … after it."))
        return found
    }
}
