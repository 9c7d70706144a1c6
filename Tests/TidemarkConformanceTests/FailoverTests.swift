import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@Suite("Failover and failback")
struct FailoverTests {
    /// How the source answers is no matter of these tests: it is there, and counts as gone.
    private static var despiteSource: Failover.Options {
        var options = Failover.Options()
        options.despiteSource = true
        return options
    }

    /// Writes that never leave the source, of every kind.
    private static let unsent = """
        insert into account (owner, balance) values ('unsent', 1);
        update account set balance = -1 where id = 2;
        delete from account where id = 3;
        update rate set code = 'z' where code = 'a';
        insert into note values ('unsent'); delete from note where body = 'same'
        """

    /// What the new primary is given meanwhile, among it a unique value that the source had given out as well.
    private static let meanwhile = """
        insert into account (owner, balance) values ('unsent', 500), ('fresh', 501);
        update account set balance = 7 where id = 4; update rate set value = 5 where code = 'b'; insert into note values ('fresh')
        """

    @Test("the source is gone: the replica takes writes, with what had arrived", arguments: Direction.all)
    func promotes(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.source.run(Self.unsent)
        var gone = scene
        gone.loseSource()
        let state = try #require(try gone.failover().states().first)
        #expect(state.incomplete.isEmpty && !gone.failover().sourceAnswers())
        #expect(try gone.failover().promote().isNew)
        try scene.flow.target.run(Self.meanwhile)
        #expect(try scene.flow.target.rows("account", ["id", "owner"]).contains("51|unsent"), "the sequence goes on behind what had arrived")
        #expect(try !gone.failover().promote().isNew, "typed again it changes nothing")
    }

    @Test("the old source comes back: what never left it is exported and undone, and it follows without a copy", arguments: Direction.all)
    func comesBack(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.source.run(Self.unsent)
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.target.run(Self.meanwhile)

        let path = FileManager.default.temporaryDirectory.path + "/lost-\(UUID().uuidString).jsonl"
        let asked = try await scene.failback(exportingTo: path)
        #expect(!asked.isDone && asked.lost.changes == 8, "\(asked.lost.tables)")
        scene.expectRefused(scene.flow.source)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 8)
        for line in lines { #expect(try JSONSerialization.jsonObject(with: Data(line.utf8)) is [String: Any]) }
        #expect(lines.contains { $0.contains("\"operation\":\"delete\"") && $0.contains("account") && $0.contains("\"key\":") })

        guard direction.source == direction.target else { return }
        let done = try await scene.failback(.undo)
        #expect(done.isDone && done.verdicts.count == 3 && done.verdicts.allSatisfy { $0.proof.differences == 0 })
        try scene.expectEqual()
        scene.expectRefused(scene.flow.source)
        try scene.flow.target.run("insert into account (owner) values ('later')")
        try await scene.follow()
        try scene.expectEqual("it goes on")
        try await scene.switchRoles(back: true)
        try scene.flow.source.run("insert into account (owner) values ('home')")
        try await scene.follow()
        try scene.expectEqual("and home again")
    }

    @Test("with image both, the export has each row as it was before, too", arguments: Direction.sameEngine)
    func bothImages(direction: Direction) async throws {
        var scene = try RoleScene(direction)
        scene.recordBothImages()
        _ = try Installation(scene.definition).setUp()
        try await scene.follow()
        try scene.flow.source.run("update rate set value = 77 where code = 'a'; delete from account where id = 3; insert into account (owner) values ('new')")
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        let path = FileManager.default.temporaryDirectory.path + "/lost-\(UUID().uuidString).jsonl"
        _ = try await scene.failback(exportingTo: path)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        #expect(lines.count == 3)
        let updated = try #require(lines.first { $0["operation"] as? String == "update" })
        #expect((updated["before"] as? [String: Any])?["value"] as? Int == 1 && (updated["after"] as? [String: Any])?["value"] as? Int == 77)
        let deleted = try #require(lines.first { $0["operation"] as? String == "delete" })
        #expect("\((deleted["before"] as? [String: Any])?["owner"] ?? "")".contains("owner 3") && deleted["after"] == nil)
        let inserted = try #require(lines.first { $0["operation"] as? String == "insert" })
        #expect(inserted["before"] == nil && inserted["after"] != nil)
    }

    @Test("a source that had sent everything follows at once", arguments: Direction.all)
    func nothingLost(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.target.run("insert into account (owner) values ('fresh')")
        let done = try await scene.failback()
        #expect(done.isDone && done.lost.changes == 0)
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("a source that answers is not failed over; when it is all the same, it is fenced first", arguments: Direction.sameEngine)
    func sourceAnswers(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        #expect { try scene.failover().promote() } throws: { "\($0)".contains("tidemark switchover") }
        try scene.flow.source.run("insert into account (owner) values ('still mine')")
        _ = try scene.failover(Self.despiteSource).promote()
        scene.expectRefused(scene.flow.source)
        try scene.flow.target.run("insert into account (owner) values ('mine now')")
    }

    @Test("a worker that finds a source which was left behind fences it", .ownThreads, arguments: Direction.sameEngine)
    func lateSource(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.source.run("insert into account (owner) values ('to nobody')")
        let run = try scene.run()
        await #expect { try await run.forEver() } throws: { "\($0)".contains("tidemark failback") }
        scene.expectRefused(scene.flow.source)
    }

    @Test("a primary that a switchover made is lost: the old one takes over again, with the addresses as they were", arguments: Direction.sameEngine)
    func afterSwitchover(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try await scene.switchRoles()
        try scene.flow.target.run("insert into account (owner) values ('arrived')")
        try await scene.follow()
        try scene.flow.target.run("insert into account (owner) values ('lost')")
        var gone = scene
        gone.loseTarget()
        #expect(gone.definition.orientation().direction == .reversed)
        let failover = gone.tidemark("failover", "--yes")
        #expect(failover.status == 0, "\(failover.output)")
        try scene.flow.source.run("insert into account (owner) values ('home')")
        #expect(try scene.flow.source.rows("account", ["owner"]).contains("arrived"))
        let done = try await scene.failback(.undo)
        #expect(done.isDone && done.lost.changes == 1)
        try scene.expectEqual()
        try scene.flow.source.run("insert into account (owner) values ('goes on')")
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("an incomplete replica is not promoted", arguments: Direction.sameEngine)
    func incomplete(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        // Set up, and never copied.
        let target = try Engines.accepting(scene.definition.target, of: "target").target(scene.definition.target, pipeline: "main")
        _ = try target.copies(expecting: [TableCopy(scene.flow.name("account"), .refuse)])
        var gone = scene
        gone.loseSource()
        #expect { try gone.failover().promote() } throws: { "\($0)".contains("not complete") }
    }

    @Test("of two replicas the more advanced one is promoted, and the other one follows it", arguments: Direction.sameEngine)
    func twoReplicas(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        let second = try scene.secondReplica(direction)
        try await scene.follow()
        _ = try await scene.flow.pipeline(second.definition, .refuse).runOnce()
        try scene.flow.source.run("insert into account (owner) values ('first only'); delete from note")
        try await scene.follow()
        var gone = scene
        gone.loseSource()
        let wrong = Failover(second.definition.without(gone), others: [gone.definition], Failover.Options(), worker: "x", log: RoleScene.silent) { _ in }
        #expect { try wrong.promote() } throws: { "\($0)".contains("another replica has more") }
        let failover = gone.failover(others: [second.definition.without(gone)])
        _ = try failover.promote()
        try scene.flow.target.run("insert into account (owner) values ('on the new primary')")
        let verdicts = try await failover.bringBehind(second.definition.without(gone))
        #expect(verdicts.count == 3 && verdicts.allSatisfy(\.isEqual))
        var following = second.definition
        following.source = scene.definition.target
        try scene.flow.target.run("insert into account (owner) values ('later')")
        _ = try await scene.flow.pipeline(following).runOnce()
        for table in RoleScene.tables {
            #expect(try second.database.rows(table.name, table.columns) == scene.flow.target.rows(table.name, table.columns), "\(table.name)")
        }
    }
}

extension RoleScene {
    /// From now on the source cannot be reached under its address.
    mutating func loseSource() { lose(\.source) }

    mutating func loseTarget() { lose(\.target) }

    private mutating func lose(_ side: WritableKeyPath<PipelineDefinition, String>) {
        let address = definition[keyPath: side]
        var flow = flow
        flow.definition[keyPath: side] = address.hasPrefix("sqlite:") ? address + ".gone" : address.replacing("dbname=", with: "dbname=gone_")
        self = RoleScene(flow: flow)
    }

    init(flow: Flow) { self.flow = flow }

    mutating func recordBothImages() {
        var flow = flow
        flow.definition.images = .both
        self = RoleScene(flow: flow)
    }

    func secondReplica(_ direction: Direction) throws -> (database: any ScratchDatabase, definition: PipelineDefinition) {
        let database = try direction.target.database("second")
        var definition = definition
        (definition.name, definition.target) = ("second", database.address)
        try database.run(Self.schema(direction.target))
        _ = try Installation(definition).setUp()
        return (database, definition)
    }
}

extension PipelineDefinition {
    /// The same without a source that answers.
    func without(_ gone: RoleScene) -> PipelineDefinition {
        var definition = self
        definition.source = gone.definition.source
        return definition
    }
}
