import TidemarkCore

/// `tidemark_role`: what the database is to each pipeline.
struct RoleTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func exists() throws(SQLiteFailure) -> Bool {
        try database.hasTable(SQLiteCatalog.roleTable)
    }

    func standing(of pipeline: String) throws -> Standing? {
        guard try exists() else { return nil }
        let rows = try database.rows(
            """
            SELECT role, epoch, cause, since, start_source, start_snapshot, start_witness, start_id, replayed_at
            FROM main.tidemark_role WHERE pipeline = ?
            """, [.string(pipeline)])
        guard let row = rows.first else { return nil }
        guard let role = row[0].string.flatMap(Standing.Role.init), let epoch = row[1].integer,
            let cause = row[2].string.flatMap(Standing.Cause.init)
        else {
            throw TidemarkError(
                "the database's role cannot be read", pipeline: pipeline, why: "its row of tidemark_role says “\(row[0].string ?? "?")”",
                remedy: "The row was altered by hand: restore it; a role is primary, replica or fenced.")
        }
        var standing = Standing(role, epoch: epoch, cause: cause, start: Self.start(row), since: row[3].string)
        standing.replayedAt = row[8].string
        return standing
    }

    private static func start(_ row: [SQLiteValue]) -> Cursor? {
        guard let source = row[4].string, let snapshot = row[5].string.flatMap({ Snapshot($0) }) else { return nil }
        return Cursor(source: source, snapshot: snapshot, witness: row[6].string ?? "", lastID: row[7].integer ?? 0, epoch: 0)
    }

    /// In the caller's transaction. A role that stays what it was keeps the time since when.
    func note(_ standing: Standing, of pipeline: String) throws(SQLiteFailure) {
        _ = try database.rows(
            """
            INSERT INTO main.tidemark_role (pipeline, role, epoch, cause, since, start_source, start_snapshot, start_witness, start_id)
            VALUES (?, ?, ?, ?, strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), ?, ?, ?, ?)
            ON CONFLICT (pipeline) DO UPDATE SET role = excluded.role, epoch = excluded.epoch, cause = excluded.cause,
                since = CASE WHEN (tidemark_role.role, tidemark_role.epoch, tidemark_role.cause) = (excluded.role, excluded.epoch, excluded.cause)
                    THEN tidemark_role.since ELSE excluded.since END,
                replayed_at = CASE WHEN tidemark_role.epoch = excluded.epoch THEN tidemark_role.replayed_at END,
                start_source = excluded.start_source, start_snapshot = excluded.start_snapshot,
                start_witness = excluded.start_witness, start_id = excluded.start_id
            """,
            [
                .string(pipeline), .string(standing.role.rawValue), .integer(standing.epoch), .string(standing.cause.rawValue),
                .optional(standing.start?.source), .optional(standing.start?.snapshot.description),
                .optional(standing.start?.witness), standing.start.map { .integer($0.lastID) } ?? .null,
            ])
        if standing.role == .replica, standing.cause != .setup { try forgetReader(pipeline) }
    }

    /// The log of a database that was a primary is read by the pipeline no more: nothing is to be kept for it.
    private func forgetReader(_ pipeline: String) throws(SQLiteFailure) {
        guard try ChangeLog(database: database).isInstalled() else { return }
        _ = try database.rows("DELETE FROM main.tidemark_pipeline WHERE name = ?", [.string(pipeline)])
    }

    /// The statements that take the pipeline's guard off its tables, and forget its role.
    /// - Parameter isLastSide: is nothing else of tidemark's left in the database?
    func removal(of pipeline: String, isLastSide: Bool) throws -> [String] {
        let guards = try TableGuard(database, pipeline: pipeline).removal()
        guard try exists() else { return guards }
        guard !isLastSide else { return guards + ["DROP TABLE main.tidemark_role"] }
        let isNoted = try !database.rows("SELECT 1 FROM main.tidemark_role WHERE pipeline = ?", [.string(pipeline)]).isEmpty
        return guards + (isNoted ? ["DELETE FROM main.tidemark_role WHERE pipeline = \(SQLiteIdentifier.literal(pipeline))"] : [])
    }
}
