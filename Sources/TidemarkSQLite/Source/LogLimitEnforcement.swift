import TidemarkCore

/// Does what the policy says where the log has reached its cap, in the caller's transaction. Triggers cannot: only a
/// worker that runs keeps the log of a SQLite source below its cap.
struct LogLimitEnforcement {
    let database: SQLiteDatabase
    /// Whose worker it is: that pipeline is alive, however far behind.
    let pipeline: String
    private static let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

    func run() throws(SQLiteFailure) {
        let record = LogLimitRecord(database: database)
        guard let limit = try record.read(), let size = try LogSize(database), size.bytes >= limit.maxBytes,
            try record.stop() == nil
        else { return }
        let why = "the change log holds \(ByteCount.text(size.bytes)), and max-log-size is \(ByteCount.text(limit.maxBytes))"
        switch limit.policy {
        case .warn: break
        case .drop: try dropSlowest(limit, size, why)
        case .stop: try stop(why)
        }
    }

    /// Only a pipeline that needs more than half of what the cap allows: of others nothing would be gained.
    private func dropSlowest(_ limit: LogLimit, _ size: LogSize, _ why: String) throws(SQLiteFailure) {
        let slowest = try database.rows(
            """
            SELECT name, confirmed_id, confirmed_at FROM main.tidemark_pipeline WHERE lost_at IS NULL AND name <> ?
            ORDER BY confirmed_at IS NULL, coalesce(confirmed_id, 0), confirmed_at, name LIMIT 1
            """, [.string(pipeline)])
        guard let row = slowest.first, (size.lastID - max(row[1].integer ?? 0, size.firstID - 1)) * size.averageRowBytes > limit.maxBytes / 2 else {
            return
        }
        let place = row[2].string.map { "had confirmed change \(row[1].integer ?? 0) at \($0)" } ?? "had never confirmed anything"
        _ = try database.rows(
            "UPDATE main.tidemark_pipeline SET lost_at = \(Self.now), lost_why = ? WHERE name = ?",
            [.string("\(why): it was kept for this pipeline, which \(place)"), row[0]])
    }

    private func stop(_ why: String) throws(SQLiteFailure) {
        let triggers = try database.rows(
            "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidemark_capture_[0-9]*' ORDER BY name")
        for trigger in triggers { try database.execute("DROP TRIGGER \(SQLiteIdentifier.quoted(trigger[0].string ?? ""))") }
        _ = try database.rows(
            "UPDATE main.tidemark_capture SET stopped_at = \(Self.now), stopped_why = ? WHERE retired_at IS NULL", [.string(why)])
    }
}
