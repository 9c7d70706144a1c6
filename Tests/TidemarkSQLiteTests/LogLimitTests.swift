import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// The cap of the log, and what is kept of it on purpose. A worker has to run for either.
@Suite("Cap and retention of a SQLite log") struct LogLimitTests {
    private static func scene(_ limit: LogLimitRequest = LogLimitRequest(), retention: Retention = .none) throws -> Replica {
        let replica = try Replica("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        replica.limits.confirmEveryMs = 0
        try setUp(replica, limit, retention: retention)
        return replica
    }

    private static func setUp(_ replica: Replica, _ limit: LogLimitRequest = LogLimitRequest(), retention: Retention = .none, pipeline: String = "main") throws {
        var request = CaptureRequest(pipeline: pipeline, retention: retention)
        request.logLimit = limit
        _ = try SQLiteSourceAdministration(path: replica.sourcePath).install(request)
    }

    /// About 100 bytes of log each.
    private static func write(_ replica: Replica, rows: Int = 1000) throws {
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows)) INSERT INTO t (v) SELECT 'row ' || i FROM n")
    }

    private static func count(_ replica: Replica) throws -> Int64 { try replica.source.rows("SELECT count(*) FROM data_changes")[0][0].integer ?? 0 }

    private static func standing(_ replica: Replica) throws -> LogStanding { try LogLimitRecord(database: replica.source).standing() }

    /// Another pipeline, whose worker is dead.
    private static func addDead(_ replica: Replica) throws {
        try setUp(replica, pipeline: "dead")
        try replica.source.execute("UPDATE tidemark_pipeline SET confirmed_id = 0, confirmed_at = '2020-01-01T00:00:00.000Z' WHERE name = 'dead'")
    }

    @Test("--retain 24h: what was applied stays for a day, with its ticks, and goes then")
    func byTime() throws {
        let replica = try Self.scene(retention: .seconds(86400))
        try Self.write(replica)
        try replica.replicate()
        #expect(try Self.count(replica) == 1000)
        try replica.source.execute("UPDATE data_changes SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-25 hours') WHERE id <= 600")
        try Self.write(replica, rows: 1)
        try replica.replicate()
        #expect(try replica.source.rows("SELECT min(id) FROM data_changes") == [[.integer(601)]])
        #expect(try replica.isEqual())
    }

    @Test("--retain 10KB: about the youngest so many bytes stay")
    func bySize() throws {
        let replica = try Self.scene(retention: .bytes(10 << 10))
        try Self.write(replica)
        try replica.replicate()
        let left = try Self.count(replica)
        #expect(left > 50 && left < 200, "\(left)")
    }

    @Test("from four fifths of the cap on nothing is kept on purpose")
    func givesWay() throws {
        let replica = try Self.scene(LogLimitRequest(maxBytes: 60 << 10, policy: .stop), retention: .seconds(86400))
        try Self.write(replica)
        try replica.replicate()
        #expect(try Self.count(replica) == 1)
        #expect(try Self.standing(replica).stop == nil)
    }

    @Test("warn: nothing is removed, and the worker is told")
    func warn() throws {
        let replica = try Self.scene(LogLimitRequest(maxBytes: 10 << 10))
        try Self.addDead(replica)
        try Self.write(replica)
        try replica.replicate()
        let standing = try Self.standing(replica)
        #expect(standing.lost.isEmpty && standing.stop == nil && standing.alarm?.contains("has reached max-log-size") == true)
        #expect(try Self.count(replica) == 1000)
        #expect(standing.findings.map(\.severity) == [.problem])
    }

    @Test("drop: the pipeline that the log is kept for is given up, and the log is removed for the others")
    func drop() throws {
        let replica = try Self.scene(LogLimitRequest(maxBytes: 10 << 10, policy: .drop))
        try Self.addDead(replica)
        try Self.write(replica)
        try replica.replicate()
        #expect(try Self.standing(replica).lost.keys.sorted() == ["dead"])
        try Self.write(replica, rows: 1)
        try replica.replicate()
        #expect(try Self.count(replica) == 1)
        #expect(try replica.isEqual())
        // Its worker reads and confirms nothing any more.
        let source = try SQLiteSource(path: replica.sourcePath)
        let error = errorOf { _ = try source.selection(of: "dead") }
        #expect(error?.what == "the pipeline was given up" && error?.remedy.contains("tidemark setup --pipeline dead") == true)
        try source.confirm(try #require(replica.cursor), of: "dead")
        #expect(try Self.standing(replica).lost.keys.sorted() == ["dead"])
        #expect(try replica.source.rows("SELECT confirmed_id FROM tidemark_pipeline WHERE name = 'dead'") == [[.integer(0)]])
    }

    @Test("stop: the triggers go; what was logged is applied, then the tables are held; setup puts them back with a gap")
    func stop() throws {
        let replica = try Self.scene(LogLimitRequest(maxBytes: 10 << 10, policy: .stop))
        try Self.addDead(replica)
        try Self.write(replica)
        try replica.replicate()
        #expect(try Self.standing(replica).stop?.why.contains("max-log-size is 10.0 kB") == true)
        #expect(try replica.source.rows("SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'") == [[.integer(0)]])
        #expect(try replica.isEqual())
        try Self.write(replica, rows: 5)
        #expect(try Self.count(replica) == 1000)
        let held = errorOf { _ = try replica.windows() }
        #expect(held?.why.contains("capture was stopped at") == true && held?.why.contains("type: tidemark setup") == true)
        // The dead pipeline keeps the log where it is.
        let refused = errorOf { try Self.setUp(replica) }
        #expect(refused?.why.contains("the change log still holds") == true && refused?.remedy.contains("--max-log-size") == true)
        try Self.setUp(replica, LogLimitRequest(maxBytes: 0))
        #expect(try Self.standing(replica).stop == nil)
        #expect(try replica.source.rows("SELECT count(*) FROM tidemark_capture WHERE retired_at IS NULL AND gap LIKE 'capture was stopped%'") == [[.integer(1)]])
        try Self.write(replica, rows: 1)
        #expect(try Self.count(replica) == 1001)
    }

    @Test("stop: what was logged before and not applied yet is applied, by a worker that comes later too")
    func drain() throws {
        let replica = try Self.scene()
        try Self.write(replica)
        try Self.setUp(replica, LogLimitRequest(maxBytes: 10 << 10, policy: .stop))
        try Self.addDead(replica)
        try replica.source.execute("BEGIN")
        try LogLimitEnforcement(database: replica.source, pipeline: "main").run()
        try replica.source.execute("COMMIT")
        #expect(try Self.standing(replica).stop != nil)
        try replica.replicate()
        #expect(try replica.isEqual())
        #expect(errorOf { _ = try replica.windows() }?.why.contains("capture was stopped at") == true)
        // With the dead pipeline away there is room, and setup finds it.
        try SQLiteSourceAdministration(path: replica.sourcePath).remove("dead")
        try SQLiteSourceAdministration(path: replica.sourcePath).makeRoom(behind: try #require(replica.cursor), of: "main")
        try Self.setUp(replica)
        #expect(try Self.standing(replica).stop == nil)
    }

    @Test("a log that an older version made gets what is new when setup comes by")
    func upgrade() throws {
        let replica = try Self.scene()
        try replica.source.execute(
            """
            DROP TABLE tidemark_log_limit; ALTER TABLE tidemark_pipeline DROP COLUMN lost_at; ALTER TABLE tidemark_pipeline DROP COLUMN retain_bytes;
            ALTER TABLE tidemark_capture DROP COLUMN stopped_at
            """)
        let administration = try SQLiteSourceAdministration(path: replica.sourcePath)
        #expect(try administration.status(of: "main", at: nil, settledThrough: [:]).obstacle?.contains("tidemark setup") == true)
        #expect(try administration.check(CaptureRequest(pipeline: "main")).contains { $0.what.contains("older version") })
        #expect(try administration.recordedRequest(of: "main")?.retention == Retention.none)
        try administration.installLog()
        try Self.setUp(replica, LogLimitRequest(maxBytes: 1 << 30, policy: .drop), retention: .bytes(5))
        #expect(try administration.recordedRequest(of: "main")?.retention == .bytes(5))
        #expect(try administration.planInstall(CaptureRequest(pipeline: "main", retention: .bytes(5))).isEmpty)
    }
}
