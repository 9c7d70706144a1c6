import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The log has a cap, and what is done at it is done without a worker, and never at the application's cost.
@Suite("Cap of the log")
struct LogLimitTests {
    @Test("warn: the server's log says it, nothing is removed and nobody is given up")
    func warn() throws {
        let scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.fill()
        let standing = try scene.standing()
        #expect(standing.stop == nil && standing.lost.isEmpty && standing.bytes > LimitScene.maxBytes)
        #expect(try scene.count("tidemark.data_changes") == LimitScene.rows)
        let log = try String(contentsOfFile: scene.cluster.directory + "/log", encoding: .utf8)
        #expect(log.contains("and max-log-size is 1024 kB; nothing is removed"))
        #expect(standing.alarm?.contains("has reached max-log-size") == true)
        #expect(standing.findings.map(\.severity) == [.problem])
    }

    @Test("drop, without a worker: one pipeline a tick, the slowest first; when there is none left, capture stops")
    func dropAll() throws {
        var scene = try LimitScene(policy: .drop, pipelines: ["fast", "slow"])
        try scene.session.run("insert into public.t (v) values ('seen by one')")
        try scene.follow("fast")
        try scene.fill()
        #expect(try scene.standing().lost.keys.sorted() == ["slow"])
        try scene.fill()
        #expect(try scene.standing().lost.keys.sorted() == ["fast", "slow"])
        #expect(try scene.standing().stop == nil)
        try scene.fill()
        #expect(try scene.standing().stop?.why.contains("max-log-size is 1024 kB") == true)
        let before = try scene.count("tidemark.data_changes")
        try scene.fill()
        #expect(try scene.count("tidemark.data_changes") == before)
    }

    @Test("drop: the others go on and the log shrinks; a pipeline that is no more behind than any is not given up")
    func dropOne() throws {
        var scene = try LimitScene(policy: .drop, pipelines: ["fast", "slow"])
        try scene.fill()
        // Of the two, the one that confirmed less lately: they are equally far.
        let lost = try #require(try scene.standing().lost.keys.first)
        let other = lost == "fast" ? "slow" : "fast"
        #expect(try scene.follow(other) == LimitScene.rows)
        try scene.leaveSegments()
        for _ in 0..<3 { try scene.follow(other) }
        #expect(try scene.standing().bytes < LimitScene.maxBytes)
        #expect(try scene.standing().lost.keys.sorted() == [lost])
        // Its worker, if it lives, neither applies what may have holes nor confirms anything.
        let error = #expect(throws: TidemarkError.self) { try scene.follow(lost) }
        #expect(error?.what == "the pipeline was given up" && error?.pipeline == lost)
        #expect(error?.remedy.contains("tidemark copy --existing empty --pipeline \(lost)") == true)
        try scene.source(lost).confirm(scene.cursors[lost]!, of: lost)
        #expect(try scene.standing().lost.keys.sorted() == [lost])
    }

    @Test("drop: a window that was begun before its pipeline was given up is not applied with holes")
    func dropWhileReading() throws {
        let scene = try LimitScene(policy: .drop, pipelines: ["slow"])
        try scene.session.run("insert into public.t (v) values ('a'), ('b')")
        let source = try scene.source("slow")
        let window = try #require(try source.windows(after: scene.cursors["slow"]!, taking: TakenTables(TableSelection())).first)
        try scene.fill()
        #expect(try scene.standing().lost.keys.sorted() == ["slow"])
        let error = #expect(throws: TidemarkError.self) { try source.read(window, captures: [1]) { _ in } }
        #expect(error?.what == "the pipeline was given up")
    }

    @Test("stop, without a worker: sessions with prepared statements and plans of their own log no more, whatever they do")
    func stop() throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"], tables: LimitScene.kinds)
        let writer = try PostgresSession(scene.url)
        try writer.run(LimitScene.prepared)
        // Plans are kept from the sixth time on.
        for _ in 0..<8 { try writer.run(LimitScene.executed) }
        try scene.fill()
        let stop = try #require(try scene.standing().stop)
        #expect(stop.why.contains("max-log-size is 1024 kB"))
        let before = try scene.count("tidemark.data_changes")
        for _ in 0..<3 { try writer.run(LimitScene.executed) }
        try writer.run("update public.numbered set v = v || '.'; delete from public.keyless; update public.parted set id = -id")
        try writer.run("truncate public.numbered; truncate public.keyless; truncate public.parted; truncate public.t")
        try PostgresSession(scene.url).run("insert into public.t (v) values ('of a new session')")
        #expect(try scene.count("tidemark.data_changes") == before)
        // Every table says why.
        let held = try scene.session.query("select reason from tidemark.foreign_changes()")
        #expect(held.count == 4 && (0..<4).allSatisfy { held[$0, 0]?.contains("capture was stopped at") == true })
        #expect(held[0, 0]?.contains("type: tidemark setup, then tidemark verify --repair") == true)
    }

    @Test("stop: what was logged before is applied up to there, and then the tables are held")
    func drain() throws {
        var scene = try LimitScene(policy: .stop, pipelines: ["main"])
        try scene.session.run("insert into public.t (v) values ('before')")
        try scene.fill()
        try scene.session.run("insert into public.t (v) values ('not logged')")
        // The last tick stands in the transaction that stopped it, before its rows are visible.
        #expect(try scene.follow("main") == 1)
        let error = #expect(throws: TidemarkError.self) { try scene.follow("main") }
        #expect(error?.what.contains("without a trace") == true && error?.why.contains("capture was stopped") == true)
    }

    @Test("stop: what was applied before leaves the log, and setup needs no larger cap")
    func drainMakesRoom() throws {
        var scene = try LimitScene(policy: .stop, pipelines: ["main"])
        for segment in 0...1 {
            try scene.session.query("select setval('tidemark.data_changes_id_seq', $1)", [.text(String(segment << 18 + 1))])
            try scene.session.run("insert into public.t (v) select 'x' from generate_series(1, 5000)")
        }
        #expect(try scene.standing().stop == nil)
        // The next tick.
        try scene.session.query("select setval('tidemark.data_changes_id_seq', $1)", [.text(String(2 << 18 - 10))])
        try scene.session.run("insert into public.t (v) select 'x' from generate_series(1, 100)")
        #expect(try scene.standing().stop != nil)
        #expect(throws: TidemarkError.self) { try scene.setup("main") }
        #expect(try scene.follow("main") == 10_000)
        #expect(try scene.standing().bytes < LimitScene.maxBytes)
        try scene.setup("main")
        #expect(try scene.standing().stop == nil)
    }

    @Test("stop: setup begins again with a gap when there is room, and not before")
    func setupAgain() throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"])
        try scene.fill()
        let refused = #expect(throws: TidemarkError.self) { try scene.setup("main") }
        #expect(refused?.why.contains("the change log still holds") == true, "\(refused?.description ?? "")")
        #expect(refused?.remedy.contains("tidemark setup --max-log-size") == true)
        try scene.setup("main", LogLimitRequest(maxBytes: 1 << 30))
        #expect(try scene.standing().stop == nil)
        #expect(try scene.session.query("select gap from tidemark.capture where retired_at is null")[0, 0]?.contains("capture was stopped") == true)
        let before = try scene.count("tidemark.data_changes")
        try scene.session.run("insert into public.t (v) values ('again')")
        #expect(try scene.count("tidemark.data_changes") == before + 1)
    }

    @Test("stop: once what was logged is applied, setup finds the log empty and needs no larger cap")
    func emptied() throws {
        var scene = try LimitScene(policy: .stop, pipelines: ["main"])
        try scene.session.run("begin; insert into public.t (v) select 'x' from generate_series(1, \(LimitScene.rows)); commit")
        #expect(try scene.standing().stop != nil)
        // There is nothing before the transaction that stopped it.
        #expect(try scene.follow("main") == 0)
        #expect(throws: TidemarkError.self) { try scene.follow("main") }
        let (now, _) = try LogReading(session: scene.session, prepared: PreparedStatements(scene.session)).position()
        var cursor = try #require(scene.cursors["main"])
        cursor.snapshot = .transactions(now)
        // As a repair leaves it, which applies all of the log beside what it compares.
        let source = try scene.source("main")
        try source.confirm(cursor, of: "main")
        scene.cursors["main"] = cursor
        #expect(try scene.standing().bytes < LimitScene.maxBytes)
        try scene.setup("main")
        #expect(try scene.standing().stop == nil)
    }

    @Test("stop goes back with the transaction whose statement reached the cap")
    func rolledBack() throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"])
        let writer = try PostgresSession(scene.url)
        for _ in 0..<8 { try writer.run("insert into public.t (v) values ('x')") }
        try writer.run("begin; savepoint s")
        try writer.run(LimitScene.filling)
        try writer.run("insert into public.t (v) values ('own transaction')")
        #expect(try writer.query("select stopped_at is not null from tidemark.capture")[0, 0] == "t")
        try writer.run("rollback to s; insert into public.t (v) values ('after'); commit")
        #expect(try scene.standing().stop == nil)
        #expect(try scene.count("tidemark.data_changes") == 9)
    }

    @Test("a plan made with a snapshot of before logs on, which is no harm, until the session's next tick")
    func oldSnapshot() throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"])
        let writer = try PostgresSession(scene.url)
        for _ in 0..<8 { try writer.run("insert into public.t (v) values ('x')") }
        try writer.run("begin isolation level repeatable read; select count(*) from public.t")
        try scene.fill()
        let before = try scene.count("tidemark.data_changes")
        try writer.run("insert into public.t (v) values ('with an old snapshot'); commit")
        #expect(try scene.count("tidemark.data_changes") == before + 1)
        try writer.run(LimitScene.filling)
        let after = try scene.count("tidemark.data_changes")
        try writer.run("insert into public.t (v) values ('x')")
        #expect(try scene.count("tidemark.data_changes") == after)
    }

    @Test("BREAKS: where a segment is being emptied, or somebody else is at it, the statement goes through and nobody waits", arguments: [
        "lock table tidemark.data_changes_2 in access exclusive mode",
        "select from tidemark.capture for update",
        "select pg_advisory_xact_lock(hashtextextended('tidemark.enforce_log_limit', 0))",
    ])
    func givesUp(holding: String) throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"])
        let other = try PostgresSession(scene.url)
        try other.run("begin; \(holding)")
        // Whoever waited would fail.
        try scene.session.run("set lock_timeout = '1ms'")
        try scene.fill()
        #expect(try scene.standing(in: other).stop == nil)
        try other.run("commit")
        try scene.fill()
        #expect(try scene.standing().stop != nil)
    }

    @Test("every statement of writers beside it succeeds while capture stops, and afterwards none of them logs")
    func underLoad() throws {
        let scene = try LimitScene(policy: .stop, pipelines: ["main"], tables: LimitScene.kinds)
        let script = scene.cluster.directory + "/\(UUID().uuidString).sql"
        try LimitScene.executedPlain.write(toFile: script, atomically: true, encoding: .utf8)
        // The tick falls into the load.
        try scene.session.run("insert into public.t (v) select 'x' from generate_series(1, 12000)")
        #expect(try scene.standing().stop == nil)
        let load = scene.pgbench(["-c", "4", "-j", "2", "-t", "700", "-M", "prepared", "-n", "-f", script])
        #expect(load.status == 0 && load.output.contains("number of transactions actually processed: 2800/2800"), "\(load.output)")
        #expect(!load.output.contains("ERROR"), "\(load.output)")
        #expect(try scene.standing().stop != nil)
        let again = scene.pgbench(["-c", "4", "-j", "2", "-t", "200", "-M", "prepared", "-n", "-f", script])
        #expect(again.status == 0, "\(again.output)")
        let before = try scene.count("tidemark.data_changes")
        #expect(before < 12_000 + 4 * 2800)
        try PostgresSession(scene.url).run(LimitScene.executedPlain)
        #expect(try scene.count("tidemark.data_changes") == before)
    }
}

/// A source whose log may hold 1 MiB, which one statement fills; its workers are played by hand.
struct LimitScene {
    static let maxBytes: Int64 = 1 << 20
    static let rows = 20_000
    static let filling = "insert into public.t (v) select 'x' from generate_series(1, \(rows))"
    static let kinds = """
        create table public.numbered (id numeric primary key, v text); create table public.keyless (v text);
        create table public.parted (id int primary key, v text) partition by range (id);
        create table public.parted_1 partition of public.parted default
        """
    static let prepared = """
        create sequence if not exists public.s; prepare p1 as insert into public.t (v) values ('p');
        prepare p2 as insert into public.numbered values (nextval('public.s'), 'p');
        prepare p3 as insert into public.parted values (nextval('public.s'), 'p'); prepare p4 as insert into public.keyless values ('p');
        prepare p5 as update public.t set v = 'q' where id = (select max(id) from public.t)
        """
    static let executed = "execute p1; execute p2; execute p3; execute p4; execute p5"
    /// Each writes rows of its own.
    static let executedPlain = """
        insert into public.t (v) values ('l');
        insert into public.numbered values (random()::numeric + nextval('public.t_id_seq'), 'l');
        insert into public.keyless values ('l');
        insert into public.parted values (nextval('public.t_id_seq'), 'l');
        """

    let cluster = ScratchCluster.shared
    let url: String
    let session: PostgresSession
    let administration: PostgresSourceAdministration
    var cursors: [String: Cursor] = [:]
    private var sources: [String: PostgresSource] = [:]

    init(policy: LogPolicy, pipelines: [String], tables: String = "") throws {
        url = try cluster.database("source")
        session = try PostgresSession(url)
        administration = try PostgresSourceAdministration(url)
        try session.run("create table public.t (id bigint generated always as identity primary key, v text); \(tables)")
        try administration.installLog()
        for name in pipelines {
            cursors[name] = try administration.startCursor(of: name)
            try setup(name, LogLimitRequest(maxBytes: Self.maxBytes, policy: policy))
            let source = try PostgresSource(url)
            _ = try source.selection(of: name)
            try source.confirm(cursors[name]!, of: name)
            sources[name] = source
        }
    }

    func setup(_ pipeline: String, _ limit: LogLimitRequest = LogLimitRequest(), retention: Retention = .none) throws {
        var request = CaptureRequest(pipeline: pipeline, retention: retention)
        request.logLimit = limit
        _ = try administration.install(request)
    }

    func source(_ pipeline: String) throws -> PostgresSource { try #require(sources[pipeline]) }

    /// More than the log may hold, in one statement, which ends with a tick.
    func fill() throws { try session.run(Self.filling) }

    func standing(in session: PostgresSession? = nil) throws -> LogStanding { try LogLimitRecord(session: session ?? self.session).standing() }

    func count(_ table: String) throws -> Int { Int(try session.query("select count(*) from \(table)")[0, 0] ?? "") ?? -1 }

    /// - Returns: how many changes were applied.
    @discardableResult
    mutating func follow(_ pipeline: String) throws -> Int {
        let source = try source(pipeline)
        var cursor = try #require(cursors[pipeline])
        var changes = 0
        let captures = try source.capturedTables().map(\.capture)
        for window in try source.windows(after: cursor, taking: TakenTables(TableSelection())) {
            try source.read(window, captures: captures) { changes += $0.changes.count }
            (cursor.snapshot, cursor.witness, cursor.lastID) = (window.end, window.witness, window.throughID)
        }
        try source.confirm(cursor, of: pipeline)
        cursors[pipeline] = cursor
        return changes
    }

    /// Lets writers go on in other segments, so that those which hold something can be emptied.
    func leaveSegments() throws {
        for segment in 1...3 {
            try session.query("select setval('tidemark.data_changes_id_seq', $1)", [.text(String(segment << 18))])
            try session.run("insert into public.t (v) values ('on')")
        }
    }

    func pgbench(_ arguments: [String]) -> (status: Int32, output: String) {
        let name = url.split(separator: "=").last.map(String.init) ?? ""
        return Shell.run(ScratchCluster.binaries() + "/pgbench", ["-h", cluster.directory, "-U", "postgres"] + arguments + [name])
    }
}
