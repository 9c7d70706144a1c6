import TidemarkCore

/// `tidemark.role`: what the database is to a pipeline.
struct RoleRecord {
    let session: PostgresSession
    let pipeline: String

    /// The log of a database that was a primary is read by the pipeline no more: nothing is to be kept for it.
    private func forgetReader() throws {
        guard try CaptureRegistry.isInstalled(in: session) else { return }
        try session.query("delete from tidemark.pipeline where name = $1", [.text(pipeline)])
    }

    func exists() throws -> Bool { try session.query("select to_regclass('tidemark.role')")[0, 0] != nil }

    func read() throws -> Standing? {
        guard try exists() else { return nil }
        let rows = try session.query(
            """
            select role, epoch, cause, since, start_source, start_snapshot, start_witness, start_id, to_jsonb(r) ->> 'replayed_at'
            from tidemark.role r where pipeline = $1
            """, [.text(pipeline)])
        guard rows.count == 1 else { return nil }
        guard let role = Standing.Role(rawValue: rows[0, 0] ?? ""), let epoch = Int64(rows[0, 1] ?? ""),
            let cause = Standing.Cause(rawValue: rows[0, 2] ?? "")
        else {
            throw TidemarkError(
                "the database's role cannot be read", pipeline: pipeline, why: "its row of tidemark.role says “\(rows[0, 0] ?? "")”",
                remedy: "The row was altered by hand: restore it; a role is primary, replica or fenced.")
        }
        var standing = Standing(role, epoch: epoch, cause: cause, start: start(rows), since: rows[0, 3])
        standing.replayedAt = rows[0, 8]
        return standing
    }

    private func start(_ rows: PostgresRows) -> Cursor? {
        guard let source = rows[0, 4], let snapshot = Snapshot(rows[0, 5] ?? "") else { return nil }
        return Cursor(
            source: source, snapshot: snapshot, witness: rows[0, 6] ?? "", lastID: Int64(rows[0, 7] ?? "") ?? 0, epoch: 0)
    }

    /// In the caller's transaction, if there is one. A role that stays what it was keeps the time since when.
    func note(_ standing: Standing) throws {
        try session.query(
            """
            insert into tidemark.role as r (pipeline, role, epoch, cause, start_source, start_snapshot, start_witness, start_id)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            on conflict (pipeline) do update set role = excluded.role, epoch = excluded.epoch, cause = excluded.cause,
                since = case when (r.role, r.epoch, r.cause) = (excluded.role, excluded.epoch, excluded.cause) then r.since else excluded.since end,
                replayed_at = case when r.epoch = excluded.epoch then r.replayed_at end,
                start_source = excluded.start_source, start_snapshot = excluded.start_snapshot,
                start_witness = excluded.start_witness, start_id = excluded.start_id
            """,
            [
                .text(pipeline), .text(standing.role.rawValue), .text(String(standing.epoch)), .text(standing.cause.rawValue),
                .optional(standing.start?.source), .optional(standing.start?.snapshot.description),
                .optional(standing.start?.witness), .optional(standing.start.map { String($0.lastID) }),
            ])
        if standing.role == .replica, standing.cause != .setup { try forgetReader() }
    }
}
