import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@Suite("Switchover")
struct SwitchoverTests {
    @Test("the replica takes over, the source follows it, and what was written on either side is on both", arguments: Direction.all)
    func thereAndBack(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('before'); delete from note where body is null")
        let outcome = try await scene.switchRoles()
        #expect(outcome.secondsWithoutWrites ?? 99 < 10)
        try scene.expectEqual("after the switchover")
        scene.expectRefused(scene.flow.source)
        scene.expectRefused(scene.flow.source, "delete from rate")
        try scene.flow.target.run("insert into account (owner) values ('after'); update rate set value = 2; insert into note values ('new')")
        try await scene.follow()
        try scene.expectEqual("the flow is turned round")
        try await scene.switchRoles(back: true)
        scene.expectRefused(scene.flow.target)
        try scene.flow.source.run("insert into account (owner) values ('home again')")
        try await scene.follow()
        try scene.expectEqual("and back")
    }

    @Test("both directions and back three times, equal each time", arguments: Direction.sameEngine)
    func threeTimes(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        for turn in 1...3 {
            try await scene.switchRoles()
            try scene.flow.target.run("insert into account (owner, balance) values ('away \(turn)', 1); update account set balance = balance + 1 where id <= 10")
            try await scene.follow()
            try scene.expectEqual("away \(turn)")
            try await scene.switchRoles(back: true)
            try scene.flow.source.run("insert into account (owner, balance) values ('home \(turn)', 1); delete from account where id = \(turn)")
            try await scene.follow()
            try scene.expectEqual("home \(turn)")
        }
        let verdicts = try await scene.verify()
        #expect(verdicts.count == 3 && verdicts.allSatisfy { $0.isEqual && $0.proof.differences == 0 })
    }

    @Test("the first insert after promotion takes the next value", arguments: Direction.all)
    func nextValue(direction: Direction) async throws {
        let scene = try RoleScene(direction, rows: 7)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('eight'); delete from account where owner = 'eight'")
        try await scene.switchRoles()
        try scene.flow.target.run("insert into account (owner) values ('nine')")
        #expect(try scene.flow.target.rows("account", ["id", "owner"]).contains("9|nine"))
    }

    @Test("typed again it changes nothing more", arguments: Direction.sameEngine)
    func again(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try await scene.switchRoles()
        #expect(try await scene.switchRoles().secondsWithoutWrites == nil)
        scene.expectRefused(scene.flow.source)
        try scene.flow.target.run("update rate set value = 3")
    }

    @Test("a transaction that stays open keeps the source from being fenced, and everything is as it was")
    func openWriter() async throws {
        let scene = try RoleScene(Direction(source: .postgres, target: .postgres))
        try await scene.follow()
        let writer = try OpenTransaction(on: scene.flow.source, "update account set balance = 0 where id = 1")
        var options = Switchover.Options()
        options.writersWaitSeconds = 1
        await #expect { try await scene.switchover(options).run() } throws: { error in
            "\(error)".contains("Everything is as it was before") && "\(error)".contains("process")
        }
        try writer.commit()
        try scene.flow.source.run("insert into account (owner) values ('goes on')")
        try await scene.follow()
        try scene.expectEqual()
        try await scene.switchRoles()
        try scene.expectEqual()
    }

    @Test("a table that the replica lacks stops it before anything is changed", arguments: Direction.sameEngine)
    func missingTable(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.flow.target.run("drop table rate")
        await #expect { try await scene.switchRoles() } throws: { error in "\(error)".contains("rate") && "\(error)".contains("Nothing was changed") }
        try scene.flow.source.run("insert into account (owner) values ('goes on')")
    }

    @Test("a worker that runs turns round by itself, and goes on from the new primary", .ownThreads, arguments: Direction.sameEngine)
    func runningWorker(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let run = try scene.run()
        try await running({ try await run.forEver() }, until: run.stop) {
            try scene.flow.source.run("insert into account (owner) values ('one')")
            try await scene.switchRoles()
            try scene.flow.target.run("insert into account (owner) values ('two')")
            try await scene.wait { try scene.flow.source.rows("account", ["owner"]).contains("two") }
            try await scene.switchRoles(back: true)
            try scene.flow.source.run("insert into account (owner) values ('three')")
            try await scene.wait { try scene.flow.target.rows("account", ["owner"]).contains("three") }
        }
        try scene.expectEqual()
    }

    @Test("a late worker of the old epoch cannot write one row", arguments: Direction.sameEngine)
    func lateWorker(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let late = try scene.lateWindow("insert into account (owner) values ('late')")
        try await scene.switchRoles()
        try scene.flow.target.run("update account set balance = 77 where id = 1; delete from account where owner = 'late'")
        let before = try scene.flow.target.rows("account", ["id", "owner", "balance"])
        #expect(throws: TidemarkError.self) { try late.apply() }
        await #expect(throws: TidemarkError.self) { try await scene.flow.pipeline(scene.definition).runOnce() }
        #expect(try scene.flow.target.rows("account", ["id", "owner", "balance"]) == before)
    }

    @Test("undo takes back a switchover that was interrupted after the fence", arguments: Direction.sameEngine)
    func undo(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try scene.raiseFence()
        scene.expectRefused(scene.flow.source)
        try scene.switchover().undo()
        try scene.flow.source.run("insert into account (owner) values ('back')")
        try await scene.follow()
        try scene.expectEqual()
    }

    @Test("teardown after a change of roles leaves both databases as they were before setup", arguments: Direction.sameEngine)
    func teardown(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        try await scene.switchRoles()
        try Installation(scene.definition.oriented()).tearDown()
        for database in [scene.flow.source, scene.flow.target] {
            #expect(try !database.schema().lowercased().contains("tidemark"))
            try database.run("insert into rate values ('free', 1)")
        }
    }
}

extension Direction {
    /// PostgreSQL to PostgreSQL and SQLite to SQLite.
    static let sameEngine = all.filter { $0.source == $0.target }
}
