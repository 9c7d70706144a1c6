import Testing
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@testable import TidemarkApp

/// Pipelines of which some tables, or all, are read.
@Suite("Pipelines that read tables", .ownThreads)
struct PolledPipelineTests {
    private static let full = PolledScene.reading(.full)

    private static func settings() -> Pipeline.Settings {
        var settings = Pipeline.Settings(name: "main", worker: PolledScene.worker)
        settings.startedAt = "2026-01-01T00:00:00Z"
        return settings
    }

    private static func run(_ scene: PolledScene) throws -> PipelineRun { try PipelineRun(scene.flow.definition, settings(), log: scene.flow.silent) }

    @Test("one pipeline captures one table and reads the other; run does both, and status shows both", arguments: Direction.all)
    func mixed(direction: Direction) async throws {
        var scene = try PolledScene(direction, [:])
        scene.tell(["account": nil, "note": Self.full])
        try scene.insert(1...20)
        try scene.flow.source.run("insert into note values ('a', 1)")
        #expect(try Installation(scene.flow.definition).setUp().map(\.name) == [scene.flow.name("account")])
        #expect(try scene.status.polledTables?.map(\.state) == ["waiting"])
        let first = try await Self.run(scene).once()
        #expect(first.cursor != nil && first.passes.map(\.table) == [scene.flow.name("note")])
        try scene.flow.source.run("update account set version = 0; insert into note values ('b', 2)")
        let run = try Self.run(scene)
        let following = Task(executorPreference: OwnThreads.threads) { try await run.forEver() }
        try await Self.wait { try scene.flow.target.rows("account where version = 0", ["id"]).count == 20 }
        await run.ask(for: [TablePattern("*note")])
        try await Self.wait { try scene.flow.target.rows("note", ["body"]).count == 2 }
        run.stop()
        try await following.value
        try scene.expectEqual()
        try scene.flow.expectEqual("note", ["body", "place"])
        let status = try scene.status
        #expect(status.tables.map(\.table) == [scene.flow.name("account").description] && status.polledTables?.count == 1)
        #expect(status.state == .current, "\(status.problem ?? "")")
    }

    @Test("a table that was captured, then read, and is captured again has to be copied", arguments: Direction.all)
    func backToCapture(direction: Direction) async throws {
        var scene = try PolledScene(direction, [:])
        let captured: [String: PolledReading?] = ["account": nil, "note": nil]
        let read: [String: PolledReading?] = ["account": Self.full, "note": nil]
        scene.tell(captured)
        try scene.flow.setUp()
        try scene.insert(1...5)
        _ = try await Self.run(scene).once()
        scene.tell(read)
        try scene.flow.setUp()
        _ = try await Self.run(scene).once()
        // Neither a pass nor capture sees this.
        try scene.flow.source.run("update account set version = 77")
        scene.tell(captured)
        try scene.flow.setUp()
        let refusal = await #expect(throws: TidemarkError.self) { try await Self.run(scene).once() }
        #expect(refusal?.table == scene.flow.name("account") && refusal?.remedy.contains("--existing empty") == true, "\(String(describing: refusal))")
        var settings = Self.settings()
        settings.existing = .empty
        _ = try await PipelineRun(scene.flow.definition, settings, log: scene.flow.silent).once()
        try scene.expectEqual()
        // Once it is, another setup asks for nothing.
        try scene.flow.setUp()
        try scene.flow.source.run("update account set version = 78")
        _ = try await Self.run(scene).once()
        try scene.expectEqual()
    }

    @Test("a pipeline that is paused reads nothing, and goes on when it is resumed", arguments: Direction.all)
    func paused(direction: Direction) async throws {
        let scene = try PolledScene(direction, ["account": Self.full])
        try scene.flow.setUp()
        let run = try Self.run(scene)
        let running = Task(executorPreference: OwnThreads.threads) { try await run.forEver() }
        try await Self.wait { try scene.unit()?.state == .done }
        _ = try Pause(scene.flow.definition).pause(by: "somebody")
        #expect(try scene.status.state == .paused)
        try scene.insert(1...5)
        await run.ask(for: [TablePattern("*account")])
        await #expect(throws: TidemarkError.self) { try await scene.tables(as: .beside).runOnce() }
        #expect(try scene.flow.target.rows("account", ["id"]).isEmpty)
        #expect(try Pause(scene.flow.definition).resume())
        await run.ask(for: [TablePattern("*account")])
        try await Self.wait { try scene.flow.target.rows("account", ["id"]).count == 5 }
        run.stop()
        try await running.value
    }

    @Test("another worker ends this one, and a pass beside it does not", arguments: Direction.all)
    func takenOver(direction: Direction) async throws {
        let scene = try PolledScene(direction, ["account": Self.full])
        try scene.insert(1...5)
        try scene.flow.setUp()
        let run = try Self.run(scene)
        let running = Task(executorPreference: OwnThreads.threads) { try await run.forEver() }
        try await Self.wait { try scene.unit()?.state == .done }
        try scene.flow.source.run("delete from account where id = 5")
        try await scene.pass(as: .beside)
        try scene.expectEqual("by a pass beside the worker")
        _ = try await scene.tables(worker: "another").runOnce()
        await run.ask(for: [TablePattern("*account")])
        let failure = try await #require(throws: TidemarkError.self) { try await running.value }
        #expect(failure.retry == .takenOver)
    }

    @Test("tables that the target lacks are made, also those that are read", arguments: Direction.all)
    func created(direction: Direction) async throws {
        var scene = try PolledScene(direction, ["account": Self.full, "note": Self.full])
        try scene.flow.target.run("drop table account; drop table note")
        try scene.insert(1...3)
        let plan = try Installation(scene.flow.definition).planSetUp(creating: true)
        #expect(plan.allSatisfy { $0.side == "target" } && plan.contains { $0.statement.sql.contains("account") })
        _ = try Installation(scene.flow.definition).setUp(creating: true)
        try await scene.pass()
        try scene.expectEqual()
        #expect(throws: (any Error).self) { try scene.flow.target.run("insert into account (id, owner) values (1, 'again')") }
        // Only what setup is told makes tables.
        try scene.flow.target.run("drop table note")
        scene.tell(["account": Self.full, "note": PolledScene.reading(.full, onError: .skip)])
        let outcomes = try await scene.tables().runOnce()
        #expect(outcomes.map { $0.failure == nil } == [true, false])
        #expect(try scene.status.polledTables?.map(\.failures) == [0, 1])
        #expect(try scene.status.problem?.contains("tidemark sync --table") == true)
    }

    @Test("from captured to read and back: what is refused, what is typed, and nothing is lost", arguments: Direction.all)
    func modeChanges(direction: Direction) async throws {
        var scene = try PolledScene(direction, [:])
        scene.tell(["account": nil, "note": nil])
        try scene.insert(1...10)
        try scene.flow.setUp()
        _ = try await scene.flow.pipeline(scene.flow.definition, Self.settings()).runOnce()
        // One of two tables: run refuses until setup has recorded it.
        scene.tell(["account": Self.full, "note": nil])
        var refused = try await #require(throws: TidemarkError.self) { try await Self.run(scene).once() }
        #expect(refused.remedy.contains("tidemark setup"))
        try scene.flow.setUp()
        try scene.flow.source.run("update account set version = -1 where id < 5; insert into note values ('n', 1)")
        _ = try await Self.run(scene).once()
        try scene.expectEqual("read")
        try scene.flow.expectEqual("note", ["body", "place"])
        // And back: its rows are there, so somebody has to say what becomes of them.
        scene.tell(["account": nil, "note": nil])
        try scene.flow.setUp()
        try scene.flow.source.run("update account set version = -2 where id = 9; delete from account where id = 1")
        do {
            _ = try await scene.flow.pipeline(scene.flow.definition, Self.settings()).runOnce()
        } catch let failure as TidemarkError {
            #expect(failure.remedy.contains("tidemark copy") || failure.remedy.contains("--existing"), "\(failure)")
        }
        _ = try await scene.flow.pipeline(scene.flow.definition, Self.settings()).copy(CopyRequest(tables: [scene.flow.name("account")], existing: .empty))
        _ = try await scene.flow.pipeline(scene.flow.definition, Self.settings()).runOnce()
        try scene.expectEqual("captured again")
        // All tables at once: the source would keep what is installed there.
        scene.tell(["account": Self.full, "note": Self.full])
        refused = try #require(throws: TidemarkError.self) { try scene.flow.setUp() }
        #expect(refused.remedy.contains("tidemark teardown"))
        try Installation(scene.flow.definition).tearDown()
        try scene.flow.setUp()
        try await scene.pass()
        scene.tell(["account": nil, "note": nil])
        refused = try #require(throws: TidemarkError.self) { try scene.flow.setUp() }
        #expect(refused.remedy.contains("tidemark teardown"))
    }

    @Test("copy, verify and changes of roles refuse tables that are read, with what to type", arguments: Direction.all)
    func refusals(direction: Direction) throws {
        var scene = try PolledScene(direction, [:])
        scene.tell(["account": nil, "note": Self.full])
        try scene.flow.setUp()
        let note = try #require(throws: TidemarkError.self) { try scene.flow.definition.recordedTables(["*note"]) }
        #expect(note.why.contains("mode: full") && note.remedy.contains("tidemark sync --table"))
        #expect(throws: TidemarkError.self) { try scene.flow.definition.refuseIfPolling("promote") }
        scene.flow.definition.role = .replica
        #expect(throws: TidemarkError.self) { try scene.flow.setUp() }
        scene.flow.definition.role = nil
        scene.tell(["account": Self.full, "note": Self.full])
        let all = try #require(throws: TidemarkError.self) { try scene.flow.definition.recordedTables(["*note"]) }
        #expect(all.remedy.contains("tidemark sync"))
        #expect(throws: TidemarkError.self) { try scene.flow.definition.polledTables(["nosuch"]) }
    }

    @Test("check: what a mode needs, from a role that may only read", arguments: ScratchEngine.allCases)
    func check(engine: ScratchEngine) throws {
        var scene = try PolledScene(
            Direction(source: engine, target: engine),
            ["account": PolledScene.reading(.incremental, by: ["nosuch"]), "note": PolledScene.reading(.incremental, by: ["place"])])
        let findings = try Installation(scene.flow.definition).check().filter { $0.finding.severity == .problem }
        #expect(Set(findings.compactMap(\.finding.table)) == [scene.flow.name("account"), scene.flow.name("note")], "\(findings)")
        scene.tell(["account": Self.full, "note": Self.full])
        #expect(try !Installation(scene.flow.definition).check().contains { $0.finding.severity == .problem })
    }

    @Test("a table that is made later is read, too", arguments: Direction.all)
    func madeLater(direction: Direction) async throws {
        var scene = try PolledScene(direction, ["account": Self.full])
        scene.flow.definition.include = nil
        scene.flow.definition.rules = TableRules([TableRule(TablePattern("*"), polled: Self.full)])
        try scene.flow.setUp()
        try await scene.pass()
        for side in [scene.flow.source, scene.flow.target] { try side.run("create table late (id integer primary key)") }
        try scene.flow.source.run("insert into late values (1)")
        let outcomes = try await scene.pass()
        #expect(outcomes.map(\.table.name) == ["account", "late", "note"])
        try scene.flow.expectEqual("late", ["id"])
    }

    /// Looks again until it is so, for a minute at most.
    private static func wait(_ isSo: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isSo() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it did not come about in a minute")
                return
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
