import TidemarkCore

/// `tidemark.table_copy` and `tidemark.table_proof`: what is known of each table of a pipeline.
struct CopyRecords {
    let session: PostgresSession
    let pipeline: String

    func exist() throws -> Bool { try session.query("select to_regclass('tidemark.table_copy')")[0, 0] != nil }

    func copies() throws -> [TableCopy] {
        let rows = try session.query(
            """
            select schema_name, table_name, state, existing, capture, copied_through, rows, bytes, expected_rows,
                   statements_after, statements_last, started_at, finished_at, j ->> 'shape'
            from tidemark.table_copy c cross join lateral to_jsonb(c) j where pipeline = $1 order by schema_name, table_name
            """, [.text(pipeline)])
        return try (0..<rows.count).map { row in
            var copy = TableCopy(
                Self.name(rows[row, 0], rows[row, 1]), TableCopy.Existing(rawValue: rows[row, 3] ?? "") ?? .refuse,
                statementsAfter: try JSONText.strings(rows[row, 9] ?? "[]"),
                statementsLast: try JSONText.strings(rows[row, 10] ?? "[]"))
            copy.state = TableCopy.State(rawValue: rows[row, 2] ?? "") ?? .waiting
            copy.capture = Int32(rows[row, 4] ?? "") ?? 0
            copy.copiedThrough = rows[row, 5]
            (copy.rows, copy.bytes) = (Int64(rows[row, 6] ?? "") ?? 0, Int64(rows[row, 7] ?? "") ?? 0)
            copy.expectedRows = Int64(rows[row, 8] ?? "") ?? 0
            (copy.startedAt, copy.finishedAt, copy.shape) = (rows[row, 11], rows[row, 12], rows[row, 13])
            return copy
        }
    }

    /// - Parameter replacing: false leaves a copy that is known already as it is.
    func save(_ copy: TableCopy, replacing: Bool = true) throws {
        let update = """
            update set state = excluded.state, existing = excluded.existing, capture = excluded.capture,
                copied_through = excluded.copied_through, rows = excluded.rows, bytes = excluded.bytes,
                expected_rows = excluded.expected_rows, statements_after = excluded.statements_after,
                statements_last = excluded.statements_last, shape = excluded.shape,
                started_at = case when excluded.state = 'waiting' then null
                                  when c.state = 'waiting' or c.started_at is null then clock_timestamp() else c.started_at end,
                finished_at = case when excluded.state = 'done' then coalesce(c.finished_at, clock_timestamp()) end
            -- Of two lanes the one that came less far may be the later to say so.
            where not (c.state = 'done' and excluded.state = 'copying')
            """
        try session.query(
            """
            insert into tidemark.table_copy as c (pipeline, schema_name, table_name, state, existing, capture, copied_through,
                rows, bytes, expected_rows, statements_after, statements_last, shape, started_at, finished_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                case when $4 <> 'waiting' then clock_timestamp() end, case when $4 = 'done' then clock_timestamp() end)
            on conflict (pipeline, schema_name, table_name) do \(replacing ? update : "nothing")
            """,
            [
                .text(pipeline), .text(copy.table.schema ?? ""), .text(copy.table.name), .text(copy.state.rawValue),
                .text(copy.existing.rawValue), .text(String(copy.capture)), .optional(copy.copiedThrough),
                .text(String(copy.rows)), .text(String(copy.bytes)), .text(String(copy.expectedRows)),
                .json(JSONText.array(copy.statementsAfter)), .json(JSONText.array(copy.statementsLast)), .optional(copy.shape),
            ])
    }

    func proofs() throws -> [TableProof] {
        let rows = try session.query(
            """
            select schema_name, table_name, snapshot, last_id, started_at, finished_at, compared_through, rows, differences,
                   repaired, positions
            from tidemark.table_proof where pipeline = $1 order by schema_name, table_name, is_finished
            """, [.text(pipeline)])
        return (0..<rows.count).map { row in
            var proof = TableProof(Self.name(rows[row, 0], rows[row, 1]))
            func number(_ column: Int) -> Int64 { Int64(rows[row, column] ?? "") ?? 0 }
            (proof.snapshot, proof.lastID) = (rows[row, 2] ?? "", number(3))
            (proof.startedAt, proof.finishedAt, proof.comparedThrough) = (rows[row, 4], rows[row, 5], rows[row, 6])
            (proof.rows, proof.differences, proof.repaired, proof.positions) = (number(7), number(8), number(9), number(10))
            return proof
        }
    }

    /// Times are the target's: of the first save of a look, and of the one that ends it.
    func save(_ proof: TableProof, ended: Bool) throws {
        try session.query(
            """
            with begun as (delete from tidemark.table_proof
                           where $7::boolean and pipeline = $1 and schema_name = $2 and table_name = $3 and not is_finished)
            insert into tidemark.table_proof (pipeline, schema_name, table_name, snapshot, last_id, started_at, is_finished, finished_at,
                compared_through, rows, differences, repaired, positions)
            values ($1, $2, $3, $4, $5, coalesce($6::timestamptz, clock_timestamp()), $7::boolean,
                case when $7::boolean then clock_timestamp() end, $8, $9, $10, $11, $12)
            on conflict (pipeline, schema_name, table_name, is_finished) do update set snapshot = excluded.snapshot, last_id = excluded.last_id,
                started_at = excluded.started_at, finished_at = excluded.finished_at, compared_through = excluded.compared_through,
                rows = excluded.rows, differences = excluded.differences, repaired = excluded.repaired, positions = excluded.positions
            """,
            [
                .text(pipeline), .text(proof.table.schema ?? ""), .text(proof.table.name), .text(proof.snapshot),
                .text(String(proof.lastID)), .optional(proof.startedAt), .text(ended ? "t" : "f"),
                .optional(proof.comparedThrough), .text(String(proof.rows)), .text(String(proof.differences)),
                .text(String(proof.repaired)), .text(String(proof.positions)),
            ])
    }

    func log(_ differences: [RowDifference], of table: TableName, at snapshot: Snapshot) throws {
        for difference in differences {
            try session.query(
                """
                insert into tidemark.repair (pipeline, schema_name, table_name, key, kind, columns, rows, snapshot)
                values ($1, $2, $3, $4, $5, $6, $7, $8)
                """,
                [
                    .text(pipeline), .text(table.schema ?? ""), .text(table.name), .text(difference.key),
                    .text(difference.kind.rawValue), .json(JSONText.array(difference.columns)),
                    .text(String(difference.count)), .text(snapshot.description),
                ])
        }
    }

    private static func name(_ schema: String?, _ table: String?) -> TableName {
        TableName(schema: schema?.isEmpty == false ? schema : nil, name: table ?? "")
    }
}
