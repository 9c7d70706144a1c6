import TidemarkCore

/// The pipeline's row of `tidemark.cursor`.
struct CursorRow {
    let session: PostgresSession
    let pipeline: String

    /// What `parsed` reads.
    static let columns = "source, snapshot, witness, last_id, epoch, revision"

    func read() throws -> Cursor {
        try parsed(try session.query("select \(Self.columns) from tidemark.cursor where pipeline = $1", [.text(pipeline)]))
    }

    /// The cursor with what people want to know about it; nil where there is none. An installation of an older version
    /// lacks columns until it is renewed.
    func stored() throws -> StoredCursor? {
        let rows = try session.query(
            """
            select \(Self.columns), applied_at, worker, failure, j ->> 'hold', j ->> 'held_by', j ->> 'held_at', j ->> 'closed_at',
                   j ->> 'source_at', j ->> 'seen_id', j ->> 'seen_at'
            from tidemark.cursor c cross join lateral to_jsonb(c) j where pipeline = $1
            """, [.text(pipeline)])
        guard rows.count == 1 else { return nil }
        var stored = StoredCursor(cursor: try parsed(rows), appliedAt: rows[0, 6], worker: rows[0, 7], failure: rows[0, 8])
        stored.hold = rows[0, 9].flatMap { CursorHold.Reason(rawValue: $0) }
            .map { CursorHold($0, by: rows[0, 10] ?? "?", at: rows[0, 11] ?? "?") }
        stored.closedAt = rows[0, 12]
        stored.heartbeat = SourceHeartbeat(appliedAt: rows[0, 13], seenID: rows[0, 14].flatMap { Int64($0) }, seenAt: rows[0, 15])
        return stored
    }

    /// Moves the cursor by compare-and-set, in the caller's transaction.
    func move(_ cursor: Cursor, to moved: Cursor, noting heartbeat: SourceHeartbeat?, by prepared: PreparedStatements) throws {
        let rows = try prepared.query(
            """
            update tidemark.cursor set snapshot = $2, witness = $3, applied_at = now(), revision = $4,
                source_at = coalesce($9, source_at), seen_id = coalesce($10, seen_id), seen_at = coalesce($11, seen_at)
            where pipeline = $1 and snapshot = $5 and witness = $6 and epoch = $7 and revision = $8 and closed_at is null
            """,
            [
                .text(pipeline), .text(moved.snapshot.description), .text(moved.witness), .text(String(moved.revision)),
                .text(cursor.snapshot.description), .text(cursor.witness), .text(String(cursor.epoch)),
                .text(String(cursor.revision)), .optional(heartbeat?.appliedAt), .optional(heartbeat?.seenID.map(String.init)),
                .optional(heartbeat?.seenAt),
            ])
        guard rows.affected == 1 else { throw try elsewhere(than: cursor) }
    }

    /// Does the cursor's row hold all that this version knows of?
    func requireCurrent() throws {
        let rows = try session.query(
            """
            select exists (select from pg_attribute where attrelid = to_regclass('tidemark.cursor') and attname = 'seen_at' and not attisdropped)
               and exists (select from pg_attribute where attrelid = to_regclass('tidemark.table_copy') and attname = 'shape' and not attisdropped)
               and to_regclass('tidemark.role') is not null
            """)
        guard rows[0, 0] == "t" else { throw OlderTarget.error(pipeline) }
    }

    /// Keeps the cursor where it is until the caller's transaction ends, if it is where the caller knows it to be.
    func pin(_ cursor: Cursor) throws {
        let rows = try session.query(
            "select \(Self.columns), closed_at, worker from tidemark.cursor where pipeline = $1 for share", [.text(pipeline)])
        guard rows.count == 1, rows[0, 6] == nil, try parsed(rows).isAt(cursor) else { throw try elsewhere(than: cursor) }
        // It keeps the cursor from whoever leads next, who has to find it.
        if let worker = rows[0, 7] { try session.beCalled(SessionName.of(worker, at: pipeline)) }
    }

    /// Makes sure that the worker of that epoch still has the pipeline.
    /// - Parameter lock: keeps it so until the caller's transaction ends; empty for now only.
    func requireEpoch(of cursor: Cursor, lock: String = "") throws {
        let rows = try session.query(
            "select \(Self.columns), closed_at from tidemark.cursor where pipeline = $1 \(lock)", [.text(pipeline)])
        guard rows.count == 1, rows[0, 6] == nil, try parsed(rows).epoch == cursor.epoch else { throw try elsewhere(than: cursor) }
    }

    /// The same, for work that does not move the cursor.
    func require(epoch: Int64, lock: String = "") throws {
        let rows = try session.query(
            "select \(Self.columns), closed_at, worker from tidemark.cursor where pipeline = $1 \(lock)", [.text(pipeline)])
        var known = try parsed(rows)
        let isHeld = known.epoch == epoch && rows[0, 6] == nil
        known.epoch = epoch
        guard isHeld else { throw try elsewhere(than: known) }
        // Who leads next ends what this session leaves open.
        if let worker = rows[0, 7] { try session.beCalled(SessionName.of(worker, at: pipeline)) }
    }

    func parsed(_ rows: PostgresRows) throws -> Cursor {
        guard rows.count == 1 else { throw TargetFault.notSetUp(pipeline, why: "the target holds no cursor for it") }
        guard let snapshot = Snapshot(rows[0, 1] ?? ""), let lastID = Int64(rows[0, 3] ?? ""), let epoch = Int64(rows[0, 4] ?? ""),
            let revision = Int64(rows[0, 5] ?? "")
        else {
            throw TidemarkError(
                "the cursor cannot be read", pipeline: pipeline, why: "its snapshot is “\(rows[0, 1] ?? "")”",
                remedy: "The row of tidemark.cursor was altered by hand: restore it, or set the pipeline up again.")
        }
        return Cursor(
            source: rows[0, 0] ?? "", snapshot: snapshot, witness: rows[0, 2] ?? "", lastID: lastID, epoch: epoch,
            revision: revision)
    }

    func elsewhere(than cursor: Cursor) throws -> TidemarkError {
        guard let stored = try stored() else { return cursor.isElsewhere(than: nil, pipeline: pipeline) }
        if let closedAt = stored.closedAt, stored.cursor.epoch == cursor.epoch { return StoredCursor.isClosed(at: closedAt, pipeline: pipeline) }
        return cursor.isElsewhere(than: stored.cursor, pipeline: pipeline)
    }
}
