import TidemarkCore

/// `tidemark_log_limit`, and what was done when the log reached it.
struct LogLimitRecord {
    let database: SQLiteDatabase

    /// An installation of an older version has none until setup renews it.
    func isInstalled() throws(SQLiteFailure) -> Bool {
        try database.hasTable("tidemark_log_limit")
    }

    func read() throws(SQLiteFailure) -> LogLimit? {
        guard let row = try database.rows("SELECT max_bytes, policy FROM main.tidemark_log_limit").first, let bytes = row[0].integer else {
            return nil
        }
        return LogLimit(maxBytes: bytes, policy: row[1].string.flatMap { LogPolicy(rawValue: $0) } ?? .warn)
    }

    /// The statements that make the cap what setup was told; none where that changes nothing.
    func statements(for request: LogLimitRequest) throws -> [String] {
        let known = try isInstalled() ? try read() : nil
        let limit = try request.applied(to: known)
        guard limit != known else { return [] }
        let removal = known == nil ? [] : ["DELETE FROM tidemark_log_limit"]
        guard let limit else { return removal }
        return removal + [
            "INSERT INTO tidemark_log_limit (max_bytes, policy, set_at) VALUES (\(limit.maxBytes), "
                + "\(SQLiteIdentifier.literal(limit.policy.rawValue)), strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))"
        ]
    }

    func standing() throws(SQLiteFailure) -> LogStanding {
        let lost = try database.rows("SELECT name, lost_at, lost_why FROM main.tidemark_pipeline WHERE lost_at IS NOT NULL")
        return LogStanding(
            limit: try read(), bytes: try LogSize(database)?.bytes ?? 0, stop: try stop(),
            lost: Dictionary(lost.map { ($0[0].string ?? "", Self.loss($0)) }, uniquingKeysWith: { $1 }))
    }

    func stop() throws(SQLiteFailure) -> CaptureStop? {
        let rows = try database.rows(
            """
            SELECT stopped_at, stopped_why FROM main.tidemark_capture WHERE retired_at IS NULL AND stopped_at IS NOT NULL
            ORDER BY capture LIMIT 1
            """)
        return rows.first.map { CaptureStop(at: $0[0].string ?? "", why: $0[1].string ?? "") }
    }

    func loss(of pipeline: String) throws(SQLiteFailure) -> PipelineLoss? {
        try database.rows(
            "SELECT name, lost_at, lost_why FROM main.tidemark_pipeline WHERE name = ? AND lost_at IS NOT NULL", [.string(pipeline)]
        ).first.map(Self.loss)
    }

    private static func loss(_ row: [SQLiteValue]) -> PipelineLoss { PipelineLoss(at: row[1].string ?? "", why: row[2].string ?? "") }

    /// When the log will have reached its cap, at the rate of the last hour. Nil where it does not grow.
    func fullInSeconds(_ limit: LogLimit) throws(SQLiteFailure) -> Double? {
        guard let size = try LogSize(database), size.bytes < limit.maxBytes else { return nil }
        // What a pipeline has not confirmed for a minute, or what is to be kept and has not come together yet.
        let growing = try database.rows(
            """
            SELECT 1 FROM main.tidemark_pipeline AS p WHERE lost_at IS NULL AND (
                (SELECT changed_at FROM main.data_changes WHERE id > coalesce(p.confirmed_id, 0) ORDER BY id LIMIT 1)
                    < strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-60 seconds')
                OR (SELECT changed_at FROM main.data_changes ORDER BY id LIMIT 1)
                    > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || p.retain_seconds || ' seconds')
                OR p.retain_bytes > ?)
            LIMIT 1
            """, [.integer(size.bytes)])
        guard !growing.isEmpty else { return nil }
        let first = try RetainedLog(database: database).first(within: 3600, of: size)
        let rate = try database.rows(
            """
            SELECT (? - id) / max(1.0, (julianday('now') - julianday(changed_at)) * 86400.0) FROM main.data_changes
            WHERE id >= ? ORDER BY id LIMIT 1
            """, [.integer(size.lastID), .integer(first)])
        guard case .real(let idsPerSecond)? = rate.first?.first, idsPerSecond > 0 else { return nil }
        return Double(limit.maxBytes - size.bytes) / (idsPerSecond * Double(size.averageRowBytes))
    }
}
