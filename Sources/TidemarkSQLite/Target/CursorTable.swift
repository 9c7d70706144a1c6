import TidemarkCore

/// `tidemark_cursor`: the place of each pipeline in a target.
struct CursorTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func exists() throws(SQLiteFailure) -> Bool {
        try database.hasTable("tidemark_cursor")
    }

    /// The columns that `cursor(_:pipeline:)` reads.
    static let columns = "source, snapshot, witness, last_id, epoch, revision"

    /// The cursor with what people want to know about it; nil where there is none.
    /// An installation of an older version lacks columns until it is renewed.
    func stored(_ pipeline: String) throws -> StoredCursor? {
        let more = try TargetInstallation(database).isCurrent() ? "hold, held_by, held_at, closed_at, source_at, seen_id, seen_at" : "NULL, NULL, NULL, NULL, NULL, NULL, NULL"
        let rows = try database.rows(
            "SELECT \(Self.columns), applied_at, worker, failure, \(more) FROM main.tidemark_cursor WHERE pipeline = ?", [.string(pipeline)])
        guard let row = rows.first else { return nil }
        var stored = StoredCursor(
            cursor: try Self.cursor(row, pipeline: pipeline), appliedAt: row[6].string, worker: row[7].string, failure: row[8].string)
        stored.hold = row[9].string.flatMap { CursorHold.Reason(rawValue: $0) }
            .map { CursorHold($0, by: row[10].string ?? "?", at: row[11].string ?? "?") }
        stored.closedAt = row[12].string
        stored.heartbeat = SourceHeartbeat(appliedAt: row[13].string, seenID: row[14].integer, seenAt: row[15].string)
        return stored
    }

    /// Moves the cursor by compare-and-set, in the caller's transaction.
    func move(_ cursor: Cursor, to moved: Cursor, noting heartbeat: SourceHeartbeat?, of pipeline: String) throws {
        _ = try database.rows(
            """
            UPDATE main.tidemark_cursor SET snapshot = ?, witness = ?, last_id = ?, revision = ?,
                applied_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
                source_at = coalesce(?, source_at), seen_id = coalesce(?, seen_id), seen_at = coalesce(?, seen_at)
            WHERE pipeline = ? AND snapshot = ? AND witness = ? AND epoch = ? AND revision = ? AND closed_at IS NULL
            """,
            [
                .string(moved.snapshot.description), .string(moved.witness), .integer(moved.lastID),
                .integer(moved.revision), .optional(heartbeat?.appliedAt), heartbeat?.seenID.map { .integer($0) } ?? .null,
                .optional(heartbeat?.seenAt), .string(pipeline), .string(cursor.snapshot.description),
                .string(cursor.witness), .integer(cursor.epoch), .integer(cursor.revision),
            ])
        if database.changes != 1 { throw try elsewhere(than: cursor, of: pipeline) }
    }

    /// Makes sure, in the caller's write transaction, that the cursor is where the caller knows it to be.
    func require(_ cursor: Cursor, of pipeline: String) throws {
        guard let found = try open(pipeline), found.isAt(cursor) else { throw try elsewhere(than: cursor, of: pipeline) }
    }

    /// The cursor, unless nobody may move it any more.
    private func open(_ pipeline: String) throws -> Cursor? {
        let rows = try database.rows(
            "SELECT \(Self.columns) FROM main.tidemark_cursor WHERE pipeline = ? AND closed_at IS NULL", [.string(pipeline)])
        return try rows.first.map { try Self.cursor($0, pipeline: pipeline) }
    }

    /// What to say where a move from here failed.
    func elsewhere(than cursor: Cursor, of pipeline: String) throws -> TidemarkError {
        guard let stored = try stored(pipeline) else { return cursor.isElsewhere(than: nil, pipeline: pipeline) }
        if let closedAt = stored.closedAt, stored.cursor.epoch == cursor.epoch { return StoredCursor.isClosed(at: closedAt, pipeline: pipeline) }
        return cursor.isElsewhere(than: stored.cursor, pipeline: pipeline)
    }

    /// Does the cursor's row hold all that this version knows of?
    func requireCurrent(_ pipeline: String) throws {
        guard try TargetInstallation(database).isCurrent(), try RoleTable(database).exists() else { throw OlderTarget.error(pipeline) }
    }

    /// Tells every process that works on the pipeline to look at the copies before it goes on: the cursor's revision is
    /// one higher from now on, and what the caller knows of it is out of date by exactly that.
    func raiseRevision(for cursor: Cursor, of pipeline: String) throws {
        _ = try database.rows(
            "UPDATE main.tidemark_cursor SET revision = revision + 1 WHERE pipeline = ? AND epoch = ? AND closed_at IS NULL",
            [.string(pipeline), .integer(cursor.epoch)])
        if database.changes != 1 { throw try elsewhere(than: cursor, of: pipeline) }
    }

    /// Makes sure, in the caller's write transaction, that the worker of that epoch still holds the pipeline.
    func requireEpoch(of cursor: Cursor, of pipeline: String) throws {
        guard try open(pipeline)?.epoch == cursor.epoch else { throw try elsewhere(than: cursor, of: pipeline) }
    }

    /// The same for who knows no place, as there is none to be at.
    func requireEpoch(_ epoch: Int64, of pipeline: String) throws {
        try requireEpoch(of: Cursor(source: "", snapshot: .change(0), witness: "", lastID: 0, epoch: epoch), of: pipeline)
    }

    static func cursor(_ row: [SQLiteValue], pipeline: String) throws -> Cursor {
        guard let snapshot = row[1].string.flatMap({ Snapshot($0) }), let source = row[0].string,
            let witness = row[2].string, let lastID = row[3].integer, let epoch = row[4].integer, let revision = row[5].integer
        else {
            throw TidemarkError(
                "the cursor cannot be read", pipeline: pipeline, why: "its snapshot is “\(row[1].string ?? "?")”",
                remedy: "The row of tidemark_cursor was altered by hand: restore it, or set the pipeline up again.")
        }
        return Cursor(source: source, snapshot: snapshot, witness: witness, lastID: lastID, epoch: epoch, revision: revision)
    }
}
