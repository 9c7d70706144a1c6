import Foundation
import Logging
import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Who leads a pipeline, as its target keeps it.
@Suite("Leases")
struct LeaseTests {
    private static func leases(_ target: any ScratchDatabase) throws -> any LeaseAdministration {
        let leases = try Engines.accepting(target.address, of: "target").leaseAdministration(target.address)
        try leases.installLeases()
        return leases
    }

    private static let longMs: Int64 = 600_000

    @Test("who comes second does not get it; by force he does, and the epoch rises", arguments: ScratchEngine.allCases)
    func compareAndSet(engine: ScratchEngine) throws {
        let target = try engine.database("target")
        let (one, two) = (try Self.leases(target), try Self.leases(target))
        #expect(try one.lease(of: "main") == nil)
        let first = try one.acquire("main", by: "a", forMs: Self.longMs, force: false)
        #expect(first.holder == "a" && first.epoch == 1 && first.remainingMs > Self.longMs / 2)
        #expect(try two.acquire("main", by: "b", forMs: Self.longMs, force: false).holder == "a")
        #expect(try one.acquire("main", by: "a", forMs: Self.longMs, force: false).epoch == 1)
        let forced = try two.acquire("main", by: "b", forMs: Self.longMs, force: true)
        #expect(forced.holder == "b" && forced.epoch == 2)
        #expect(try one.lease(of: "main")?.holder == "b")
        #expect(try one.renew(["main": 1], by: "a", forMs: Self.longMs).isEmpty)
        try one.release("main", by: "a")
        #expect(try one.lease(of: "main")?.holder == "b", "it is not his to give back")
        #expect(try one.acquire("other", by: "a", forMs: Self.longMs, force: false).epoch == 1)
    }

    @Test("one that has run out, or was given back, goes to the next; a renewal keeps it", arguments: ScratchEngine.allCases)
    func expiry(engine: ScratchEngine) throws {
        let target = try engine.database("target")
        let (one, two) = (try Self.leases(target), try Self.leases(target))
        let held = try one.acquire("main", by: "a", forMs: 0, force: false)
        #expect(held.remainingMs == 0)
        #expect(try one.lease(of: "main")?.isAlive == false)
        #expect(try one.renew(["main": held.epoch], by: "a", forMs: Self.longMs) == ["main"], "nobody has taken it meanwhile")
        #expect(try two.acquire("main", by: "b", forMs: 0, force: false).holder == "a")
        try one.release("main", by: "a")
        #expect(try one.lease(of: "main") == nil)
        let next = try two.acquire("main", by: "b", forMs: 0, force: false)
        #expect(next.holder == "b" && next.epoch == held.epoch + 1)
        #expect(try one.acquire("main", by: "a", forMs: Self.longMs, force: false).epoch == next.epoch + 1)
        #expect(try two.renew(["main": next.epoch], by: "b", forMs: Self.longMs).isEmpty)
        // The same process after it gave it back is a new leader, too.
        try one.release("main", by: "a")
        #expect(try one.acquire("main", by: "a", forMs: Self.longMs, force: false).epoch == next.epoch + 2)
    }

    @Test("several are renewed at once, whatever they are called", arguments: ScratchEngine.allCases)
    func several(engine: ScratchEngine) throws {
        let leases = try Self.leases(engine.database("target"))
        let names = ["main", "O'Neill \"{1,2}\"", "tab\there", "50%\n", "größer/\\"]
        var epochs: [String: Int64] = [:]
        for name in names { epochs[name] = try leases.acquire(name, by: "host:1\t%", forMs: 0, force: false).epoch }
        _ = try leases.acquire(names[1], by: "b", forMs: Self.longMs, force: true)
        #expect(try leases.renew(epochs, by: "host:1\t%", forMs: Self.longMs) == Set(names).subtracting([names[1]]))
        for name in names where name != names[1] {
            let lease = try #require(try leases.lease(of: name))
            #expect(lease.holder == "host:1\t%" && lease.isAlive)
        }
        #expect(try leases.renew([:], by: "b", forMs: Self.longMs).isEmpty)
    }

    @Test("of holders that race for it one wins each time", .ownThreads, arguments: ScratchEngine.allCases)
    func race(engine: ScratchEngine) async throws {
        let target = try engine.database("target")
        let first = try Self.leases(target)
        _ = try first.acquire("main", by: "x", forMs: 0, force: false)
        let rounds = 25
        let winners = try await withThrowingTaskGroup(of: [String].self) { group in
            for runner in 1...4 {
                group.addTask {
                    let leases = try Self.leases(target)
                    return try (1...rounds).compactMap { round in
                        let name = "runner \(runner)"
                        let lease = try leases.acquire("round \(round)", by: name, forMs: Self.longMs, force: false)
                        return lease.holder == name ? "round \(round)" : nil
                    }
                }
            }
            return try await group.reduce(into: [String]()) { $0 += $1 }
        }
        #expect(winners.sorted() == (1...rounds).map { "round \($0)" }.sorted())
    }

    @Test("a lease is renewed while a window holds the target, and forgotten with the pipeline", arguments: ScratchEngine.allCases)
    func besideWindow(engine: ScratchEngine) throws {
        let flow = try Flow(Direction(source: .postgres, target: engine), ConformanceTests.account)
        let before = try flow.target.schema()
        try flow.setUp()
        let leases = try Self.leases(flow.target)
        let lease = try leases.acquire("main", by: "a", forMs: Self.longMs, force: false)
        let target = try Engines.accepting(flow.target.address, of: "target").target(flow.target.address, pipeline: "main")
        let cursor = try target.takeOver(worker: "a")
        let window = Window(start: cursor.snapshot, end: cursor.snapshot, witness: cursor.witness, afterID: 0, throughID: 0)
        _ = try target.apply(window, tables: [:], moving: cursor, order: .paged) { () throws -> ChangePage? in
            #expect(try leases.renew(["main": lease.epoch], by: "a", forMs: Self.longMs) == ["main"])
            return nil
        }
        try Installation(flow.definition).tearDown()
        #expect(try flow.target.schema() == before)
        #expect(try Engines.accepting(flow.target.address, of: "target").leaseAdministration(flow.target.address).lease(of: "main") == nil)
    }

    @Test("a worker that comes back takes nothing over that another one leads", .ownThreads, arguments: ScratchEngine.allCases)
    func comingBack(engine: ScratchEngine) async throws {
        let flow = try Flow(Direction(source: .postgres, target: engine), ConformanceTests.account)
        try flow.setUp()
        let leases = try Self.leases(flow.target)
        var settings = Pipeline.Settings(name: "main", worker: "old")
        (settings.existing, settings.isLeader) = (.keep, true)
        _ = try leases.acquire("main", by: "old", forMs: Self.longMs, force: false)
        _ = try await flow.pipeline(flow.definition, settings).runOnce()
        let lease = try leases.acquire("main", by: "new", forMs: Self.longMs, force: true)
        let refused = await #expect(throws: TidemarkError.self) { _ = try await flow.pipeline(flow.definition, settings).runOnce() }
        #expect(refused?.retry == .later || refused?.retry == .takenOver)
        let target = try Engines.accepting(flow.target.address, of: "target").target(flow.target.address, pipeline: "main")
        #expect(try target.lastWorker() == "old")
        #expect(try target.cursor().epoch == 1, "it was not taken over again")
        try leases.release("main", by: "new")
        _ = try await flow.pipeline(flow.definition, settings).runOnce()
        #expect(lease.epoch == 2)
    }
}
