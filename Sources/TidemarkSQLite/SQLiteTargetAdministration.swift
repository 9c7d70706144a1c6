import SQLiteSQL
package import TidemarkCore

/// What setup, check, status and teardown do to a SQLite target.
package final class SQLiteTargetAdministration: TargetAdministration {
    private let database: SQLiteDatabase
    private let path: String
    private let cursors: CursorTable

    package init(path: String) throws {
        self.path = path
        database = try SQLiteFile(path, role: "target").open()
        cursors = CursorTable(database)
    }

    package func identityAsSource() throws -> String? {
        try saying("the target cannot be identified", path: path) { try ChangeLog(database: database).installID() }
    }

    package func planInstall() throws -> [PlannedStatement] {
        try saying("the installation cannot be planned", path: path) {
            guard try !cursors.exists() else { return [] }
            return SQLScript.statements(SQLiteSQL.target).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func install() throws {
        try saying("the cursor's table cannot be made", path: path) {
            guard try !cursors.exists() else { return }
            try WriteLock(database: database).hold { try database.execute(SQLiteSQL.target) }
        }
    }

    package func cursor(of pipeline: String) throws -> StoredCursor? {
        try saying("the cursor cannot be read", pipeline: pipeline, path: path) {
            guard try cursors.exists() else { return nil }
            let rows = try database.rows(
                """
                SELECT source, snapshot, witness, last_id, epoch, applied_at, worker, failure FROM main.tidemark_cursor
                WHERE pipeline = ?
                """, [.string(pipeline)])
            guard let row = rows.first else { return nil }
            return StoredCursor(
                cursor: try CursorTable.cursor(row, pipeline: pipeline), appliedAt: row[5].string, worker: row[6].string,
                failure: row[7].string)
        }
    }

    package func place(_ cursor: Cursor, of pipeline: String) throws {
        try saying("the cursor cannot be placed", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold {
                _ = try database.rows(
                    """
                    INSERT INTO main.tidemark_cursor (pipeline, source, snapshot, witness, last_id, epoch)
                    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (pipeline) DO NOTHING
                    """,
                    [
                        .string(pipeline), .string(cursor.source), .string(cursor.snapshot.description),
                        .string(cursor.witness), .integer(cursor.lastID), .integer(cursor.epoch),
                    ])
            }
        }
    }

    package func check(_ tables: [SourceTable]) throws -> [Finding] {
        try saying("the target cannot be checked", path: path) {
            let names = Dictionary(grouping: tables.map(\.name)) { SQLiteIdentifier.folded($0.name) }
            let mixed = names.values.filter { $0.count > 1 }.map { same in
                Finding(TargetTables.sameName(same[0], same[1], pipeline: nil))
            }
            return try mixed + tables.flatMap { try TargetChecks(database).findings($0) }
        }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try saying("the removal cannot be planned", pipeline: pipeline, path: path) {
            guard try cursors.exists() else { return [] }
            let sql = try isLast(pipeline)
                ? "DROP TABLE tidemark_cursor"
                : "DELETE FROM tidemark_cursor WHERE pipeline = \(SQLiteIdentifier.literal(pipeline))"
            return [PlannedStatement(sql, lock: WriteLock.inWords)]
        }
    }

    package func remove(_ pipeline: String) throws {
        try saying("the cursor was not removed", pipeline: pipeline, path: path) {
            guard try cursors.exists() else { return }
            try WriteLock(database: database).hold {
                if try isLast(pipeline) {
                    try database.execute("DROP TABLE main.tidemark_cursor")
                } else {
                    _ = try database.rows("DELETE FROM main.tidemark_cursor WHERE pipeline = ?", [.string(pipeline)])
                }
            }
        }
    }

    private func isLast(_ pipeline: String) throws(SQLiteFailure) -> Bool {
        try database.rows("SELECT 1 FROM main.tidemark_cursor WHERE pipeline <> ? LIMIT 1", [.string(pipeline)]).isEmpty
    }
}
