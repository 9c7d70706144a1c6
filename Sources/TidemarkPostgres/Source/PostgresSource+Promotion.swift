package import TidemarkCore

extension PostgresSource {
    /// A physical standby is the same database to everybody but for its timeline.
    package func promotion(since cursor: Cursor) throws -> String? {
        try reporting("the source's timeline cannot be read") {
            let rows = try session.query(
                """
                select timeline, now from tidemark.tick,
                    lateral (select ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int as now) server
                where token::text = $1 and timeline <> now
                """, [.text(cursor.witness)])
            guard rows.count == 1 else { return nil }
            return "the source was promoted from a standby (timeline \(rows[0, 0] ?? "?") is now \(rows[0, 1] ?? "?")); it has everything that the target has"
        }
    }
}
