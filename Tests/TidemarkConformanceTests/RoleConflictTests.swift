import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Changes of roles that come one on top of the other.
@Suite("Changes of roles: conflicts")
struct RoleConflictTests {
    @Test("a failover after an undone switchover has the higher epoch: the old source is fenced and can come back", .ownThreads, arguments: Direction.sameEngine)
    func undoneThenFailedOver(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        for _ in 1...2 {
            #expect(scene.tidemark("switchover", "--die-after", "fenced").status == 9)
            #expect(scene.tidemark("switchover", "--undo").status == 0)
        }
        try scene.flow.source.run("insert into account (owner) values ('lost')")
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        let status = scene.tidemark("status")
        #expect(status.status == 1 && status.output.contains("tidemark failback"), "\(status.output)")
        let run = try scene.run()
        await #expect { try await run.forEver() } throws: { "\($0)".contains("tidemark failback") }
        scene.expectNotBothWritable("after the worker has seen it")
        let done = try await scene.failback(.undo)
        #expect(done.isDone && done.lost.changes == 1)
        try scene.expectEqual()
    }

    @Test("two changes of roles at a time: the later one is refused, and changes nothing", arguments: Direction.sameEngine)
    func oneAtATime(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let engine = try Engines.accepting(scene.definition.source, of: "source")
        let other = try engine.roleAdministration(scene.definition.source, side: "source")
        try other.claim("main")
        for command in [["switchover"], ["switchover", "--undo"], ["switchover", "--back"]] {
            let refused = Shell.run(Shell.tidemark, command + ["--source", scene.definition.source, "--target", scene.definition.target])
            #expect(refused.status == 1 && refused.output.contains("another change of roles is under way"), "\(refused.output)")
        }
        try scene.flow.source.run("insert into account (owner) values ('goes on')")
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("failback typed once more leaves the export as it is", arguments: Direction.sameEngine)
    func exportStays(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('lost')")
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        let path = FileManager.default.temporaryDirectory.path + "/lost-\(UUID().uuidString).jsonl"
        #expect(scene.tidemark("failback", "--lost", "undo", "--export", path).status == 0)
        let written = try String(contentsOfFile: path, encoding: .utf8)
        #expect(written.contains("lost"))
        #expect(scene.tidemark("failback", "--lost", "undo", "--export", path).status == 1)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == written)
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
    }

    @Test("a replica that came back long ago is not taken for one that was left behind, also where it does not answer at first", .ownThreads,
        arguments: Direction.sameEngine)
    func replicaAway(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        #expect(try await scene.failback().isDone)
        // What a worker that found it away would do once it answers.
        let run = try PipelineRun(scene.definition, Pipeline.Settings(name: "main", worker: "worker"), log: RoleScene.silent)
        try await running({ try await run.forEver() }, until: run.stop) {
            try scene.flow.target.run("insert into account (owner) values ('later')")
            try await scene.wait { try scene.flow.source.rows("account", ["owner"]).contains("later") }
        }
        try scene.expectEqual()
        #expect(scene.tidemark("status").status == 0)
    }

    @Test("a target that was no replica takes writes again when the switchover fails")
    func feed() async throws {
        let scene = try RoleScene(Direction(source: .postgres, target: .postgres))
        try await scene.follow()
        let writer = try OpenTransaction(on: scene.flow.source, "update account set balance = 0 where id = 1")
        var options = Switchover.Options()
        options.writersWaitSeconds = 0.6
        await #expect(throws: TidemarkError.self) { try await scene.switchover(options).run() }
        try scene.flow.target.run("insert into rate values ('own', 1); delete from rate where code = 'own'")
        #expect(try !scene.flow.target.schema().contains("tidemark_row"), "capture is off again")
        try writer.commit()
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("rows that the log cannot tell of are not undone unasked, and keys that compare by value are not replayed")
    func unlogged() async throws {
        let scene = try RoleScene(Direction(source: .postgres, target: .postgres))
        for database in [scene.flow.source, scene.flow.target] { try database.run("create table price (amount numeric primary key, what text)") }
        _ = try Installation(scene.definition).setUp()
        try await scene.follow()
        try scene.flow.source.run("insert into price values (7.0, 'lost')")
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.target.run("insert into price values (7.00, 'kept')")
        await #expect { try await scene.failback(.replay) } throws: { "\($0)".contains("price") && "\($0)".contains("--lost undo") }
        #expect(try await scene.failback(.undo).isDone)
        #expect(try scene.flow.source.rows("price", ["amount", "what"]) == ["7.00|kept"])
    }
}
