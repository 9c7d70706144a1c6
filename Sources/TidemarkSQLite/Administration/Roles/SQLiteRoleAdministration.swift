import SQLiteSQL
package import TidemarkCore

/// Changes what one SQLite database is to a pipeline.
package final class SQLiteRoleAdministration: RoleAdministration {
    private var claim: FileClaim?
    private let database: SQLiteDatabase
    private let path: String
    private let side: String
    private let roles: RoleTable
    private let cursors: CursorTable

    package init(path: String, side: String) throws {
        (self.path, self.side) = (path, side)
        database = try SQLiteFile(path, role: side).open()
        roles = RoleTable(database)
        cursors = CursorTable(database)
    }

    package func installRoles() throws {
        try saying("what keeps roles cannot be made in the \(side)", path: path) {
            guard try !roles.exists() else { return }
            try WriteLock(database: database).hold { try database.execute(SQLiteSQL.roles) }
        }
    }

    package func claim(_ pipeline: String) throws {
        guard claim == nil else { return }
        guard let taken = FileClaim(path + "-tidemark-roles") else { throw RoleChangeUnderWay.error(pipeline) }
        claim = taken
    }

    package func standing(of pipeline: String) throws -> Standing? {
        try saying("the \(side)'s role cannot be read", pipeline: pipeline, path: path) { try roles.standing(of: pipeline) }
    }

    package func note(_ standing: Standing, of pipeline: String) throws {
        try saying("the \(side)'s role cannot be noted", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold { try roles.note(standing, of: pipeline) }
        }
    }

    package func planGuard(on tables: [TableName], made: [TableName], of pipeline: String) throws -> [PlannedStatement] {
        try saying("the guard cannot be planned", pipeline: pipeline, path: path) {
            let role = try roles.standing(of: pipeline)?.role ?? .replica
            return try TableGuard(database, pipeline: pipeline).raising(on: tables, made: made, as: role)
                .map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    @discardableResult
    package func raiseGuard(on tables: [TableName], of pipeline: String, noting standing: Standing, waitMs: Int) throws -> Double {
        let clock = ContinuousClock()
        var locked = clock.now
        try writing("the \(side)'s tables cannot be guarded", pipeline, waitMs: waitMs) {
            locked = clock.now
            for sql in try TableGuard(database, pipeline: pipeline).raising(on: tables, as: standing.role) { try database.execute(sql) }
            try roles.note(standing, of: pipeline)
        }
        return (clock.now - locked) / .seconds(1)
    }

    package func liftGuard(of pipeline: String, noting standing: Standing, closing cursor: Cursor?) throws {
        try writing("the guard of the \(side)'s tables cannot be lifted", pipeline, waitMs: Self.liftWaitMs) {
            if let cursor { try close(cursor, of: pipeline) }
            for sql in try TableGuard(database, pipeline: pipeline).removal() { try database.execute(sql) }
            try roles.note(standing, of: pipeline)
        }
    }

    private func close(_ cursor: Cursor, of pipeline: String) throws {
        _ = try database.rows(
            """
            UPDATE main.tidemark_cursor SET closed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), epoch = epoch + 1,
                hold = NULL, held_by = NULL, held_at = NULL
            WHERE pipeline = ? AND epoch = ?
            """, [.string(pipeline), .integer(cursor.epoch)])
        if database.changes != 1 { throw try cursors.elsewhere(than: cursor, of: pipeline) }
    }

    package func forget(_ pipeline: String) throws {
        try writing("the guard of the \(side)'s tables cannot be lifted", pipeline, waitMs: Self.liftWaitMs) {
            for sql in try roles.removal(of: pipeline, isLastSide: false) { try database.execute(sql) }
        }
    }

    package func planForgetting(_ pipeline: String) throws -> [PlannedStatement] {
        try saying("the guard cannot be planned", pipeline: pipeline, path: path) {
            try roles.removal(of: pipeline, isLastSide: false).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func guardedTables(of pipeline: String) throws -> Set<TableName> {
        try saying("the guard of the \(side)'s tables cannot be read", pipeline: pipeline, path: path) {
            try TableGuard(database, pipeline: pipeline).tables()
        }
    }

    package func unguarded(_ tables: [TableName], of pipeline: String) throws -> [TableName] {
        try saying("the guard of the \(side)'s tables cannot be read", pipeline: pipeline, path: path) {
            try TableGuard(database, pipeline: pipeline).missing(on: tables)
        }
    }

    package func hold(_ pipeline: String, for reason: CursorHold.Reason, by holder: String) throws -> Cursor {
        try writing("the pipeline cannot be held", pipeline) {
            guard let stored = try cursors.stored(pipeline) else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
            if stored.hold?.reason != .paused, stored.hold?.reason != reason,
                let refusal = stored.refusal(of: holder, pipeline: pipeline) { throw refusal }
            _ = try database.rows(
                """
                UPDATE main.tidemark_cursor SET epoch = epoch + 1, hold = ?, held_by = ?, held_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                WHERE pipeline = ?
                """, [.string(reason.rawValue), .string(holder), .string(pipeline)])
            var cursor = stored.cursor
            cursor.epoch += 1
            return cursor
        }
    }

    package func release(_ pipeline: String) throws {
        try writing("the pipeline cannot be released", pipeline) {
            _ = try database.rows(
                "UPDATE main.tidemark_cursor SET hold = NULL, held_by = NULL, held_at = NULL WHERE pipeline = ?", [.string(pipeline)])
        }
    }

    package func follow(_ cursor: Cursor, tables: [TableName: Int32], of pipeline: String) throws {
        try writing("the \(side) cannot follow another database", pipeline) {
            _ = try database.rows(
                """
                INSERT INTO main.tidemark_cursor (pipeline, source, snapshot, witness, last_id, epoch, revision) VALUES (?, ?, ?, ?, ?, 1, 1)
                ON CONFLICT (pipeline) DO UPDATE SET source = excluded.source, snapshot = excluded.snapshot, witness = excluded.witness,
                    last_id = excluded.last_id, epoch = tidemark_cursor.epoch + 1, revision = tidemark_cursor.revision + 1,
                    applied_at = NULL, failure = NULL, hold = NULL, held_by = NULL, held_at = NULL, closed_at = NULL,
                    source_at = NULL, seen_id = NULL, seen_at = NULL
                """,
                [
                    .string(pipeline), .string(cursor.source), .string(cursor.snapshot.description), .string(cursor.witness),
                    .integer(cursor.lastID),
                ])
            _ = try database.rows("DELETE FROM main.tidemark_table_copy WHERE pipeline = ?", [.string(pipeline)])
            _ = try database.rows("DELETE FROM main.tidemark_table_proof WHERE pipeline = ?", [.string(pipeline)])
            try ParkedTables(database: database, pipeline: pipeline).discard(nil, because: "the database follows another one")
            for (table, capture) in tables.sorted(by: { $0.key < $1.key }) {
                var copy = TableCopy(table, .keep)
                copy.capture = capture
                try CopyTable(database).save(copy, of: pipeline)
            }
        }
    }

    private static let liftWaitMs = 30_000

    /// In one transaction, for which the file's write lock is waited for so long.
    private func writing<Result>(
        _ what: String, _ pipeline: String, waitMs: Int = SQLiteRoleAdministration.liftWaitMs, _ body: () throws -> Result
    ) throws -> Result {
        try saying(what, pipeline: pipeline, path: path) {
            database.setBusyTimeout(milliseconds: Int32(clamping: waitMs))
            defer { database.setBusyTimeout(milliseconds: SQLiteDatabase.busyTimeoutDefaultMs) }
            do {
                return try database.transaction("BEGIN IMMEDIATE", body)
            } catch let failure as SQLiteFailure where failure.isRetryable {
                throw TidemarkError(
                    what, pipeline: pipeline, why: "another process wrote to \(path), or waited to, for \(waitMs) ms (SQLite's error \(failure.code))",
                    remedy: "Nothing was changed. Let it end: fuser \(path) names the processes that have the file open; then type the command again.",
                    retry: .later)
            }
        }
    }
}
