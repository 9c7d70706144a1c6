import TidemarkCore

/// `tidemark_sync_unit`: how far each table is that is read itself.
struct SyncUnitTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func units(of pipeline: String) throws -> [SyncUnit] {
        try database.rows(
            """
            SELECT schema_name, table_name, mode, state, rows_done, rows_total, rows_written, rows_deleted, done_through, mark,
                next_mark, next_mark_horizon, started_at, finished_at, deletes_at, failure, failures
            FROM main.tidemark_sync_unit WHERE pipeline = ? ORDER BY schema_name, table_name
            """, [.string(pipeline)]
        ).map { row in
            let table = StoredTableName.name(row[0], row[1])
            guard let mode = row[2].string.flatMap(SyncMode.init), let state = row[3].string.flatMap(SyncUnit.State.init) else {
                throw TidemarkError(
                    "how far a table is cannot be read", pipeline: pipeline, table: table,
                    why: "its row of tidemark_sync_unit was altered",
                    remedy: "Delete that row: the table is read from its beginning then.")
            }
            var unit = SyncUnit(table, mode)
            unit.state = state
            (unit.rowsDone, unit.rowsTotal) = (row[4].integer ?? 0, row[5].integer ?? 0)
            (unit.rowsWritten, unit.rowsDeleted) = (row[6].integer ?? 0, row[7].integer ?? 0)
            unit.doneThrough = row[8].string
            (unit.mark, unit.nextMark) = (row[9].string.map(ChangeMark.init(json:)), row[10].string.map(ChangeMark.init(json:)))
            unit.nextMarkHorizon = row[11].string
            (unit.startedAt, unit.finishedAt, unit.deletesAt) = (row[12].string, row[13].string, row[14].string)
            (unit.failure, unit.failures) = (row[15].string, Int(row[16].integer ?? 0))
            return unit
        }
    }

    /// In the caller's transaction.
    func save(_ unit: SyncUnit, of pipeline: String) throws {
        _ = try database.rows(
            """
            INSERT INTO main.tidemark_sync_unit (pipeline, schema_name, table_name, mode, state, rows_done, rows_total, rows_written,
                rows_deleted, done_through, mark, next_mark, next_mark_horizon, started_at, finished_at, deletes_at, failure, failures)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (pipeline, schema_name, table_name) DO UPDATE SET
                mode = excluded.mode, state = excluded.state, rows_done = excluded.rows_done, rows_total = excluded.rows_total,
                rows_written = excluded.rows_written, rows_deleted = excluded.rows_deleted, done_through = excluded.done_through,
                mark = excluded.mark, next_mark = excluded.next_mark, next_mark_horizon = excluded.next_mark_horizon,
                started_at = excluded.started_at, finished_at = excluded.finished_at, deletes_at = excluded.deletes_at,
                failure = excluded.failure, failures = excluded.failures
            WHERE excluded.started_at IS NULL OR started_at IS NULL OR excluded.started_at >= started_at
            """,
            [
                .string(pipeline), .string(unit.table.schema ?? ""), .string(unit.table.name), .string(unit.mode.rawValue),
                .string(unit.state.rawValue), .integer(unit.rowsDone), .integer(unit.rowsTotal), .integer(unit.rowsWritten),
                .integer(unit.rowsDeleted), .optional(unit.doneThrough), .optional(unit.mark?.json), .optional(unit.nextMark?.json),
                .optional(unit.nextMarkHorizon), .optional(unit.startedAt), .optional(unit.finishedAt), .optional(unit.deletesAt),
                .optional(unit.failure), .integer(Int64(unit.failures)),
            ])
        guard database.changes == 1 else { throw SyncUnit.overtaken(unit.table, pipeline: pipeline) }
    }

    func forget(_ table: TableName, of pipeline: String) throws(SQLiteFailure) {
        _ = try database.rows(
            "DELETE FROM main.tidemark_sync_unit WHERE pipeline = ? AND schema_name = ? AND table_name = ?",
            [.string(pipeline), .string(table.schema ?? ""), .string(table.name)])
    }
}
