import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

@Suite("Failback: lost changes are replayed")
struct ReplayTests {
    private func parted(_ direction: Direction, unsent: String, meanwhile: String) async throws -> RoleScene {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.source.run(unsent)
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.target.run(meanwhile)
        return scene
    }

    @Test("what never left the old source is written to the new primary, which hands it back", arguments: Direction.sameEngine)
    func replayed(direction: Direction) async throws {
        let scene = try await parted(
            direction, unsent: "insert into account (owner) values ('unsent'); update rate set value = 11 where code = 'a'; delete from account where id = 3",
            meanwhile: "update account set balance = 7 where id = 4")
        let done = try await scene.failback(.replay)
        #expect(done.isDone && done.conflicts.isEmpty && done.verdicts.allSatisfy { $0.proof.differences == 0 })
        try scene.expectEqual()
        let rows = try scene.flow.target.rows("account", ["id", "owner", "balance"])
        #expect(rows.contains("51|unsent|0") && rows.contains("4|owner 4|7") && !rows.contains { $0.hasPrefix("3|") })
        #expect(try scene.flow.target.rows("rate", ["code", "value"]) == ["a|11", "b|300"])
        try scene.flow.target.run("insert into rate values ('c', 1)")
        try await scene.follow()
        try scene.expectEqual("it goes on")
    }

    @Test("rows that were changed on both sides stop it, or stay, or are overwritten, as the policy says",
        arguments: Direction.sameEngine, Failback.ConflictPolicy.allCases)
    func conflicts(direction: Direction, policy: Failback.ConflictPolicy) async throws {
        let scene = try await parted(
            direction, unsent: "update rate set value = 1000; update account set balance = 1000 where id = 5",
            meanwhile: "update rate set value = 2000 where code = 'a'")
        guard policy != .stop else {
            await #expect { try await scene.failback(.replay) } throws: { "\($0)".contains("rate") && "\($0)".contains("--on-conflict") }
            #expect(try scene.flow.target.rows("account", ["id", "balance"]).contains("5|5"))
            return
        }
        let done = try await scene.failback(.replay, onConflict: policy)
        #expect(done.isDone && done.conflicts.values.flatMap(\.self).count == 1)
        try scene.expectEqual()
        #expect(try scene.flow.target.rows("rate", ["code", "value"]) == ["a|\(policy == .keep ? 2000 : 1000)", "b|1000"])
        #expect(try scene.flow.target.rows("account", ["id", "balance"]).contains("5|1000"))
    }

    @Test("a lost row that does not fit any more is named, and nothing is replayed", arguments: Direction.sameEngine)
    func refused(direction: Direction) async throws {
        let scene = try await parted(
            direction, unsent: "update account set balance = 8 where id = 1; update account set owner = 'taken' where id = 2",
            meanwhile: "update account set owner = 'taken' where id = 9")
        await #expect(throws: TidemarkError.self) { try await scene.failback(.replay) }
        #expect(try scene.flow.target.rows("account", ["id", "balance"]).contains("1|1"))
        let done = try await scene.failback(.undo)
        #expect(done.isDone && done.verdicts.allSatisfy { $0.proof.differences == 0 })
        try scene.expectEqual()
    }

    @Test("rows without a key cannot be replayed, which is said before anything is changed", arguments: Direction.sameEngine)
    func keyless(direction: Direction) async throws {
        let scene = try await parted(direction, unsent: "insert into note values ('lost')", meanwhile: "delete from rate")
        await #expect { try await scene.failback(.replay) } throws: { "\($0)".contains("note") && "\($0)".contains("--lost undo") }
        #expect(try await scene.failback(.undo).isDone)
        try scene.expectEqual()
    }
}

@Suite("Drill")
struct DrillTests {
    @Test("a failover is rehearsed on a scratch copy, and nothing of it is left at the source", arguments: Direction.sameEngine)
    func drill(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let scratch = try direction.target.database("scratch")
        let before = try scene.flow.target.rows("account", ["id", "owner"])
        let outcome = try await Drill(scene.definition, on: scratch.address, worker: "drill", log: RoleScene.silent) { _ in }.run()
        #expect(outcome.verdicts.count == 3 && outcome.verdicts.allSatisfy { $0.proof.differences == 0 } && outcome.promotionSeconds > 0)
        try scratch.run("insert into account (owner) values ('on the copy')")
        #expect(try scratch.rows("account", ["id", "owner"]).contains("51|on the copy"))
        #expect(try !scratch.schema().lowercased().contains("tidemark"))
        #expect(try scene.flow.target.rows("account", ["id", "owner"]) == before)
        try scene.flow.source.run("insert into account (owner) values ('goes on')")
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("a scratch database with tables is refused", arguments: Direction.sameEngine)
    func occupied(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        let scratch = try direction.target.database("scratch")
        try scratch.run("create table precious (id int primary key)")
        await #expect { try await Drill(scene.definition, on: scratch.address, worker: "drill", log: RoleScene.silent) { _ in }.run() } throws: {
            "\($0)".contains("precious")
        }
        #expect(try scratch.schema().contains("precious"))
    }
}
