import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// `setup`: what it refuses, and what it does beside a worker that runs.
@Suite("Setup")
struct SetupTests {
    @Test("a table that the source does not have is refused by name, beside others that it has, and nothing is made", arguments: Direction.all)
    func misspelt(direction: Direction) throws {
        var flow = try Flow(direction, ConformanceTests.account)
        let schema = try flow.source.schema()
        flow.definition.include = [TablePattern("*account"), TablePattern("acount")]
        for work in [{ _ = try Installation(flow.definition).setUp() }, { _ = try Installation(flow.definition).planSetUp() }] {
            let error = try #require(throws: TidemarkError.self) { try work() }
            #expect(error.why.contains("acount") && error.remedy.contains("tables:"), "\(error)")
        }
        #expect(try Installation(flow.definition).check().contains { $0.finding.severity == .problem && $0.finding.what.contains("acount,") })
        flow.definition.rules = TableRules([TableRule(TablePattern("*"), polled: PolledReading(.full))])
        #expect(throws: TidemarkError.self) { try Installation(flow.definition).setUp() }
        #expect(try Installation(flow.definition).check().contains { $0.finding.severity == .problem && $0.finding.what.contains("acount,") })
        #expect(try flow.source.schema() == schema)
    }

    @Test("names are looked up in the catalogue: who may read one table only sets it up, shaped or not, and check finds nothing")
    func fewRights() throws {
        let source = try ScratchEngine.postgres.database("source"), target = try ScratchEngine.postgres.database("target")
        let role = "reader_\(UInt32.random(in: 0..<UInt32.max))"
        try source.run("create role \(role) login; create table open (id int primary key, v text); create table secret (id int primary key); grant select on open to \(role)")
        defer { try? source.run("drop owned by \(role); drop role \(role)") }
        try target.run("create table public.opened (id int primary key, v text)")
        var definition = PipelineDefinition(name: "main", source: source.address.replacing("user=postgres", with: "user=\(role)"), target: target.address)
        definition.include = [TablePattern("public.open")]
        var shaping = TableShaping()
        shaping.target = "opened"
        definition.rules = TableRules([TableRule(TablePattern("public.open"), shaping: shaping, polled: PolledReading(.full))])
        let found = try Installation(definition).check()
        #expect(!found.contains { $0.finding.severity == .problem }, "\(found)")
        _ = try Installation(definition).setUp()
        definition.include = [TablePattern("public.open"), TablePattern("public.opne")]
        #expect(try Installation(definition).check().contains { $0.finding.what.contains("public.opne") })
        #expect(throws: TidemarkError.self) { try Installation(definition).setUp() }
    }

    @Test(
        "a pipeline that setup widens while its worker runs loses nothing of the new table", .ownThreads,
        arguments: Direction.all)
    func widened(direction: Direction) async throws {
        var flow = try Flow(direction, ConformanceTests.account + "create table entry (a integer, b text);")
        flow.definition.include = [TablePattern("*account")]
        try flow.setUp()
        let pipeline = try flow.pipeline(PipelineDefinition(name: "main", source: flow.source.address, target: flow.target.address))
        async let running: Void = pipeline.run()
        flow.definition.include = [TablePattern("*account"), TablePattern("*entry")]
        try flow.source.run("insert into account values (1, 'a', 1)")
        try flow.setUp()
        try flow.source.run("insert into entry values (1, 'x')")
        try flow.source.run("insert into account values (2, 'b', 1)")
        let deadline = ContinuousClock.now + .seconds(60)
        while try flow.target.rows("account", ["id"]) != ["1", "2"], ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(20))
        }
        pipeline.stop()
        try await running
        try flow.expectEqual("account", ConformanceTests.columns)
        try flow.expectEqual("entry", ["a", "b"])
    }
}
