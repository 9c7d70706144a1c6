import TidemarkCore

/// `tidemark.sync_unit`: how far each polled table of a pipeline is.
struct SyncUnitRecords {
    static let table = "sync_unit"
    let session: PostgresSession
    let pipeline: String

    /// An installation of an older version has none until it is renewed.
    func require() throws {
        guard try session.query("select to_regclass('tidemark.\(Self.table)')")[0, 0] != nil else { throw OlderTarget.error(pipeline) }
    }

    func all() throws(PostgresFailure) -> [SyncUnit] {
        let rows = try session.query(
            """
            select schema_name, table_name, mode, state, rows_done, rows_total, rows_written, rows_deleted, done_through, mark, next_mark,
                   next_mark_horizon, started_at, finished_at, deletes_at, failure, failures
            from tidemark.sync_unit where pipeline = $1 order by schema_name, table_name
            """, [.text(pipeline)])
        return (0..<rows.count).map { row in
            let schema = rows[row, 0] ?? ""
            var unit = SyncUnit(TableName(schema: schema.isEmpty ? nil : schema, name: rows[row, 1] ?? ""), SyncMode(rawValue: rows[row, 2] ?? "") ?? .full)
            func number(_ column: Int) -> Int64 { Int64(rows[row, column] ?? "") ?? 0 }
            unit.state = SyncUnit.State(rawValue: rows[row, 3] ?? "") ?? .waiting
            (unit.rowsDone, unit.rowsTotal, unit.rowsWritten, unit.rowsDeleted) = (number(4), number(5), number(6), number(7))
            unit.doneThrough = rows[row, 8]
            (unit.mark, unit.nextMark, unit.nextMarkHorizon) = (rows[row, 9].map(ChangeMark.init), rows[row, 10].map(ChangeMark.init), rows[row, 11])
            (unit.startedAt, unit.finishedAt, unit.deletesAt) = (rows[row, 12], rows[row, 13], rows[row, 14])
            (unit.failure, unit.failures) = (rows[row, 15], Int(number(16)))
            return unit
        }
    }

    /// - Returns: the unit with the times that it lacked.
    @discardableResult
    func save(_ unit: SyncUnit) throws -> SyncUnit {
        let rows = try session.query(
            """
            insert into tidemark.sync_unit (pipeline, schema_name, table_name, mode, state, rows_done, rows_total, rows_written, rows_deleted,
                done_through, mark, next_mark, next_mark_horizon, failure, failures, started_at, finished_at, deletes_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,
                coalesce($16::timestamptz, case when $5 <> 'waiting' then clock_timestamp() end),
                coalesce($17::timestamptz, case when $5 = 'done' then clock_timestamp() end), $18::timestamptz)
            on conflict (pipeline, schema_name, table_name) do update set
                (mode, state, rows_done, rows_total, rows_written, rows_deleted, done_through, mark, next_mark, next_mark_horizon, failure, failures,
                 started_at, finished_at, deletes_at)
                = row(excluded.mode, excluded.state, excluded.rows_done, excluded.rows_total, excluded.rows_written, excluded.rows_deleted,
                 excluded.done_through, excluded.mark, excluded.next_mark, excluded.next_mark_horizon, excluded.failure, excluded.failures,
                 excluded.started_at, excluded.finished_at, excluded.deletes_at)
            where excluded.started_at is null or sync_unit.started_at is null or excluded.started_at >= sync_unit.started_at
            returning started_at, finished_at
            """,
            [
                .text(pipeline), .text(unit.table.schema ?? ""), .text(unit.table.name), .text(unit.mode.rawValue), .text(unit.state.rawValue),
                .text(String(unit.rowsDone)), .text(String(unit.rowsTotal)), .text(String(unit.rowsWritten)), .text(String(unit.rowsDeleted)),
                .optional(unit.doneThrough), .optional(unit.mark?.json), .optional(unit.nextMark?.json), .optional(unit.nextMarkHorizon),
                .optional(unit.failure), .text(String(unit.failures)), .optional(unit.startedAt), .optional(unit.finishedAt), .optional(unit.deletesAt),
            ])
        guard rows.count == 1 else { throw SyncUnit.overtaken(unit.table, pipeline: pipeline) }
        var saved = unit
        (saved.startedAt, saved.finishedAt) = (rows[0, 0], rows[0, 1])
        return saved
    }

    func forget(_ tables: [TableName]) throws(PostgresFailure) {
        for table in tables {
            try session.query(
                "delete from tidemark.sync_unit where pipeline = $1 and schema_name = $2 and table_name = $3",
                [.text(pipeline), .text(table.schema ?? ""), .text(table.name)])
        }
    }
}
