import Testing
import TidemarkApp
import TidemarkCore

/// `setup --role`: a target that nobody writes to by mistake.
@Suite("Setup of a replica")
struct RoleSetupTests {
    private static let schema = "create table a (id integer primary key, v text);"

    private func refuses(_ database: any ScratchDatabase, _ sql: String) -> Bool {
        do {
            try database.run(sql)
            return false
        } catch { return "\(error)".contains("this database is a replica of pipeline main") }
    }

    @Test("a replica is guarded from setup on, its rows are copied, and a later setup keeps it so", arguments: Direction.all)
    func replica(direction: Direction) async throws {
        var flow = try Flow(direction, Self.schema)
        flow.definition.role = .replica
        try flow.source.run("insert into a values (1, 'a')")
        let planned = try Installation(flow.definition).planSetUp().filter { $0.side == "target" && $0.statement.sql.lowercased().contains("tidemark_guard") }
        #expect(planned.contains { $0.statement.sql.lowercased().hasPrefix("create trigger") && !$0.statement.lock.isEmpty })
        try flow.setUp()
        #expect(refuses(flow.target, "insert into a values (9, 'x')"))
        try await flow.follow(.refuse)
        try flow.source.run("insert into a values (2, 'b')")
        try await flow.follow()
        try flow.expectEqual("a", ["id", "v"])
        let first = try StatusReport(of: flow.definition)
        #expect(first.sourceRole == "primary" && first.targetRole == "replica" && first.isTargetGuarded == true)
        #expect(first.targetRoleSince != nil && first.sourceRoleSince != nil && first.sourceSeenAt != nil && first.sourceSeenID != nil)

        // A table that came since, and a setup that says nothing of a role.
        flow.definition.role = nil
        for database in [flow.source, flow.target] { try database.run("create table b (id integer primary key, v text)") }
        try flow.target.run("insert into b values (1, 'x'); delete from b")
        let open = try Installation(flow.definition).check().filter { $0.side == "target" && $0.finding.what.contains("others can write") }
        #expect(open.map { $0.finding.table?.name } == ["b"])
        try flow.setUp()
        #expect(refuses(flow.target, "insert into b values (9, 'x')"))
        #expect(try Installation(flow.definition).check().filter { $0.finding.what.contains("others can write") }.isEmpty)
        #expect(try StatusReport(of: flow.definition).targetRoleSince == first.targetRoleSince)

        flow.definition.role = .feed
        #expect(try Installation(flow.definition).planSetUp().contains { $0.statement.sql.contains("tidemark_role") || $0.statement.sql.contains("tidemark.role where") })
        try flow.setUp()
        try flow.target.run("insert into b values (9, 'x')")
        let feed = try StatusReport(of: flow.definition)
        #expect(feed.sourceRole == nil && feed.targetRole == nil && feed.isTargetGuarded == nil)
        flow.definition.role = nil
        try flow.setUp()
        try flow.target.run("delete from b")
    }

    @Test("tables that setup makes are guarded too, and their rows, indexes and keys come all the same", arguments: Direction.all)
    func created(direction: Direction) async throws {
        var flow = try Flow(direction, "create table a (id integer primary key, v text); create index by_v on a (v);", targetSchema: "create table other (id integer)")
        flow.definition.role = .replica
        try flow.source.run("insert into a values (1, 'a')")
        let planned = try Installation(flow.definition).planSetUp(creating: true).filter { $0.side == "target" && $0.statement.sql.lowercased().contains("guard") }
        #expect(planned.contains { $0.statement.sql.contains("tidemark_guard_a_insert") || $0.statement.sql.contains("raise_guard('{\"\\\"public\\\".\\\"a\\\"\"}', 'main'") })
        _ = try Installation(flow.definition).setUp(creating: true)
        #expect(refuses(flow.target, "insert into a values (9, 'x')"))
        try await flow.follow(.refuse)
        try flow.expectEqual("a", ["id", "v"])
        try flow.target.run("insert into other values (1)")
    }

    @Test("a role that was changed is not setup's to choose", arguments: ScratchEngine.allCases)
    func promoted(engine: ScratchEngine) throws {
        var flow = try Flow(Direction(source: engine, target: engine), Self.schema)
        flow.definition.role = .replica
        try flow.setUp()
        let roles = try Engines.accepting(flow.target.address, of: "target").roleAdministration(flow.target.address, side: "target")
        try roles.liftGuard(of: "main", noting: Standing(.primary, epoch: 2, cause: .failover), closing: nil)
        let refused = #expect(throws: TidemarkError.self) { try flow.setUp() }
        #expect(refused?.why.contains("failover") == true)
        flow.definition.role = nil
        try flow.setUp()
        try flow.target.run("insert into a values (1, 'written by the application')")
    }
}
