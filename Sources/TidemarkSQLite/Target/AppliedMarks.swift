import TidemarkCore

/// What tidemark writes to a database whose capture passes it on: logged like any other write, and marked with where it was
/// first made.
///
/// Triggers hold still on the connection, so that those of the application do. Temporary ones fire all the same: it has copies
/// of the capture triggers, of the tables that a pipeline passes on.
final class AppliedMarks {
    private let database: SQLiteDatabase
    private var known: State?
    private var wanted: [String: String] = [:]

    /// What decides which triggers are copied.
    private struct State: Equatable {
        var schema: [[SQLiteValue]]
        var pipelines: [[SQLiteValue]]
    }

    /// Is what is written here captured, and therefore marked?
    var isMarking: Bool { !wanted.isEmpty }

    init(_ database: SQLiteDatabase) { self.database = database }

    /// First of all in every transaction that writes rows: setup may have made other triggers since the last one.
    func begin() throws(SQLiteFailure) {
        let schema = try database.rows("PRAGMA main.schema_version")
        let isSource = known?.schema == schema ? known?.pipelines.isEmpty == false : try isPassingOnKnown()
        let pipelines = isSource ? try database.rows(Self.pipelines) : []
        let state = State(schema: schema, pipelines: pipelines)
        guard state != known || isMarking else { return }
        if state != known {
            wanted = try triggers(pipelines)
            known = state
        }
        try copy()
    }

    /// Has what is written by `body` marked.
    func marking<Result>(_ origin: String, _ body: () throws -> Result) throws -> Result {
        guard isMarking else { return try body() }
        let start = try place()
        let result = try body()
        try mark(origin, since: start)
        return result
    }

    /// Leaves nothing in the log of what `body` writes. Nobody has seen those rows, and the next ones take their ids.
    func unlogged(_ body: () throws -> Void) throws {
        let start = try place()
        try body()
        _ = try database.rows("DELETE FROM main.data_changes WHERE id > ?", [.integer(start)])
    }

    /// The last row of the log.
    func place() throws(SQLiteFailure) -> Int64 {
        try database.rows("SELECT coalesce(max(id), 0) FROM main.data_changes").first?.first?.integer ?? 0
    }

    /// Marks what was logged since a place. As nobody else writes meanwhile, all of it is of that origin.
    func mark(_ origin: String, since start: Int64) throws(SQLiteFailure) {
        let end = try place()
        guard end > start else { return }
        _ = try database.rows(
            "UPDATE main.tidemark_applied SET through_id = ? WHERE through_id = ? AND origin = ?", [.integer(end), .integer(start), .string(origin)])
        guard database.changes == 0 else { return }
        _ = try database.rows(
            "INSERT INTO main.tidemark_applied (through_id, after_id, origin) VALUES (?, ?, ?)", [.integer(end), .integer(start), .string(origin)])
    }

    // MARK: Triggers

    private static let pipelines = "SELECT name, included, excluded, captures_applied FROM main.tidemark_pipeline WHERE name IS NOT NULL ORDER BY name"

    private func isPassingOnKnown() throws(SQLiteFailure) -> Bool { try database.hasTable("tidemark_applied") }

    private func triggers(_ pipelines: [[SQLiteValue]]) throws(SQLiteFailure) -> [String: String] {
        let registry = PipelineRegistry(database: database)
        var selections: [TableSelection] = []
        for pipeline in pipelines where pipeline[3] == .integer(1) {
            if let request = try pipeline[0].string.map({ name throws(SQLiteFailure) in try registry.request(of: name) }) ?? nil {
                selections.append(request.selection)
            }
        }
        guard !selections.isEmpty else { return [:] }
        let rows = try database.rows(
            """
            SELECT c.table_name, s.name, s.sql FROM main.tidemark_capture AS c
            JOIN main.sqlite_schema AS s ON s.type = 'trigger' AND s.name GLOB 'tidemark_capture_' || c.capture || '_*' WHERE c.retired_at IS NULL
            """)
        var found: [String: String] = [:]
        for row in rows where selections.contains(where: { $0.takes(TableName(schema: nil, name: row[0].string ?? "")) }) {
            guard let name = row[1].string, let sql = row[2].string else { continue }
            found[name] = sql
        }
        return found
    }

    /// Looks at what is there each time: a transaction that is rolled back takes copies with it.
    private func copy() throws(SQLiteFailure) {
        var standing: [String: String] = [:]
        for row in try database.rows("SELECT name, sql FROM temp.sqlite_schema WHERE type = 'trigger'") { standing[row[0].string ?? ""] = row[1].string }
        guard standing != wanted else { return }
        for (name, sql) in standing where wanted[name] != sql { try database.execute("DROP TRIGGER temp.\(SQLiteIdentifier.quoted(name))") }
        for (name, sql) in wanted where standing[name] != sql {
            try database.execute("CREATE TEMP TRIGGER" + sql.dropFirst("CREATE TRIGGER".count))
        }
    }
}
