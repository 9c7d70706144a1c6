import TidemarkCore

/// Removes from the log what every pipeline has made durable, a bounded piece at a time.
struct LogPruner {
    let session: PostgresSession
    /// Rows per statement: a longer one would hold the vacuum of the log up.
    private static let rowsPerStatement = 50_000

    /// Records how far the pipeline is, then prunes.
    ///
    /// Only rows whose transaction is seen by *every* pipeline's snapshot go (BREAKS A5), found from
    /// the low end of the log. Ticks go before them, but never one that a pipeline names: it proves that
    /// the source still has what the target saw. A target restored from a backup names an older one,
    /// which is gone then, and so it is refused.
    func confirm(_ cursor: Cursor, of pipeline: String) throws {
        try session.query(
            """
            insert into tidemark.pipeline (name, snapshot, witness, last_id, confirmed_at)
            values ($1, $2, $3, $4, clock_timestamp())
            on conflict (name) do update set snapshot = excluded.snapshot, witness = excluded.witness,
                last_id = excluded.last_id, confirmed_at = excluded.confirmed_at
            """,
            [.text(pipeline), .text(cursor.snapshot.description), .text(cursor.witness), .text(String(cursor.lastID))])
        // Ticks first: a cursor of the past has to be refused before a row that it needs is gone.
        try session.run(
            """
            delete from tidemark.tick t
            where t.id < (select min(w.id) from tidemark.pipeline p join tidemark.tick w on w.token = p.witness)
              and \(Self.nobodyStarts)
            """)
        var removed = 0
        repeat {
            removed = try session.query(
                """
                delete from tidemark.data_changes where id = any (array(
                    select c.id from (select id, xid from tidemark.data_changes order by id limit \(Self.rowsPerStatement)) c
                    where not exists (select from tidemark.pipeline p where not pg_visible_in_snapshot(c.xid, p.snapshot))))
                  and \(Self.nobodyStarts)
                """).affected
        } while removed == Self.rowsPerStatement
    }

    /// A pipeline that was set up and has never confirmed needs everything. Part of each statement, so
    /// that it sees what the statement sees: setup records the pipeline before it takes its first tick.
    private static let nobodyStarts = "not exists (select from tidemark.pipeline where snapshot is null)"
}
