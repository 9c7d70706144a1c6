import Testing
import TidemarkEngine
import TidemarkTestSupport

/// The library as another program uses it: nothing of tidemark but its public API is imported here.
@Suite("Embedded engine")
struct EngineTests {
    private static let schema = "create table item (id integer primary key, name varchar(20) not null)"

    private struct Scene {
        let source: any ScratchDatabase
        let target: any ScratchDatabase
        let replication: Replication

        init(_ direction: Direction, tables: [String] = []) throws {
            (source, target) = (try direction.source.database("source"), try direction.target.database("target"))
            try source.run(EngineTests.schema)
            try target.run(EngineTests.schema)
            replication = Replication(name: "embedded", source: source.address, target: target.address, tables: tables)
        }

        func rows() throws -> [String] { try target.rows("item", ["id", "name"]) }
    }

    @Test("check, plan, setup, run until cancelled, status, verify, repair, and no trace left", .ownThreads, arguments: Direction.all)
    func wholeLife(direction: Direction) async throws {
        let scene = try Scene(direction)
        let replication = scene.replication
        try scene.source.run("insert into item values (1, 'one'), (2, 'two')")
        let before = (try scene.source.schema(), try scene.target.schema())

        #expect(try await replication.check().allSatisfy { $0.severity != .problem })
        let plan = try await replication.plan()
        #expect(Set(plan.map(\.side)) == ["source", "target"] && plan.allSatisfy { !$0.sql.isEmpty })
        #expect(try await replication.status().state == .notSetUp)
        #expect(try scene.source.schema() == before.0, "check, plan and status change nothing")
        let captured = try await replication.setUp()
        #expect(captured.count == 1 && captured[0].hasSuffix("item"))
        #expect(try await replication.setUp() == captured)

        var events = replication.events.makeAsyncIterator()
        let running = Task { try await replication.run() }
        var seen: [String] = []
        var hasWritten = false
        // The stream's own order is what the test waits by.
        reading: while let event = await events.next() {
            switch event {
            case .connected: seen.append("connected")
            case .copied(let table, let rows):
                seen.append("copied \(rows)")
                #expect(table == captured[0])
                if !hasWritten { try scene.source.run("insert into item values (3, 'three')") }
                hasWritten = true
            case .applied(let changes, let position) where changes > 0:
                #expect(changes == 1 && position.lastChangeID > 0)
                seen.append("applied")
                break reading
            case .applied: break
            case .failed(let failure):
                Issue.record("\(failure)")
                break reading
            }
        }
        #expect(seen == ["connected", "copied 2", "applied"])
        #expect(try await replication.status().state == .current)
        #expect(try await replication.verify().allSatisfy(\.isEqual))
        running.cancel()
        try await running.value
        #expect(try scene.rows() == ["1|one", "2|two", "3|three"])

        try scene.source.run("update item set name = 'zwei' where id = 2")
        #expect(try await replication.catchUp().lastChangeID > 1)
        try scene.target.run("delete from item where id = 1; update item set name = 'x' where id = 3; insert into item values (9, 'nine')")
        let found = try await replication.verify()
        #expect(found.map(\.differences) == [3] && !found[0].isEqual)
        #expect(Set(found[0].listed.map(\.kind)) == [.missing, .different, .extra])
        #expect(found[0].listed.first { $0.kind == .different }?.columns == ["name"])
        #expect(try await replication.verify(repair: true).map(\.repaired) == [3])
        #expect(try scene.rows() == ["1|one", "2|zwei", "3|three"])
        let status = try await replication.status()
        #expect(status.tables.map(\.isCopied) == [true] && status.tables[0].differences == 0 && status.tables[0].verifiedAt != nil)

        try await replication.tearDown()
        #expect(try (scene.source.schema(), scene.target.schema()) == before)
    }

    @Test("a change that cannot be applied is named by table, key and change, and ends the run", .ownThreads, arguments: Direction.all)
    func conflict(direction: Direction) async throws {
        let scene = try Scene(direction)
        let failing = try Scene(direction)
        // The target takes less than the source does.
        try failing.target.run("drop table item; create table item (id integer primary key, name varchar(20) not null check (name <> 'evil'))")
        try await failing.replication.setUp()
        try failing.source.run("insert into item values (1, 'good')")
        try await failing.replication.catchUp()
        try failing.source.run("insert into item values (7, 'evil')")
        var events = failing.replication.events.makeAsyncIterator()
        do {
            try await failing.replication.run()
            Issue.record("it ran")
        } catch let failure as ReplicationError {
            #expect(failure.table?.hasSuffix("item") == true && failure.key?.contains("7") == true && failure.changeID != nil, "\(failure)")
            #expect(!failure.isTemporary && failure.pipeline == "embedded" && !failure.remedy.isEmpty)
            #expect(failure.description.contains(failure.what) && failure.description.contains(failure.remedy))
            var told: ReplicationError?
            while told == nil, let event = await events.next() { if case .failed(let failure) = event { told = failure } }
            #expect(told?.changeID == failure.changeID)
        }
        let status = try await failing.replication.status()
        #expect(status.state == .blocked && status.problem?.contains("item") == true)
        // Another pipeline of the same process is not concerned.
        try await scene.replication.setUp()
        try scene.source.run("insert into item values (1, 'one')")
        try await scene.replication.catchUp()
        #expect(try scene.rows() == ["1|one"])
    }

    @Test("what is asked wrongly, and a database that is away, are errors that say so without a secret")
    func errors() async throws {
        let wrong = Replication(source: "mysql://app:hunter2@db/shop", target: "sqlite:/tmp/x.db")
        let away = Replication(source: "postgresql://app:hunter2@/shop?host=/nonexistent", target: "sqlite:/nonexistent/x.db")
        for (replication, isTemporary) in [(wrong, false), (away, true)] {
            do {
                try await replication.setUp()
                Issue.record("it was set up")
            } catch let failure as ReplicationError {
                #expect(failure.isTemporary == isTemporary, "\(failure)")
                #expect(!failure.description.contains("hunter2") && !failure.why.isEmpty && !failure.remedy.isEmpty, "\(failure)")
            }
        }
        #expect(try await away.status().state == .unreachable)
    }

    @Test("a call whose task is cancelled ends", .ownThreads)
    func cancellation() async throws {
        let scene = try Scene(Direction(source: .sqlite, target: .sqlite))
        try await scene.replication.setUp()
        let cancelled = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await scene.replication.run()
            await #expect(throws: CancellationError.self) { try await scene.replication.catchUp() }
        }
        try await cancelled.value
    }
}
