import Foundation
import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkTestSupport

/// Changes of roles with the built binary: killed after each step, and under an application that never stops writing.
@Suite("Changes of roles: crashes and load")
struct RoleCrashTests {
    /// Those of a switchover.
    private static let steps = RoleChangeStep.allCases.filter { ![.read, .replayed, .compared].contains($0) }

    @Test("kill -9 after any step of a switchover, then the same command again: it is complete, and never were both sides writable",
        arguments: Direction.sameEngine, steps)
    func killedSwitchover(direction: Direction, step: RoleChangeStep) async throws {
        let scene = try RoleScene(direction, rows: 10)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('before')")
        let killed = scene.tidemark("switchover", "--die-after", step.rawValue)
        #expect(killed.status == 9, "\(killed.output)")
        if step != .checked { scene.expectNotBothWritable("killed after \(step.rawValue)") }
        let again = scene.tidemark("switchover")
        #expect(again.status == 0, "\(again.output)")
        scene.expectRefused(scene.flow.source)
        try scene.flow.target.run("insert into account (owner) values ('after')")
        try await scene.follow()
        try scene.expectEqual("\(step.rawValue)")
    }

    @Test("kill -9 after any step of a switchover, then --undo: the source takes writes again, unless the target does",
        arguments: Direction.sameEngine, steps)
    func undoneSwitchover(direction: Direction, step: RoleChangeStep) async throws {
        let scene = try RoleScene(direction, rows: 10)
        try await scene.follow()
        _ = scene.tidemark("switchover", "--die-after", step.rawValue)
        let undone = scene.tidemark("switchover", "--undo")
        if step != .checked { scene.expectNotBothWritable("undone after \(step.rawValue)") }
        let isTooLate = [.promoted, .turned].contains(step)
        #expect(undone.status == (isTooLate ? 1 : 0), "\(undone.output)")
        if isTooLate { #expect(scene.tidemark("switchover").status == 0) }
        try (isTooLate ? scene.flow.target : scene.flow.source).run("insert into account (owner) values ('after')")
        try await scene.follow()
        try scene.expectEqual("\(step.rawValue)")
    }

    @Test("kill -9 after any step of a failover, then the same command again", arguments: Direction.sameEngine,
        [RoleChangeStep.prepared, .sequences, .promoted])
    func killedFailover(direction: Direction, step: RoleChangeStep) async throws {
        let scene = try RoleScene(direction, rows: 10)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('unsent')")
        var gone = scene
        gone.loseSource()
        let killed = gone.tidemark("failover", "--yes", "--die-after", step.rawValue)
        #expect(killed.status == 9, "\(killed.output)")
        let again = gone.tidemark("failover", "--yes")
        #expect(again.status == 0, "\(again.output)")
        try scene.flow.target.run("insert into account (owner) values ('after')")
        let done = try await scene.failback(.undo)
        #expect(done.isDone && done.lost.changes == 1, "\(step.rawValue)")
        try scene.expectEqual("\(step.rawValue)")
    }

    @Test("kill -9 after any step of a failback, then the same command again", arguments: Direction.sameEngine,
        [RoleChangeStep.fenced, .read, .placed, .drained, .turned])
    func killedFailback(direction: Direction, step: RoleChangeStep) async throws {
        let scene = try RoleScene(direction, rows: 10)
        try await scene.follow()
        try scene.flow.source.run("insert into account (owner) values ('unsent'); delete from account where id = 3; delete from note")
        var gone = scene
        gone.loseSource()
        _ = try gone.failover().promote()
        try scene.flow.target.run("insert into account (owner) values ('unsent')")
        let killed = scene.tidemark("failback", "--lost", "undo", "--die-after", step.rawValue)
        #expect(killed.status == 9, "\(killed.output)")
        scene.expectNotBothWritable("killed after \(step.rawValue)")
        let again = scene.tidemark("failback", "--lost", "undo")
        #expect(again.status == (step == .turned ? 1 : 0), "\(again.output)")
        try scene.expectEqual("\(step.rawValue)")
        try scene.flow.target.run("insert into account (owner) values ('later')")
        try await scene.follow()
        try scene.expectEqual("\(step.rawValue)")
    }

    @Test("no acknowledged write is lost in a switchover under full load, there and back", .ownThreads, arguments: Direction.sameEngine)
    func switchoverUnderLoad(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let application = ReconnectingApplication(on: [scene.flow.source, scene.flow.target], clients: direction.source == .postgres ? 4 : 2)
        try await scene.wait { application.acknowledged.count > 50 }
        let there = scene.tidemark("switchover", "--json")
        #expect(there.status == 0, "\(there.output)")
        let afterFirst = application.acknowledged.count
        try await scene.wait { application.acknowledged.count > afterFirst + 50 }
        let back = scene.tidemark("switchover", "--back", "--json")
        #expect(back.status == 0, "\(back.output)")
        let afterSecond = application.acknowledged.count
        try await scene.wait { application.acknowledged.count > afterSecond + 50 }
        let written = application.end()
        try await scene.follow()
        let found = Set(try scene.flow.target.rows("account", ["owner"]))
        #expect(written.subtracting(found).isEmpty, "\(written.count) were acknowledged")
        try scene.expectEqual()
    }

    @Test("after a failover under full load exactly those writes are missing that failback then exports", .ownThreads, arguments: Direction.sameEngine)
    func failoverUnderLoad(direction: Direction) async throws {
        let scene = try RoleScene(direction)
        try await scene.follow()
        let run = try scene.run()
        let application = ReconnectingApplication(on: [scene.flow.source], clients: 2)
        try await running({ try await run.forEver() }, until: run.stop) {
            try await scene.wait { application.acknowledged.count > 100 }
        }
        let unseen = application.acknowledged.count
        try await scene.wait { application.acknowledged.count > unseen + 50 }
        let written = application.end()
        var gone = scene
        gone.loseSource()
        let failover = gone.tidemark("failover", "--yes")
        #expect(failover.status == 0, "\(failover.output)")
        let arrived = Set(try scene.flow.target.rows("account", ["owner"]))
        let missing = written.subtracting(arrived)
        #expect(!missing.isEmpty)
        let path = FileManager.default.temporaryDirectory.path + "/lost-\(UUID().uuidString).jsonl"
        #expect(scene.tidemark("failback", "--export", path).status == 2)
        let exported = try String(contentsOfFile: path, encoding: .utf8)
        #expect(exported.split(separator: "\n").count == missing.count)
        for owner in missing { #expect(exported.contains("\"\(owner)\"")) }
        let done = scene.tidemark("failback", "--lost", "undo", "--export", path)
        #expect(done.status == 0, "\(done.output)")
        try scene.expectEqual()
    }
}

extension RoleScene {
    func tidemark(_ command: String...) -> (status: Int32, output: String) {
        Shell.run(Shell.tidemark, command + ["--source", definition.source, "--target", definition.target])
    }

    func isWritable(_ database: any ScratchDatabase) -> Bool {
        do {
            try database.run("update rate set value = value")
            return true
        } catch {
            return false
        }
    }

    func expectNotBothWritable(_ note: Comment) {
        #expect(!(isWritable(flow.source) && isWritable(flow.target)), note)
    }
}

/// Clients that write without a pause, each to the database that took its last write, and to the other one once that
/// refuses. What was acknowledged to them has to be there for ever.
final class ReconnectingApplication: Sendable {
    private struct State {
        var acknowledged: Set<String> = []
        var isOver = false
    }

    private let state = Mutex(State())
    private let ended = DispatchGroup()

    init(on databases: [any ScratchDatabase], clients: Int) {
        for client in 1...clients {
            ended.enter()
            Thread.detachNewThread { [self] in
                var (number, place) = (0, 0)
                while !state.withLock({ $0.isOver }) {
                    number += 1
                    let owner = "client \(client) row \(number)"
                    do {
                        try databases[place].run("insert into account (owner) values ('\(owner)')")
                        state.withLock { _ = $0.acknowledged.insert(owner) }
                    } catch {
                        place = (place + 1) % databases.count
                    }
                }
                ended.leave()
            }
        }
    }

    var acknowledged: Set<String> { state.withLock(\.acknowledged) }

    /// - Returns: everything that was acknowledged.
    func end() -> Set<String> {
        state.withLock { $0.isOver = true }
        ended.wait()
        return acknowledged
    }
}
