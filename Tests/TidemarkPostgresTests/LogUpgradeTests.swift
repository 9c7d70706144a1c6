import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("A log that an older version made")
struct LogUpgradeTests {
    @Test("is named by status, check and the worker, and renewed by setup")
    func renewed() throws {
        let scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.session.run(
            """
            drop table tidemark.log_limit, tidemark.retained;
            alter table tidemark.pipeline drop column retain_seconds, drop column retain_bytes, drop column lost_at, drop column lost_why;
            alter table tidemark.capture drop column stopped_at, drop column stopped_why, drop column stopped_xid
            """)
        let request = CaptureRequest(pipeline: "main")
        #expect(try scene.administration.status(of: "main", at: nil, settledThrough: [:]).obstacle?.contains("tidemark setup") == true)
        #expect(try scene.administration.check(request).contains { $0.what.contains("older version") })
        let error = #expect(throws: TidemarkError.self) { try PostgresSource(scene.url).selection(of: "main") }
        #expect(error?.remedy.contains("tidemark setup") == true)
        #expect(try scene.administration.recordedRequest(of: "main") == request)
        #expect(try scene.administration.loss(of: "main") == nil)
        try scene.administration.installLog()
        try scene.setup("main", LogLimitRequest(maxBytes: 1 << 30, policy: .stop), retention: .seconds(60))
        #expect(try scene.administration.recordedRequest(of: "main")?.retention == .seconds(60))
        #expect(try scene.standing().limit == LogLimit(maxBytes: 1 << 30, policy: .stop))
    }

    @Test("setup again, and its plan, wait for no transaction that has read or written anything of ours, and let nobody wait")
    func again() throws {
        let scene = try LimitScene(policy: .warn, pipelines: ["main"])
        let (target, roles) = (try PostgresTargetAdministration(scene.url), try PostgresRoleAdministration(scene.url, side: "source"))
        try target.install()
        let busy = try PostgresSession(scene.url)
        let names = try busy.query("select relname from pg_class where relnamespace = 'tidemark'::regnamespace and relkind in ('r', 'p')")
        #expect(names.count > 10)
        let tables = (0..<names.count).compactMap { names[$0, 0].map { "tidemark.\($0)" } }.joined(separator: ", ")
        try busy.run("begin; lock table \(tables) in row exclusive mode")
        try scene.administration.installLog()
        _ = try scene.administration.planInstall(CaptureRequest(pipeline: "main"))
        try target.install()
        try roles.installRoles()
        #expect(try scene.session.query("select to_regproc('tidemark.add_columns')")[0, 0] == nil)
        // What an older version lacks takes a lock. It is asked for shortly, again and again, and whoever is there stays.
        try busy.run("rollback")
        try scene.session.run("alter table tidemark.capture drop column gap; alter table tidemark.cursor drop column hold")
        try busy.run("begin; lock table \(tables) in row exclusive mode")
        for work in [scene.administration.installLog, target.install] {
            let error = try #require(throws: TidemarkError.self) { try work() }
            #expect(error.remedy.contains("pg_stat_activity"), "\(error)")
        }
        try busy.run("commit")
        try scene.administration.installLog()
        try target.install()
        let there = try scene.session.query("select attrelid::regclass from pg_attribute where attname in ('gap', 'hold') and attrelid::regclass::text like 'tidemark.%' order by 1")
        #expect((0..<there.count).compactMap { there[$0, 0] } == ["tidemark.capture", "tidemark.cursor"])
    }
}
