import TidemarkCore

/// `tidemark_table_proof`: what the last comparison of each table found, and one that goes on.
struct ProofTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func proofs(of pipeline: String) throws(SQLiteFailure) -> [TableProof] {
        try database.rows(
            """
            SELECT schema_name, table_name, snapshot, last_id, started_at, finished_at, compared_through, rows, differences,
                repaired, positions
            FROM main.tidemark_table_proof WHERE pipeline = ? ORDER BY schema_name, table_name, is_finished
            """, [.string(pipeline)]
        ).map { row in
            var proof = TableProof(StoredTableName.name(row[0], row[1]))
            (proof.snapshot, proof.lastID) = (row[2].string ?? "", row[3].integer ?? 0)
            (proof.startedAt, proof.finishedAt, proof.comparedThrough) = (row[4].string, row[5].string, row[6].string)
            (proof.rows, proof.differences) = (row[7].integer ?? 0, row[8].integer ?? 0)
            (proof.repaired, proof.positions) = (row[9].integer ?? 0, row[10].integer ?? 0)
            return proof
        }
    }

    /// Times are the target's: of the first save of a look, and of the one that ends it.
    func save(_ proof: TableProof, of pipeline: String, ended: Bool) throws(SQLiteFailure) {
        let table: [SQLiteValue] = [.string(pipeline), .string(proof.table.schema ?? ""), .string(proof.table.name)]
        if ended {
            _ = try database.rows(
                "DELETE FROM main.tidemark_table_proof WHERE pipeline = ? AND schema_name = ? AND table_name = ? AND NOT is_finished",
                table)
        }
        _ = try database.rows(
            """
            INSERT INTO main.tidemark_table_proof (pipeline, schema_name, table_name, snapshot, last_id, started_at, is_finished,
                finished_at, compared_through, rows, differences, repaired, positions)
            VALUES (?1, ?2, ?3, ?4, ?5, coalesce(?6, \(Self.now)), ?7, CASE WHEN ?7 THEN \(Self.now) END, ?8, ?9, ?10, ?11, ?12)
            ON CONFLICT (pipeline, schema_name, table_name, is_finished) DO UPDATE SET
                snapshot = excluded.snapshot, last_id = excluded.last_id, started_at = excluded.started_at,
                finished_at = excluded.finished_at, compared_through = excluded.compared_through, rows = excluded.rows,
                differences = excluded.differences, repaired = excluded.repaired, positions = excluded.positions
            """,
            table + [
                .string(proof.snapshot), .integer(proof.lastID), .optional(proof.startedAt), .integer(ended ? 1 : 0),
                .optional(proof.comparedThrough), .integer(proof.rows), .integer(proof.differences),
                .integer(proof.repaired), .integer(proof.positions),
            ])
    }

    private static let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
}
