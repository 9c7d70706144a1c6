import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// What every engine has to do as source and as target. SQL that both speak.
@Suite("Conformance")
struct ConformanceTests {
    static let account = "create table account (id integer primary key, owner text unique, balance integer not null);"
    static let columns = ["id", "owner", "balance"]

    @Test("inserts, updates and deletes arrive, and a second run changes nothing", arguments: Direction.all)
    func operations(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run(
            """
            insert into account values (1, 'a', 10), (2, 'b', 20), (3, null, 30);
            update account set balance = balance + 1;
            delete from account where id = 2;
            insert into account values (2, 'it''s "b"', -9)
            """)
        let reached = try await flow.follow()
        try flow.expectEqual("account", Self.columns)
        let again = try await flow.follow()
        #expect(again.lastID == reached.lastID && again.snapshot == reached.snapshot)
        try flow.expectEqual("account", Self.columns)
    }

    @Test("keys change, also swapped within one transaction", arguments: Direction.all)
    func keyChanges(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 10), (2, 'b', 20), (3, 'c', 30)")
        try await flow.follow()
        try flow.source.run(
            """
            begin; update account set id = -1 where id = 1; update account set id = 1 where id = 2;
            update account set id = 2 where id = -1; commit;
            update account set id = id + 100 where id = 3
            """)
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("F1: rows that swap a unique value arrive, on one page and over many", arguments: Direction.all, [3, 9_000])
    func uniqueSwap(direction: Direction, rows: Int) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run(
            """
            insert into account with recursive n(i) as (select 1 union all select i + 1 from n where i < \(rows))
            select i, 'o' || i, i from n
            """)
        try await flow.follow()
        try flow.source.run(
            """
            begin; update account set owner = 'spare' where id = 1; update account set owner = 'o1' where id = \(rows);
            update account set balance = 0; update account set owner = 'o\(rows)' where id = 1; commit
            """)
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("upserts on either unique index", arguments: Direction.all)
    func upserts(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run(
            """
            insert into account values (1, 'a', 10), (2, 'b', 20);
            insert into account values (1, 'x', 1) on conflict (id) do update set balance = excluded.balance;
            insert into account values (9, 'b', 2) on conflict (owner) do update set id = excluded.id;
            insert into account values (1, 'z', 3) on conflict do nothing
            """)
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("B7: rows without a key are matched whole, duplicates and NULLs one by one", arguments: Direction.all)
    func wholeRows(direction: Direction) async throws {
        let flow = try Flow(direction, "create table entry (a integer, b text);")
        try flow.setUp()
        try flow.source.run("insert into entry values (1, 'x'), (1, 'x'), (1, null), (null, null), (null, null), (2, '')")
        try await flow.follow()
        try flow.expectEqual("entry", ["a", "b"])
        try flow.source.run(
            """
            begin; update entry set b = 'y' where a = 1; update entry set a = 3 where b = 'y'; commit;
            delete from entry where a is null; insert into entry values (null, null)
            """)
        try await flow.follow()
        try flow.expectEqual("entry", ["a", "b"])
    }

    @Test("composite and text keys with quotes, and names that need quoting", arguments: Direction.all)
    func oddNames(direction: Direction) async throws {
        let table = "\"Odd \"\"name\"\".x\""
        let columns = ["\"id\"", "\"operation\"", "\"table_name\"", "\"select\"", "\"a b\"\"c\""]
        let flow = try Flow(
            direction,
            """
            create table \(table) ("id" integer not null, "operation" text not null, "table_name" text, "select" text,
              "a b""c" integer, primary key ("operation", "id"));
            """)
        try flow.setUp()
        try flow.source.run(
            """
            insert into \(table) values (1, 'it''s', 't', 's', 5), (1, 'a"b\\c', null, '', 6), (2, 'a"b\\c', 'é漢', 'x', 7);
            update \(table) set "a b""c" = 8 where "id" = 2; update \(table) set "operation" = 'new''' where "a b""c" = 6;
            delete from \(table) where "a b""c" = 5
            """)
        try await flow.follow()
        try flow.expectEqual(table, columns)
    }

    @Test("savepoints and rollbacks", arguments: Direction.all)
    func savepoints(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run(
            """
            begin; insert into account values (1, 'a', 1); savepoint s; insert into account values (2, 'b', 2);
            rollback to savepoint s; insert into account values (3, 'c', 3); release savepoint s; commit;
            begin; delete from account; rollback
            """)
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
        #expect(try flow.target.rows("account", ["id"]) == ["1", "3"])
    }

    @Test("cascades and their order: parents and children", arguments: Direction.all)
    func cascades(direction: Direction) async throws {
        let flow = try Flow(
            direction,
            """
            create table parent (id integer primary key, v integer);
            create table child (id integer primary key, parent integer references parent (id) on delete cascade on update cascade);
            """)
        try flow.setUp()
        try flow.source.run(
            """
            insert into parent values (1, 1), (2, 2); insert into child values (10, 1), (11, 1), (20, 2);
            update parent set id = 5 where id = 1; delete from parent where id = 2; insert into parent values (2, 3)
            """)
        try await flow.follow()
        try flow.expectEqual("parent", ["id", "v"])
        try flow.expectEqual("child", ["id", "parent"])
    }

    @Test("generated columns are the target's own, or take the source's values", arguments: Direction.all, [true, false])
    func generatedColumns(direction: Direction, targetComputes: Bool) async throws {
        let generated = "create table g (id integer primary key, a integer, twice integer generated always as (a * 2) stored);"
        let plain = "create table g (id integer primary key, a integer, twice integer);"
        let flow = try Flow(direction, generated, targetSchema: targetComputes ? generated : plain)
        try flow.setUp()
        try flow.source.run("insert into g (id, a) values (1, 1), (2, 2); update g set a = 7 where id = 2")
        try await flow.follow()
        try flow.expectEqual("g", ["id", "a", "twice"])
    }

    @Test("a target with more columns, another order, and NULL where the source has none", arguments: Direction.all)
    func differentShape(direction: Direction) async throws {
        let flow = try Flow(
            direction, Self.account,
            targetSchema: "create table account (balance integer, extra text default 'e', owner text unique, id integer primary key);")
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 10), (2, null, 20); update account set balance = 5 where id = 1")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
        #expect(try flow.target.rows("account", ["extra"]) == ["e", "e"])
    }

    @Test("a transaction of many pages commits once, and a backlog of many transactions arrives", arguments: Direction.all)
    func backlog(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run(
            """
            insert into account with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
            select i, 'o' || i, i from n
            """)
        for round in 0..<20 { try flow.source.run("update account set balance = \(round) where id % 20 = \(round)") }
        try flow.source.run("delete from account where id % 3 = 0")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("a random history, followed now and then, arrives", arguments: Direction.all, [1, 2, 3] as [UInt64])
    func randomHistory(direction: Direction, seed: UInt64) async throws {
        let flow = try Flow(direction, Self.account + "create table entry (a integer, b text);")
        try flow.setUp()
        var random = SeededRandom(seed: seed)
        for _ in 0..<12 {
            for _ in 0..<8 { try flow.source.run(RandomTransaction.sql(&random)) }
            try await flow.follow()
            try flow.expectEqual("account", Self.columns, "seed \(seed)")
            try flow.expectEqual("entry", ["a", "b"], "seed \(seed)")
        }
    }

    @Test("invariant 8: setup twice is a no-op, and teardown leaves no trace", arguments: Direction.all)
    func installation(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account + "create table entry (a integer, b text);")
        let before = (try flow.source.schema(), try flow.target.schema())
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        try await flow.follow()
        let installed = (try flow.source.schema(), try flow.target.schema())
        try flow.setUp()
        #expect(try flow.source.schema() == installed.0 && flow.target.schema() == installed.1)
        try flow.source.run("insert into account values (2, 'b', 1)")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
        try Installation(flow.definition).tearDown()
        #expect(try flow.source.schema() == before.0)
        #expect(try flow.target.schema() == before.1)
        try flow.source.run("insert into account values (3, 'c', 1)")
    }

    @Test("after ALTER TABLE on both sides, setup renews capture and the new column arrives", arguments: Direction.all)
    func addedColumn(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        for side in [flow.source, flow.target] { try side.run("alter table account add column note text") }
        let held = try await #require(throws: TidemarkError.self) { try await flow.follow() }
        #expect(held.table?.name == "account")
        #expect(try StatusReport(of: flow.definition).state == .blocked)
        try flow.setUp()
        try flow.source.run("update account set note = 'n'; insert into account values (2, 'b', 2, 'm')")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns + ["note"])
        #expect(try StatusReport(of: flow.definition).state == .current)
    }

    @Test("a worker whose task is cancelled ends after the window at hand, and the next one goes on", .ownThreads, arguments: Direction.all)
    func cancelled(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        let pipeline = try flow.pipeline(flow.definition)
        let running = Task(executorPreference: OwnThreads.threads) { try await pipeline.run() }
        try flow.source.run("insert into account values (1, 'a', 1)")
        try await ParkingTests.until { try flow.target.rows("account", ["id"]) == ["1"] }
        running.cancel()
        try await running.value
        try flow.source.run("insert into account values (2, 'b', 1)")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("a pipeline whose target is gone is named by status and check, and removed from the source alone", arguments: Direction.all)
    func deadPipeline(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        let lost = try direction.target.database("lost")
        try lost.run(Self.account)
        let dead = PipelineDefinition(name: "dead", source: flow.source.address, target: lost.address)
        _ = try Installation(dead).setUp()
        _ = try await flow.pipeline(dead).runOnce()
        try await flow.follow()
        try flow.source.run("insert into account values (1, 'a', 1)")
        try await flow.follow()
        // What a run applied the next one confirms.
        try await flow.follow()
        let waiting = try StatusReport(of: flow.definition)
        #expect(waiting.state == .current)
        #expect(waiting.heldBackBy?.contains("tidemark teardown --source-only --pipeline dead") == true, "\(waiting.heldBackBy ?? "nothing")")
        let isNamed = { try Installation(flow.definition).check().contains { $0.finding.remedy.contains("--source-only --pipeline dead") } }
        #expect(try !isNamed(), "it confirmed a moment ago")
        let registry = flow.source is ScratchPostgres ? "tidemark.pipeline" : "tidemark_pipeline"
        try flow.source.run("update \(registry) set confirmed_at = '2020-01-01T00:00:00Z' where name = 'dead'")
        #expect(try isNamed())
        var gone = dead
        gone.target = ""
        try Installation(gone).tearDown(sourceOnly: true)
        #expect(try StatusReport(of: flow.definition).heldBackBy == nil)
        try flow.source.run("insert into account values (2, 'b', 1)")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("setup and teardown leave a pipeline of the same name from another source alone", arguments: Direction.all)
    func nameClash(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account)
        try flow.setUp()
        let other = try direction.source.database("other")
        try other.run(Self.account)
        let clash = PipelineDefinition(name: "main", source: other.address, target: flow.target.address)
        #expect(throws: TidemarkError.self) { try Installation(clash).setUp() }
        #expect(throws: TidemarkError.self) { try Installation(clash).tearDown() }
        try flow.source.run("insert into account values (1, 'a', 1)")
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }

    @Test("what a second setup does not say stays as it was recorded", arguments: Direction.all)
    func partialSetup(direction: Direction) throws {
        var flow = try Flow(direction, Self.account + "create table entry (a integer, b text);")
        flow.definition.include = [TablePattern("*account")]
        try flow.setUp()
        var again = PipelineDefinition(name: "main", source: flow.source.address, target: flow.target.address)
        again.requiresKey = true
        #expect(try Installation(again).setUp().map(\.name.name) == ["account"])
    }

    @Test("one database under two addresses is refused", arguments: ScratchEngine.allCases)
    func sameDatabase(engine: ScratchEngine) throws {
        let database = try engine.database("both")
        try database.run(Self.account)
        let other = database.address.hasPrefix("sqlite:/")
            ? database.address.replacing("sqlite:/", with: "sqlite://") : database.address + " port=5432"
        let definition = PipelineDefinition(name: "main", source: database.address, target: other)
        #expect(throws: TidemarkError.self) { try Installation(definition).setUp() }
    }

    @Test("status says what stopped the worker, until one goes on", arguments: Direction.all)
    func recordedFailure(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account, targetSchema: "create table other (id integer primary key);")
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        _ = try await #require(throws: TidemarkError.self) { try await flow.follow() }
        let stopped = try StatusReport(of: flow.definition)
        #expect(stopped.state == .blocked && stopped.problem?.contains("account") == true)
        try flow.target.run(Self.account)
        try await flow.follow()
        #expect(try StatusReport(of: flow.definition).state == .current)
    }

    @Test("--plan changes nothing, and is what setup and teardown run", arguments: Direction.all)
    func plan(direction: Direction) throws {
        let flow = try Flow(direction, Self.account)
        let before = (try flow.source.schema(), try flow.target.schema())
        let plan = try Installation(flow.definition).planSetUp()
        #expect(plan.contains { $0.side == "source" && $0.statement.sql.lowercased().contains("create trigger") })
        #expect(try flow.source.schema() == before.0 && flow.target.schema() == before.1)
        try flow.setUp()
        let removal = try Installation(flow.definition).planTearDown()
        #expect(removal.contains { $0.side == "source" } && removal.contains { $0.side == "target" })
    }

    @Test("a row that only the target refuses stops there, named; once mended, the run goes on", arguments: Direction.all)
    func refusedRow(direction: Direction) async throws {
        let flow = try Flow(
            direction, "create table account (id integer primary key, balance integer);",
            targetSchema: "create table account (id integer primary key, balance integer, constraint positive check (balance > 0));")
        try flow.setUp()
        try flow.source.run("insert into account values (1, 1), (2, -2), (3, 3)")
        let failure = try await #require(throws: TidemarkError.self) { try await flow.follow() }
        let text = failure.description
        #expect(text.contains("pipeline main") && text.contains("account") && text.contains("change 2"), "\(text)")
        #expect(text.contains("positive") && text.contains("{\"id\":2}"), "\(text)")
        #expect(try flow.target.rows("account", ["id"]) == [])
        try flow.source.run("update account set balance = 2 where id = 2")
        try await flow.follow()
        try flow.expectEqual("account", ["id", "balance"])
    }

    @Test("a table that the target lacks stops the pipeline, and run goes on once it is there", arguments: Direction.all)
    func missingTable(direction: Direction) async throws {
        let flow = try Flow(direction, Self.account, targetSchema: "create table other (id integer primary key);")
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        let failure = try await #require(throws: TidemarkError.self) { try await flow.follow() }
        #expect(failure.description.contains("account"))
        try flow.target.run(Self.account)
        try await flow.follow()
        try flow.expectEqual("account", Self.columns)
    }
}

/// One transaction of an application, in SQL of both engines.
enum RandomTransaction {
    static func sql(_ random: inout SeededRandom) -> String {
        var statements: [String] = []
        for _ in 0..<Int.random(in: 1...5, using: &random) {
            let id = Int.random(in: 1...12, using: &random)
            let other = Int.random(in: 1...12, using: &random)
            let value = Int.random(in: 0...9, using: &random)
            switch Int.random(in: 0..<8, using: &random) {
            case 0, 1: statements.append("insert into account values (\(id), 'o\(other)', \(value)) on conflict do nothing")
            case 2: statements.append("update account set balance = balance + \(value) where id <= \(id)")
            case 3: statements.append("delete from account where id = \(id)")
            case 4:
                statements.append(
                    "update account set id = \(id) + 12 where id = \(id) and not exists (select 1 from account b where b.id = \(id) + 12)")
            case 5: statements.append("delete from entry where a = \(value)")
            case 6: statements.append("update entry set a = \(value), b = 'u' where a = \(id)")
            default: statements.append("insert into entry values (\(value), 'x'), (\(value), null)")
            }
        }
        let end = Int.random(in: 0..<6, using: &random) == 0 ? "rollback" : "commit"
        return "begin; " + statements.joined(separator: "; ") + "; \(end)"
    }
}
