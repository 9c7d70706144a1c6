import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@Suite("Copy")
struct CopyTests {
    static let schema = """
        create table account (id integer primary key, owner text unique, balance integer not null);
        create table entry (a integer, b text);
        create table line (owner text not null, place integer not null, amount integer, primary key (owner, place));
        """
    static let tables = ["account": ["id", "owner", "balance"], "entry": ["a", "b"], "line": ["owner", "place", "amount"]]

    /// Rows that are there before anybody captures anything.
    static func rows(_ count: Int) -> String {
        """
        insert into account with recursive n(i) as (select 1 union all select i + 1 from n where i < \(count))
        select i * 3, 'owner ' || i, i from n;
        insert into entry with recursive n(i) as (select 1 union all select i + 1 from n where i < \(count / 10))
        select i % 7, case when i % 3 > 0 then 'it''s "' || i % 5 end from n;
        insert into line with recursive n(i) as (select 1 union all select i + 1 from n where i < \(count))
        select 'é' || i % 97, i, i from n
        """
    }

    /// Inserts, updates, deletes, changes of keys, also of rows that are not copied yet.
    static func transaction(_ count: Int) -> @Sendable (inout SeededRandom) -> String {
        { random in
            let id = Int.random(in: 1...count * 3, using: &random)
            let place = Int.random(in: 1...count, using: &random)
            let value = Int.random(in: 0...9, using: &random)
            return """
                begin;
                insert into account values (\(id), 'new \(id)', \(value)) on conflict do nothing;
                update account set balance = balance + 1 where id between \(id) and \(id) + 30;
                delete from account where id = \(Int.random(in: 1...count * 3, using: &random));
                update account set id = \(id) + \(count * 3) where id = \(id)
                  and not exists (select 1 from account b where b.id = \(id) + \(count * 3));
                update line set amount = -amount, owner = 'z' || owner where place = \(place);
                delete from line where place = \(place) + 1;
                insert into entry values (\(value), 'x'); delete from entry where a = \(value) and b is null;
                \(Int.random(in: 0..<6, using: &random) == 0 ? "rollback" : "commit")
                """
        }
    }

    static func flow(_ direction: Direction, rows: Int) throws -> Flow {
        let flow = try Flow(direction, schema)
        try flow.source.run(Self.rows(rows))
        try flow.setUp()
        return flow
    }

    /// Parts of a few hundred rows, so that there are many.
    static func settings(_ existing: TableCopy.Existing = .refuse, worker: String = "copy") -> Pipeline.Settings {
        var settings = Pipeline.Settings(name: "main", worker: worker)
        settings.existing = existing
        settings.partRows = 200...200
        settings.comparedRows = 500
        settings.startedAt = "2026-01-01T00:00:00Z"
        return settings
    }

    static func expectEqual(_ flow: Flow, _ note: Comment = "") throws {
        for (table, columns) in tables { try flow.expectEqual(table, columns, note) }
    }

    @Test("run copies what was there before capture, and streams on by itself", arguments: Direction.all)
    func copyThenStream(direction: Direction) async throws {
        let flow = try Self.flow(direction, rows: 1000)
        try flow.source.run("update account set balance = -1 where id < 300; delete from line where place < 10")
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        try Self.expectEqual(flow)
        let status = try StatusReport(of: flow.definition)
        #expect(status.state == .current && status.tables.allSatisfy { $0.copy == "done" } && status.tables.count == 3)
        #expect(status.tables.first { $0.table.hasSuffix("account") }?.copiedRows == 1000)
        try flow.source.run("update account set balance = 7 where id < 600; insert into entry values (99, 'late')")
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        try Self.expectEqual(flow)
    }

    @Test("copy under a running write load, stopped and resumed at random moments, ends equal", arguments: Direction.all, [1, 2] as [UInt64])
    func underLoad(direction: Direction, seed: UInt64) async throws {
        let flow = try Self.flow(direction, rows: 1500)
        var random = SeededRandom(seed: seed)
        var interrupted = 0
        let transactions = try await WriteLoad.during(on: flow.source, seed: seed, Self.transaction(1500)) {
            for attempt in 0..<6 {
                let pipeline = try flow.pipeline(flow.definition, Self.settings(worker: "worker \(attempt)"))
                let stopping = Task.detached { [ms = Int.random(in: 20...400, using: &random)] in
                    try? await Task.sleep(for: .milliseconds(ms))
                    pipeline.stop()
                }
                do {
                    _ = try await pipeline.runOnce()
                } catch let failure as TidemarkError {
                    #expect(failure.what == "the run was stopped", "\(failure)")
                    interrupted += 1
                }
                await stopping.value
            }
        }
        #expect(transactions > 0)
        _ = try await flow.pipeline(flow.definition, Self.settings(worker: "last")).runOnce()
        #expect(interrupted > 0)
        try Self.expectEqual(flow, "seed \(seed)")
        let verdicts = try await VerifyTests.verify(flow)
        #expect(verdicts.count == 3 && verdicts.allSatisfy { $0.proof.differences == 0 })
    }

    @Test("a copy that was stopped goes on where it was", arguments: Direction.all)
    func resumed(direction: Direction) async throws {
        let flow = try Self.flow(direction, rows: 1500)
        let first = try flow.pipeline(flow.definition, Self.settings())
        let watching = Task.detached {
            while first.meter.readings.map(\.rows).reduce(0, +) < 600 { try await Task.sleep(for: .milliseconds(1)) }
            first.stop()
        }
        await #expect(throws: TidemarkError.self) { try await first.runOnce() }
        try await watching.value
        let left = try StatusReport(of: flow.definition)
        #expect(left.state == .copying)
        let copied = left.tables.map(\.copiedRows).reduce(0, +)
        #expect(copied > 0 && copied < 3150)
        let second = try flow.pipeline(flow.definition, Self.settings())
        _ = try await second.runOnce()
        // What the first had noted was not read again.
        #expect(second.meter.readings.map(\.rows).reduce(0, +) >= 3150)
        #expect(try StatusReport(of: flow.definition).tables.map(\.copiedRows).reduce(0, +) == 3150)
        try Self.expectEqual(flow)
    }

    @Test("a target that holds rows is refused with the choices, or emptied, or merged", arguments: Direction.all)
    func existingRows(direction: Direction) async throws {
        for existing in TableCopy.Existing.allCases {
            let flow = try Flow(direction, "create table account (id integer primary key, owner text unique, balance integer not null);")
            try flow.source.run("insert into account values (1, 'a', 1), (2, 'b', 2)")
            try flow.target.run("insert into account values (2, 'old', 0), (9, 'own', 9)")
            try flow.setUp()
            let run = { try await flow.pipeline(flow.definition, Self.settings(existing)).runOnce() }
            switch existing {
            case .refuse:
                let refused = try await #require(throws: TidemarkError.self) { try await run() }
                #expect(refused.table?.name == "account")
                for choice in ["--existing empty", "--existing merge", "--no-copy"] { #expect(refused.remedy.contains(choice)) }
                #expect(try flow.target.rows("account", ["id"]) == ["2", "9"])
            case .empty:
                _ = try await run()
                #expect(try flow.target.rows("account", ["id", "owner"]) == ["1|a", "2|b"])
            case .merge:
                _ = try await run()
                #expect(try flow.target.rows("account", ["id", "owner"]) == ["1|a", "2|b", "9|own"])
            case .keep:
                _ = try await run()
                #expect(try flow.target.rows("account", ["id", "owner"]) == ["2|old", "9|own"])
            }
        }
    }

    @Test("named tables are copied anew beside a running worker, and the stream goes on", arguments: Direction.all)
    func anewBesideWorker(direction: Direction) async throws {
        let flow = try Self.flow(direction, rows: 800)
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        // What somebody has done to the target.
        try flow.target.run("delete from account where id % 2 = 0; insert into entry values (777, 'own'); update line set amount = 0")
        try await flow.besideWorker {
            try await WriteLoad.during(on: flow.source, seed: 7, Self.transaction(800)) {
                for table in ["account", "entry", "line"] {
                    let copying = try flow.pipeline(flow.definition, Self.settings(worker: "copy"))
                    _ = try await copying.copy(CopyRequest(tables: [flow.name(table)], existing: .empty))
                }
            }
        }
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        try Self.expectEqual(flow)
    }

    @Test("rows chosen by key range or condition are written over the target's", arguments: Direction.all)
    func somePart(direction: Direction) async throws {
        let flow = try Self.flow(direction, rows: 1000)
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        try flow.target.run("update account set balance = -5; delete from account where id between 300 and 600")
        var range = CopyRequest(tables: [flow.name("account")], existing: .refuse)
        (range.after, range.through) = (#"{"id":"297"}"#, #"{"id":600}"#)
        _ = try await flow.pipeline(flow.definition, Self.settings()).copy(range)
        let repaired = try flow.target.rows("account where balance <> -5", ["id"])
        #expect(repaired == (100...200).map { String($0 * 3) }.sorted())
        var condition = CopyRequest(tables: [flow.name("account")], existing: .refuse)
        condition.condition = "balance % 2 = 0 or owner = 'owner 1'"
        _ = try await flow.pipeline(flow.definition, Self.settings()).copy(condition)
        #expect(try flow.target.rows("account where id = 3 or id = 6", ["balance"]) == ["1", "2"])
        #expect(try flow.target.rows("account where id = 9", ["balance"]) == ["-5"])
        for wrong in ["balance %% 2", "1 = 1; delete from account", "nosuch = 1", "1 = 1) or (2 = 2", "id = 1 limit 1"] {
            condition.condition = wrong
            let request = condition
            let refused = try await #require(throws: TidemarkError.self, "\(wrong)") {
                try await flow.pipeline(flow.definition, Self.settings()).copy(request)
            }
            #expect(refused.what == "the condition cannot be used" && refused.remedy.contains("--where"), "\(refused)")
        }
        #expect(try flow.source.rows("account", ["id"]).count == 1000)
    }

    @Test("a table that setup adds while the worker runs is copied, too", arguments: Direction.all)
    func addedTable(direction: Direction) async throws {
        var flow = try Flow(direction, Self.schema)
        try flow.source.run(Self.rows(500))
        flow.definition.include = [TablePattern("*account")]
        try flow.setUp()
        let plain = PipelineDefinition(name: "main", source: flow.source.address, target: flow.target.address)
        _ = try await flow.pipeline(plain, Self.settings()).runOnce()
        flow.definition.include = [TablePattern("*account"), TablePattern("*line"), TablePattern("*entry")]
        try flow.setUp()
        try flow.source.run("update line set amount = 3 where place < 20; insert into entry values (1, 'y')")
        _ = try await flow.pipeline(plain, Self.settings()).runOnce()
        try Self.expectEqual(flow)
    }

    @Test("a copy, or a repair, mends a table whose rows passed capture unseen", arguments: ScratchEngine.allCases, [true, false])
    func afterGap(engine: ScratchEngine, byCopy: Bool) async throws {
        let flow = try Self.flow(Direction(source: engine, target: engine), rows: 300)
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        switch engine {
        case .postgres:
            try flow.source.run("alter table account disable trigger all; update account set balance = 42; alter table account enable trigger all")
        case .sqlite:
            try flow.source.run(
                """
                create table account2 (id integer primary key, owner text unique, balance integer not null);
                insert into account2 select id, owner, 42 from account; drop table account; alter table account2 rename to account
                """)
        }
        try flow.source.run("insert into account values (2, 'later', 2)")
        await #expect(throws: TidemarkError.self) { try await flow.pipeline(flow.definition, Self.settings()).runOnce() }
        try flow.setUp()
        await #expect(throws: TidemarkError.self) { try await flow.pipeline(flow.definition, Self.settings()).runOnce() }
        #expect(try StatusReport(of: flow.definition).state == .blocked)
        if byCopy {
            _ = try await flow.pipeline(flow.definition, Self.settings()).copy(CopyRequest(tables: [flow.name("account")], existing: .empty))
        } else {
            let verdicts = try await VerifyTests.verify(flow, repair: .apply, asking: { $0.tables = [flow.name("account")] })
            #expect(verdicts[0].isEqual && verdicts[0].proof.differences > 0)
        }
        try flow.source.run("insert into account values (1, 'after', 1)")
        _ = try await flow.pipeline(flow.definition, Self.settings()).runOnce()
        try Self.expectEqual(flow)
        #expect(try StatusReport(of: flow.definition).state == .current)
    }
}
