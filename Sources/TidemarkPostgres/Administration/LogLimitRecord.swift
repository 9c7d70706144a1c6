import TidemarkCore

/// `tidemark.log_limit`, and what was done when the log reached it.
struct LogLimitRecord {
    let session: PostgresSession

    /// An installation of an older version has none until setup renews it.
    static func isInstalled(in session: PostgresSession) throws -> Bool {
        try session.query("select to_regclass('tidemark.log_limit')")[0, 0] != nil
    }

    func read() throws -> LogLimit? {
        let rows = try session.query("select max_bytes, policy from tidemark.log_limit")
        guard rows.count == 1, let bytes = rows[0, 0].flatMap({ Int64($0) }) else { return nil }
        return LogLimit(maxBytes: bytes, policy: rows[0, 1].flatMap { LogPolicy(rawValue: $0) } ?? .warn)
    }

    /// The statements that make the cap what setup was told; none where that changes nothing.
    func statements(for request: LogLimitRequest) throws -> [String] {
        let known = try read()
        let limit = try request.applied(to: known)
        guard limit != known else { return [] }
        let removal = known == nil ? [] : ["delete from tidemark.log_limit"]
        guard let limit else { return removal }
        return removal + [
            "insert into tidemark.log_limit (max_bytes, policy) values (\(limit.maxBytes), \(PostgresIdentifier.literal(limit.policy.rawValue)))"
        ]
    }

    func write(_ request: LogLimitRequest) throws {
        let statements = try statements(for: request)
        guard !statements.isEmpty else { return }
        // One transaction: there is never a moment without a cap.
        try session.run(statements.joined(separator: "; "))
    }

    func standing() throws -> LogStanding {
        let log = try session.query("select tidemark.log_bytes()")
        let lost = try session.query("select name, \(Self.time("lost_at")), lost_why from tidemark.pipeline where lost_at is not null")
        let losses = (0..<lost.count).map { (lost[$0, 0] ?? "", PipelineLoss(at: lost[$0, 1] ?? "", why: lost[$0, 2] ?? "")) }
        return LogStanding(
            limit: try read(), bytes: Int64(log[0, 0] ?? "") ?? 0, stop: try stop(),
            lost: Dictionary(losses, uniquingKeysWith: { $1 }))
    }

    /// Capture of the tables that are stopped.
    func stop() throws -> CaptureStop? {
        let rows = try session.query(
            """
            select \(Self.time("stopped_at")), stopped_why from tidemark.capture
            where retired_at is null and stopped_at is not null order by id limit 1
            """)
        return rows.count == 1 ? CaptureStop(at: rows[0, 0] ?? "", why: rows[0, 1] ?? "") : nil
    }

    func loss(of pipeline: String) throws -> PipelineLoss? {
        Self.loss(in: try session.query(Self.lossOfPipeline, [.text(pipeline)]))
    }

    /// For who asks often, and prepares it: `$1` is the pipeline.
    static let lossOfPipeline = "select \(time("lost_at")), lost_why from tidemark.pipeline where name = $1 and lost_at is not null"

    static func loss(in rows: PostgresRows) -> PipelineLoss? {
        rows.count == 1 ? PipelineLoss(at: rows[0, 0] ?? "", why: rows[0, 1] ?? "") : nil
    }

    /// When the log will have reached its cap, at the rate of the last hour. Nil where it does not grow: the worker of
    /// every pipeline is at work, and what is to be retained has come together.
    func fullInSeconds(_ limit: LogLimit, bytes: Int64, rows: Int64) throws -> Double? {
        guard bytes < limit.maxBytes, rows > 0 else { return nil }
        let found = try session.query(
            """
            select (\(ChangeIDs.last) - t.high_id) / greatest(extract(epoch from clock_timestamp() - t.written_at)::float8, 1)
            from (
                select t.high_id, t.written_at from tidemark.tick t
                where t.written_at > clock_timestamp() - interval '1 hour' and t.high_id is not null order by t.id limit 1) t
            where exists (
                select from tidemark.pipeline p, lateral (
                    select d.changed_at from tidemark.data_changes d
                    where p.snapshot is null or d.id > coalesce(p.last_id, 0) and not pg_visible_in_snapshot(d.xid, p.snapshot) limit 1) d
                where p.lost_at is null and d.changed_at < clock_timestamp() - interval '1 minute')
            or exists (
                select from tidemark.retained r join tidemark.tick k on k.id = r.tick
                where k.written_at > clock_timestamp() - make_interval(secs => (select max(retain_seconds) from tidemark.pipeline where lost_at is null)))
            """)
        guard found.count == 1, let idsPerSecond = found[0, 0].flatMap({ Double($0) }), idsPerSecond > 0 else { return nil }
        return Double(limit.maxBytes - bytes) / (idsPerSecond * Double(bytes) / Double(rows))
    }

    /// A column as this engine writes times for people.
    static func time(_ column: String) -> String { "to_char(\(column) at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS\"Z\"')" }
}
