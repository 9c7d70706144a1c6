import Testing
import TidemarkCore
import TidemarkPipeline

@testable import TidemarkApp

/// Tables that are read instead of their log, from every engine into every engine.
@Suite("Tables that are read")
struct PolledTests {
    @Test("full: a pass makes the target equal, writes only what differs, and leaves nothing at the source", arguments: Direction.all)
    func full(direction: Direction) async throws {
        let scene = try PolledScene(direction, ["account": PolledScene.reading(.full), "note": PolledScene.reading(.full)])
        let before = try scene.flow.source.schema()
        try scene.insert(1...50)
        try scene.flow.source.run("insert into note values ('a', 1), ('a', 1), (null, 2)")
        try scene.flow.target.run("insert into account values (7, 'another', 0, null), (99, 'gone', 0, null); insert into note values ('b', 1)")
        try scene.flow.setUp()
        var outcomes = try await scene.pass()
        try scene.expectEqual()
        try scene.flow.expectEqual("note", ["body", "place"])
        #expect(outcomes.map(\.unit.rowsDone) == [50, 3])
        #expect(outcomes.map(\.unit.rowsDeleted) == [1, 1] && outcomes[0].unit.rowsWritten == 50)
        outcomes = try await scene.pass()
        #expect(outcomes.map { $0.unit.rowsWritten + $0.unit.rowsDeleted } == [0, 0])
        // Rows that swap a unique value, others that go and come.
        try scene.flow.source.run(
            """
            update account set owner = 'spare' where id = 1; update account set owner = 'owner 1' where id = 2; update account set owner = 'owner 2' where id = 1;
            delete from account where id > 45; insert into account values (60, 'owner 50', 60, null); delete from note where body is null
            """)
        outcomes = try await scene.pass()
        try scene.expectEqual()
        try scene.flow.expectEqual("note", ["body", "place"])
        #expect(outcomes[0].unit.rowsWritten == 3 && outcomes[0].unit.rowsDeleted == 5 && outcomes[1].unit.rowsDeleted == 1)
        #expect(try scene.flow.source.schema() == before)
        let status = try scene.status
        #expect(status.state == .current && status.problem == nil, "\(status.problem ?? "")")
        #expect(status.polledTables?.map(\.state) == ["done", "done"] && status.polledTables?.allSatisfy { $0.finishedAt != nil } == true)
        try Installation(scene.flow.definition).tearDown()
        #expect(try StatusReport(of: scene.flow.definition).state == .notSetUp)
    }

    @Test("skip-completed: in batches that go on where they were, and done once and for all", arguments: Direction.all)
    func skipCompleted(direction: Direction) async throws {
        let scene = try PolledScene(direction, ["account": PolledScene.reading(.skipCompleted)])
        try scene.insert(1...100)
        try scene.flow.setUp()
        // A process that dies in the middle: its batches are in the target.
        let dying = try scene.tables()
        let watch = Task.detached { while (dying.meter.readings.first?.rows ?? 0) < 20 { await Task.yield() }; dying.stop() }
        await #expect(throws: TidemarkError.self) { try await dying.runOnce() }
        await watch.value
        let interrupted = try #require(try scene.unit())
        #expect(interrupted.state == .running && interrupted.rowsDone >= 14 && interrupted.doneThrough != nil)
        #expect(try scene.flow.target.rows("account", ["id"]).count == Int(interrupted.rowsDone))
        let outcome = try #require(try await scene.pass().first)
        #expect(outcome.unit.state == .done && outcome.unit.rowsDone == 100 && outcome.unit.rowsWritten == 100)
        try scene.expectEqual()
        try scene.flow.source.run("update account set version = -1")
        try await scene.pass()
        #expect(try scene.flow.target.rows("account where version = -1", ["id"]).isEmpty)
        try await scene.pass("account", anew: true)
        try scene.expectEqual()
    }

    @Test("incremental by version: changes, late rows and NULLs arrive, and deletes by comparing keys", arguments: Direction.all)
    func version(direction: Direction) async throws {
        let scene = try PolledScene(
            direction, ["account": PolledScene.reading(.incremental) { ($0.strategy, $0.deletesEverySeconds) = (.version, 1) }])
        try scene.insert(1...60)
        try scene.flow.source.run("insert into account values (100, 'no version', null, null)")
        try scene.flow.setUp()
        var unit = try #require(try await scene.pass().first).unit
        #expect(unit.rowsWritten == 61 && unit.mark?.json.contains("60") == true, "\(unit)")
        try scene.expectEqual()
        try scene.flow.source.run(
            """
            update account set owner = owner || '!', version = version + 100 where id between 10 and 14;
            update account set owner = 'still none' where id = 100; delete from account where id in (3, 30); insert into account values (200, 'new', 161, null)
            """)
        unit = try #require(try await scene.pass().first).unit
        #expect(unit.rowsDone < 30, "\(unit)")
        try scene.flow.expectEqual("account where id not in (3, 30)", PolledScene.accountColumns)
        try await Task.sleep(for: .milliseconds(1_100))
        unit = try #require(try await scene.pass().first).unit
        try scene.expectEqual()
        #expect(unit.rowsDeleted == 2 || unit.rowsDeleted == 0)
        #expect(try scene.status.polledTables?.first?.mark?.contains("161") == true)
    }

    @Test("incremental by a time: equal and late ones are read again as far as the overlap goes", arguments: Direction.all)
    func timestamp(direction: Direction) async throws {
        let scene = try PolledScene(
            direction, ["account": PolledScene.reading(.incremental, by: ["changed"]) { ($0.strategy, $0.overlapSeconds) = (.timestamp, 60) }])
        let start = direction.source == .postgres ? "'2026-01-01 10:00:00+00'" : "'2026-01-01 10:00:00'"
        let (same, late, old) = (
            start, start.replacing("10:00:00", with: "09:59:30"), start.replacing("10:00:00", with: "09:00:00"))
        try scene.flow.source.run("insert into account values (1, 'a', 1, \(start)), (2, 'b', 1, \(start)), (3, 'c', 1, null)")
        try scene.flow.setUp()
        try await scene.pass()
        try scene.expectEqual()
        try scene.flow.source.run("insert into account values (4, 'd', 1, \(same)), (5, 'e', 1, \(late)), (6, 'f', 1, null)")
        try await scene.pass()
        try scene.expectEqual()
        // What no overlap covers is what the mode gives up.
        try scene.flow.source.run("insert into account values (7, 'g', 1, \(old))")
        try await scene.pass()
        #expect(try scene.flow.target.rows("account where id = 7", ["id"]).isEmpty)
        try await scene.pass("account", anew: true)
        try scene.expectEqual()
    }

    @Test("incremental by an id: a row that commits late, with a lower id, is not lost", arguments: ScratchEngine.allCases)
    func lateCommit(target: ScratchEngine) async throws {
        let scene = try PolledScene(
            Direction(source: .postgres, target: target), ["account": PolledScene.reading(.incremental, by: ["id"]) { $0.strategy = .autoIncrement }])
        try scene.insert(1...10)
        try scene.flow.setUp()
        try await scene.pass()
        let late = try OpenTransaction(on: scene.flow.source, "insert into account values (11, 'late', 11, null)")
        try scene.flow.source.run("insert into account values (12, 'early', 12, null)")
        try await scene.pass()
        #expect(try scene.flow.target.rows("account where id > 10", ["id"]) == ["12"])
        try scene.flow.source.run("insert into account values (13, 'later', 13, null)")
        try await scene.pass()
        try late.commit()
        try await scene.pass()
        try scene.expectEqual()
        for _ in 0..<2 { try await scene.pass() }
        let unit = try #require(try scene.unit())
        #expect(unit.mark?.json.contains("13") == true && unit.nextMark == nil, "\(unit)")
    }

    @Test("several columns together, a start and a condition", arguments: Direction.all)
    func severalColumns(direction: Direction) async throws {
        let schema = { (_: ScratchEngine) in "create table account (id integer primary key, owner varchar(40), version bigint, part integer not null);" }
        var scene = try PolledScene(
            direction, ["account": PolledScene.reading(.incremental, by: ["version", "part"]) { $0.strategy = .version }], schema: schema)
        try scene.flow.source.run("insert into account values (1, 'a', 1, 1), (2, 'b', 1, 2), (3, 'c', 2, 1)")
        try scene.flow.setUp()
        try await scene.pass()
        try scene.expectEqual()
        try scene.flow.source.run("insert into account values (4, 'd', 2, 2), (5, 'e', 3, 0)")
        try await scene.pass()
        try scene.expectEqual()
        scene.tell([
            "account": PolledScene.reading(.incremental) { ($0.strategy, $0.start, $0.condition) = (.version, "2", "part < 2") }
        ])
        try scene.flow.target.run("delete from account")
        try await scene.pass("account", anew: true)
        #expect(try scene.flow.target.rows("account", ["id"]) == ["3", "5"])
    }
}
