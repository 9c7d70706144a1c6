import Foundation
import Synchronization
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkPostgres
import TidemarkTestSupport

/// What returns has to be true: the target has it.
@Suite("Waiting for a target", .ownThreads, .timeLimit(.minutes(5)))
struct WaitTests {
    private static let schema = "create table payment (id int primary key, v text); create table note (id int primary key, v text)"

    private static func flow(_ direction: Direction, _ waiting: Waiting) async throws -> Flow {
        var flow = try Flow(direction, schema)
        flow.definition.waiting = waiting
        try flow.setUp()
        try await flow.follow()
        return flow
    }

    @Test("a shell's wait returns once the target has what was committed before it, and says why it does not", arguments: Direction.all)
    func fromAShell(direction: Direction) async throws {
        let flow = try await Self.flow(direction, Waiting())
        func wait(_ milliseconds: Int, until position: String? = nil, tables: [String] = []) throws -> TargetWait {
            let wait = try TargetWait(flow.definition, until: position, tables: tables)
            try wait.wait(until: .now + .milliseconds(milliseconds))
            return wait
        }
        _ = try wait(0)
        try flow.source.run("insert into payment values (1, 'a')")
        let before = try TargetWait(flow.definition)
        let late = try #require(throws: TidemarkError.self) { try wait(100) }
        #expect(late.why.contains("up to change") && late.remedy.contains("tidemark status --pipeline main"), "\(late)")
        // Changes of another table wait.
        _ = try wait(100, tables: ["*note"])
        #expect(throws: TidemarkError.self) { try wait(100, tables: ["payment"]) }
        try await flow.follow()
        _ = try wait(0, until: before.position)
        try before.wait(until: .now)
        #expect(throws: (any Error).self) { try wait(0, until: "yesterday") }
        // While a table is copied, rows are missing that the cursor has passed.
        try flow.source.run("insert into payment values (2, 'b')")
        let copies = [TableCopy(flow.name("payment"), .empty)]
        try flow.targetAdministration().expect(copies, of: "main")
        #expect(try #require(throws: TidemarkError.self) { try wait(100) }.why.contains("copied"))
        _ = try wait(100, tables: ["*note"])
        try await flow.follow(worker: "again", .empty)
        _ = try wait(0)
        #expect(try flow.target.rows("payment", ["id"]) == ["1", "2"])
    }

    @Test("a table that is misspelt is refused: nobody would wait for it", arguments: Direction.all)
    func misspelt(direction: Direction) async throws {
        var flow = try Flow(direction, ConformanceTests.account)
        flow.definition.waiting = Waiting(.hybrid, tables: [TablePattern("*acount")])
        #expect(throws: TidemarkError.self) { try flow.setUp() }
        #expect(try Installation(flow.definition).check().contains { $0.finding.severity == .problem && $0.finding.what.contains("wait-tables names *acount") })
        flow.definition.waiting = Waiting(.hybrid, tables: [TablePattern("*account")])
        try flow.setUp()
        try await flow.follow()
        #expect(throws: TidemarkError.self) { _ = try TargetWait(flow.definition, tables: ["*acount"]) }
        try TargetWait(flow.definition, tables: ["*account"]).wait(until: .now + .seconds(60))
    }

    @Test("a shell's wait sees a worker catch up, in every direction", arguments: Direction.all)
    func besideAWorker(direction: Direction) async throws {
        let flow = try await Self.flow(direction, Waiting(.synchronous))
        try await flow.besideWorker {
            for row in 1...20 {
                try flow.source.run("insert into payment values (\(row), 'x')")
                try TargetWait(flow.definition).wait(until: .now + .seconds(60))
                #expect(try flow.target.rows("payment", ["id"]).count == row)
            }
        }
    }

    @Test(
        "wait_for never returns early: many writers, and a worker that is stopped and started meanwhile",
        arguments: [Waiting(.synchronous), Waiting(.hybrid, tables: [TablePattern("public.payment")]), Waiting()])
    func underLoad(waiting: Waiting) async throws {
        let flow = try await Self.flow(Direction(source: .postgres, target: .postgres), waiting)
        let rounds = waiting.mode == .asynchronous ? 3 : 40
        let left = WritersLeft(6)
        let address = (flow.source.address, flow.target.address)
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<6 {
                group.addTask {
                    defer { left.end() }
                    do {
                        let (source, target) = (try PostgresSession(address.0), try PostgresSession(address.1))
                        for round in 0..<rounds {
                            let id = writer * 1_000 + round
                            // Transactions of all lengths, so that snapshots have many in progress.
                            try source.run("begin; insert into public.payment values (\(id), 'a'); insert into public.note values (\(id), 'b')")
                            if round % 3 == writer % 3 { try source.run("select pg_sleep(0.01)") }
                            try source.run("update public.payment set v = 'c' where id = \(id); commit")
                            try source.run("select tidemark.wait_for('main', '60 s')")
                            let found = try target.query("select v from public.payment where id = \(id)")
                            #expect(found.count == 1 && found[0, 0] == "c", "writer \(writer), round \(round)")
                        }
                    } catch {
                        Issue.record("writer \(writer): \(error)")
                    }
                }
            }
            group.addTask {
                // Each worker is stopped after a while, in the middle of whatever it does.
                for _ in 0..<1_000 where left.areThere {
                    guard let pipeline = try? flow.pipeline(flow.definition) else { continue }
                    let stopper = Task {
                        try? await Task.sleep(for: .milliseconds(Int.random(in: 300...1_500)))
                        pipeline.stop()
                    }
                    try? await pipeline.run()
                    stopper.cancel()
                }
            }
        }
        try flow.expectEqual("payment", ["id", "v"])
    }

    @Test("read your writes: what position() saw is at the target once wait_until returns, under load and in silence")
    func readYourWrites() async throws {
        let flow = try await Self.flow(Direction(source: .postgres, target: .postgres), Waiting(.synchronous))
        let (source, target) = (try PostgresSession(flow.source.address), try PostgresSession(flow.target.address))
        // It has a transaction open that logs nothing, now and then, beside every write.
        let silent = try PostgresSession(flow.source.address)
        try await flow.besideWorker {
            for row in 1...60 {
                if row % 5 == 0 { try silent.run("begin; select pg_current_xact_id()") }
                try source.run("insert into public.payment values (\(row), 'x')")
                if row % 5 == 2 { try silent.run("rollback") }
                let position = try source.query("select tidemark.position()")[0, 0] ?? ""
                try target.query("select tidemark.wait_until('main', $1, '30 s')", [.text(position)])
                #expect(try target.query("select count(*) from public.payment where id = \(row)")[0, 0] == "1")
                // From a shell as well, which sees both ends.
                try TargetWait(flow.definition, until: position).wait(until: .now)
            }
        }
    }

    @Test("with no worker a wait ends in time, says how far the target is, and what was committed stays")
    func down() async throws {
        let flow = try await Self.flow(Direction(source: .postgres, target: .postgres), Waiting(.synchronous))
        try flow.source.run("insert into payment values (1, 'a')")
        let begun = ContinuousClock.now
        let failure = try #require(throws: PostgresFailure.self) {
            try PostgresSession(flow.source.address).run("select tidemark.wait_for('main', '1 s')")
        }
        let took = begun.duration(to: .now)
        #expect(failure.sqlState == "TM001" && took >= .seconds(1) && took < .seconds(10), "\(took)")
        #expect(failure.detail.contains("confirmed last") && failure.hint.contains("stays committed"), "\(failure.detail)")
        #expect(try StatusReport(of: flow.definition).wait == "synchronous")
        try await flow.follow()
        try PostgresSession(flow.source.address).run("select tidemark.wait_for('main', '5 s')")
    }
}

extension Flow {
    fileprivate func targetAdministration() throws -> any TargetAdministration {
        try Engines.accepting(target.address, of: "target").targetAdministration(target.address)
    }
}

private final class WritersLeft: Sendable {
    private let count: Mutex<Int>
    init(_ count: Int) { self.count = Mutex(count) }
    func end() { count.withLock { $0 -= 1 } }
    var areThere: Bool { count.withLock { $0 > 0 } }
}
