import SQLiteSQL
import TidemarkCore

/// tidemark's own tables in a target: made, brought up to date, and removed.
struct TargetInstallation {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// What `make` would run now.
    func statements() throws(SQLiteFailure) -> [String] {
        let standing = try tables()
        var statements: [String] = []
        if standing.contains("tidemark_cursor"), try !cursorHasRevision() {
            statements.append("ALTER TABLE tidemark_cursor ADD COLUMN revision INTEGER NOT NULL DEFAULT 0")
        }
        guard standing.count < SQLiteCatalog.targetTables.count else { return statements }
        return statements + SQLScript.statements(SQLiteSQL.target)
    }

    func make() throws {
        guard try !statements().isEmpty else { return }
        try WriteLock(database: database).hold {
            // Read anew: another setup may have been faster.
            for statement in try statements() { try database.execute(statement) }
        }
    }

    /// What `remove` would run now.
    func removal(of pipeline: String) throws(SQLiteFailure) -> [String] {
        let standing = try tables()
        let name = SQLiteIdentifier.literal(pipeline)
        var isLast = true
        if standing.contains("tidemark_cursor") {
            isLast = try database.rows(
                "SELECT 1 FROM main.tidemark_cursor WHERE pipeline <> ? LIMIT 1", [.string(pipeline)]).isEmpty
        }
        return standing.map { isLast ? "DROP TABLE main.\($0)" : "DELETE FROM main.\($0) WHERE pipeline = \(name)" }
    }

    func remove(_ pipeline: String) throws {
        guard try !tables().isEmpty else { return }
        try WriteLock(database: database).hold {
            for statement in try removal(of: pipeline) { try database.execute(statement) }
        }
    }

    func hasCopies() throws(SQLiteFailure) -> Bool { try tables().contains("tidemark_table_copy") }
    func hasProofs() throws(SQLiteFailure) -> Bool { try tables().contains("tidemark_table_proof") }

    private func tables() throws(SQLiteFailure) -> [String] {
        let standing = try database.rows("SELECT name FROM main.sqlite_schema WHERE type = 'table'").compactMap { $0[0].string }
        return SQLiteCatalog.targetTables.filter(standing.contains)
    }

    private func cursorHasRevision() throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM pragma_table_info('tidemark_cursor', 'main') WHERE name = 'revision'").isEmpty
    }
}
