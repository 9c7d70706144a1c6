import SQLiteSQL
import TidemarkCore

/// tidemark's own tables in a target: made, brought up to date, and removed.
struct TargetInstallation {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// What `make` would run now.
    func statements() throws(SQLiteFailure) -> [String] {
        let standing = try tables()
        var statements = try ParkedTables.upgrades(in: database)
        if standing.contains("tidemark_cursor") {
            let known = try columns(of: "tidemark_cursor")
            statements += Self.addedColumns.filter { !known.contains($0.name) }
                .map { "ALTER TABLE tidemark_cursor ADD COLUMN \($0.name) \($0.type)" }
        }
        if standing.contains("tidemark_table_copy"), try !knowsShapes() { statements.append("ALTER TABLE tidemark_table_copy ADD COLUMN shape TEXT") }
        let hasRoles = try RoleTable(database).exists()
        guard standing.count < SQLiteCatalog.targetTables.count || !hasRoles else { return statements }
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
    func removal(of pipeline: String) throws -> [String] {
        let standing = try tables()
        let name = SQLiteIdentifier.literal(pipeline)
        let isLast = try isLast(pipeline)
        let isLastSide = try isLast && !ChangeLog(database: database).isInstalled()
        let triggers = TombstoneTriggers(database, pipeline: pipeline)
        return try RoleTable(database).removal(of: pipeline, isLastSide: isLastSide) + (isLast ? triggers.wholeRemoval() : triggers.removal())
            + standing.filter { isLast || $0 != SQLiteCatalog.tombstones }.map { isLast ? "DROP TABLE main.\($0)" : "DELETE FROM main.\($0) WHERE pipeline = \(name)" }
    }

    /// Does the target have no other pipeline?
    func isLast(_ pipeline: String) throws(SQLiteFailure) -> Bool {
        guard try tables().contains("tidemark_cursor") else { return true }
        return try database.rows("SELECT 1 FROM main.tidemark_cursor WHERE pipeline <> ? LIMIT 1", [.string(pipeline)]).isEmpty
    }

    func remove(_ pipeline: String) throws {
        guard try !removal(of: pipeline).isEmpty else { return }
        try WriteLock(database: database).hold {
            for statement in try removal(of: pipeline) { try database.execute(statement) }
        }
    }

    func hasCopies() throws(SQLiteFailure) -> Bool { try tables().contains("tidemark_table_copy") }
    func hasProofs() throws(SQLiteFailure) -> Bool { try tables().contains("tidemark_table_proof") }
    func hasUnits() throws(SQLiteFailure) -> Bool { try tables().contains("tidemark_sync_unit") }

    private func tables() throws(SQLiteFailure) -> [String] {
        let standing = try database.rows("SELECT name FROM main.sqlite_schema WHERE type = 'table'").compactMap { $0[0].string }
        return SQLiteCatalog.targetTables.filter(standing.contains)
    }

    /// What a cursor's row of an older version lacks.
    private static let addedColumns: [(name: String, type: String)] = [
        ("revision", "INTEGER NOT NULL DEFAULT 0"), ("hold", "TEXT"), ("held_by", "TEXT"), ("held_at", "TEXT"),
        ("closed_at", "TEXT"), ("source_at", "TEXT"), ("seen_id", "INTEGER"), ("seen_at", "TEXT"),
    ]

    /// Has a cursor's row everything that this version knows of?
    func isCurrent() throws(SQLiteFailure) -> Bool {
        guard try knowsShapes() else { return false }
        let known = try columns(of: "tidemark_cursor")
        return Self.addedColumns.allSatisfy { known.contains($0.name) }
    }

    /// Do copies keep what of their table is taken?
    func knowsShapes() throws(SQLiteFailure) -> Bool { try columns(of: "tidemark_table_copy").contains("shape") }

    private func columns(of table: String) throws(SQLiteFailure) -> Set<String> {
        Set(try database.rows("SELECT name FROM pragma_table_info(?, 'main')", [.string(table)]).compactMap { $0[0].string })
    }
}
