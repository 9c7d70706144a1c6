import TidemarkCore

/// Removes from the log what every pipeline has made durable and nobody wants kept, a segment at a time.
struct LogPruner {
    let session: PostgresSession
    /// As many as the ring of `sql/postgresql/log.sql` has.
    static let segments = 4

    /// Records how far the pipeline is, then prunes.
    ///
    /// Only segments go whose every row is of a transaction that *every* pipeline's snapshot sees (BREAKS A5).
    /// Ticks go before them, but never one that a pipeline names: it proves that
    /// the source still has what the target saw. A target restored from a backup names an older one,
    /// which is gone then, and so it is refused. Nor one that a pipeline's snapshot does not see: the way of a pipeline
    /// that is far behind its witness is cut there. And the last one that all see tells where reading may begin.
    /// What was given up as the log reached its cap stays so.
    func confirm(_ cursor: Cursor, of pipeline: String) throws {
        try record(cursor, of: pipeline)
        try prune()
        try session.query("select tidemark.enforce_log_limit($1)", [.text(pipeline)])
    }

    private func record(_ cursor: Cursor, of pipeline: String) throws {
        // A target of the past confirms nothing, nor who works beside a worker that was faster.
        guard case .transactions(let place) = cursor.snapshot,
            try !RemovedChanges(session: session).mayBeLacked(at: place, by: pipeline)
        else { return }
        try session.query(
            """
            insert into tidemark.pipeline (name, snapshot, witness, last_id, confirmed_at)
            values ($1, $2, $3, $4, clock_timestamp())
            on conflict (name) do update set snapshot = excluded.snapshot, witness = excluded.witness,
                last_id = excluded.last_id, confirmed_at = excluded.confirmed_at
            where pipeline.lost_at is null
            """,
            [.text(pipeline), .text(cursor.snapshot.description), .text(cursor.witness), .text(String(cursor.lastID))])
    }

    private func prune() throws {
        // Not while a pipeline was set up and has never confirmed: it needs everything, and setup records it before
        // it takes its first tick. Ticks first: a cursor of the past has to be refused before a row that it needs is gone.
        try session.query("select tidemark.retain()")
        try session.run(
            """
            delete from tidemark.tick t
            where t.id < (select min(w.id) from tidemark.pipeline p join tidemark.tick w on w.token = p.witness where p.lost_at is null)
              and t.id < coalesce((select r.tick from tidemark.retained r), t.id + 1)
              and not exists (select from tidemark.pipeline where snapshot is null and lost_at is null)
              and t.id < (select max(s.id) from tidemark.tick s where s.low_id is not null and not exists (
                  select from tidemark.pipeline p where p.lost_at is null and not pg_visible_in_snapshot(s.xid, p.snapshot)))
              and not exists (select from tidemark.pipeline p where p.lost_at is null and not pg_visible_in_snapshot(t.xid, p.snapshot))
            """)
        if try AppliedRecord(session: session).exists() { try session.query("select tidemark.prune_applied()") }
        for segment in 0..<Self.segments { try session.query("select tidemark.empty_segment(\(segment))") }
        try session.query("select tidemark.leave_shared_segment()")
    }
}
