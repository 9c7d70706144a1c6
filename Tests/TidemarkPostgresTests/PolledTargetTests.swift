import PostgresSQL
import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

@Suite("PostgreSQL polled target")
struct PolledTargetTests {
    @Test("a row that does not differ is not touched, and one that differs in its bits only is")
    func onlyDifferences() throws {
        let bench = try PolledBench(
            """
            create table t (id int primary key, v text, f float8, n numeric, j json, g int generated always as (id * 2) stored);
            insert into t select g, 'v' || g, g, g, json_build_object('a', g) from generate_series(1, 2000) g;
            """)
        let table = try bench.table()
        #expect(try bench.full(table).rowsWritten == 0)
        let places = "(row(id, r.ctid, r.xmin, r.xmax))"
        let before = try PolledBench.rows("t", in: bench.looker, places)
        try bench.writer.run("update t set f = '-0' where id = 7; update t set n = 8.0 where id = 8; update t set j = '{\"a\":9}' where id = 9; update t set v = null where id = 10; delete from t where id = 11; insert into t values (0)")
        try bench.looker.run("update t set f = 0 where id = 7")
        let unit = try bench.full(table)
        #expect(unit.rowsDone == 2000 && unit.rowsWritten == 5 && unit.rowsDeleted == 1)
        #expect(unit.startedAt != nil && unit.finishedAt != nil)
        try bench.expectEqual()
        let after = try PolledBench.rows("t", in: bench.looker, places)
        #expect(Set(before).subtracting(after).count == 5, "4 changed and 1 gone")
        #expect(try bench.full(table).rowsWritten == 0)
        #expect(try PolledBench.rows("t", in: bench.looker, places) == after)
        #expect(try bench.target.units().map(\.rowsDone) == [2000])
    }

    @Test("rows that swap unique values, in a whole table and in a batch", arguments: [true, false])
    func swaps(whole: Bool) throws {
        let schema = """
            create table t (id int primary key, u int unique, at timestamptz default clock_timestamp(), exclude using gist (int4range(u, u + 1) with &&));
            create table child (id int primary key references t on delete cascade); insert into t values (1, 1), (2, 2), (3, 3), (4, 4); insert into child values (1);
            """
        let bench = try PolledBench(schema)
        let (table, reading) = (try bench.table(), PolledIncrementalTests.reading("at"))
        try bench.full(table)
        try bench.pass(table, reading)
        // All at once, which the source cannot but in several steps either.
        try bench.writer.run("update t set u = u + 100; update t set at = clock_timestamp(), u = case id when 1 then 2 when 2 then 3 when 3 then 1 else 5 end")
        let unit = try whole ? bench.full(table) : bench.pass(table, reading, batch: 100)
        #expect(unit.rowsWritten == 4 && unit.rowsDeleted == 0)
        try bench.expectEqual()
        #expect(try PolledBench.rows("child", in: bench.looker) == ["(1)"])
    }

    @Test("a table without a key is a multiset of whole rows, and takes no batches")
    func withoutKey() throws {
        let bench = try PolledBench("create table t (v text, j json); insert into t values ('a', '1'), ('a', '1'), ('b', null), (null, '{}')")
        let table = try bench.table()
        try bench.looker.run("insert into t values ('a', '1'), ('c', null), ('c', null)")
        var unit = try bench.full(table)
        #expect(unit.rowsWritten == 0 && unit.rowsDeleted == 3)
        try bench.expectEqual()
        try bench.writer.run("insert into t values ('a', '1'), ('b', null), (null, '{ }'); delete from t where j::text = '{}'")
        unit = try bench.full(table)
        #expect(unit.rowsWritten == 3 && unit.rowsDeleted == 1)
        try bench.expectEqual()
        let error = #expect(throws: TidemarkError.self) { try bench.target.apply(SyncUnit(table.name, .incremental), of: table, epoch: 7) { nil } }
        #expect(error?.remedy.contains("primary key") == true)
    }

    @Test("generated columns, identities and another name are as the stream has them", arguments: [false, true])
    func identity(besideKey: Bool) throws {
        let bench = try PolledBench(
            """
            create table t (id bigint \(besideKey ? "" : "generated always as identity") primary key, n int \(besideKey ? "generated always as identity" : ""),
                            v text, twice text generated always as (v || v) stored);
            insert into t (id, n, v) overriding system value values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')
            """, here: """
            create schema other;
            create table other.copy (id bigint \(besideKey ? "" : "generated always as identity") primary key, n int \(besideKey ? "generated always as identity" : ""),
                            v text, twice text generated always as (v || v) stored, note text default 'here');
            """)
        var shaping = TableShaping()
        shaping.target = "other.copy"
        bench.rules = TableRules([TableRule(TablePattern("t"), shaping: shaping)])
        let table = try bench.table()
        #expect(try bench.full(table).rowsWritten == 3)
        try bench.writer.run("update t set v = 'x' where id = 1; insert into t (id, n, v) overriding system value values (4, 40, 'd'); delete from t where id = 2")
        if besideKey {
            try bench.writer.run("delete from t where id = 3; insert into t (id, n, v) overriding system value values (3, 30, 'c')")
        }
        let unit = try bench.full(table)
        #expect(unit.rowsWritten == (besideKey ? 3 : 2) && unit.rowsDeleted == 1)
        let there = try PolledBench.rows("t", in: bench.writer, "(id, n, v, twice)")
        let found = try bench.looker.query("select (id, n, v, twice)::text, note from other.copy order by 1")
        #expect((0..<found.count).compactMap { found[$0, 0] } == there)
        #expect((0..<found.count).allSatisfy { found[$0, 1] == "here" })
        #expect(try bench.target.units().map(\.table) == [table.name])
    }

    @Test("a role that may not hold triggers still writes, and says which foreign key keeps it from it")
    func foreignKeys() throws {
        let schema = """
            create table t (id int primary key, v text); create table child (id int primary key, t int references t deferrable);
            insert into t values (1, 'a'), (2, 'b'); insert into child values (1, 1);
            """
        let bench = try PolledBench(schema, asRole: true)
        let table = try bench.table()
        try bench.writer.run("update t set v = 'x'; insert into t values (3, 'c')")
        #expect(try bench.full(table).rowsWritten == 3)
        try bench.expectEqual()
        try bench.writer.run("set session_replication_role = replica; delete from t where id = 1")
        let error = #expect(throws: TidemarkError.self) { try bench.full(table) }
        #expect(error?.table == table.name && error?.why.contains("child_t_fkey") == true && error?.remedy.contains("grant set on parameter") == true, "\(String(describing: error))")
    }

    @Test("a refused row is named, whichever way it came", arguments: ["v", "check", "unique", "null"])
    func refusals(kind: String) throws {
        let bench = try PolledBench(
            "create table t (id int primary key, v text, n int, at timestamptz default clock_timestamp()); insert into t select g, 'v' || g, g from generate_series(1, 50) g",
            here: "create table t (id int primary key, v varchar, n int unique, at timestamptz, check (n <> 1037), check (v <> 'no' or n < 0)); create table u (id int)")
        let table = try bench.table()
        try bench.full(table)
        switch kind {
        case "v": try bench.looker.run("create domain small as text check (value <> 'bad'); alter table t alter v type small"); try bench.writer.run("update t set v = 'bad' where id = 37")
        case "check": try bench.writer.run("update t set n = 1037 where id = 37; update t set v = 'x' where id < 40")
        case "unique": try bench.writer.run("update t set n = 5 where id = 37")
        default: try bench.looker.run("alter table t alter v set not null"); try bench.writer.run("update t set v = null where id = 37")
        }
        let before = try PolledBench.rows("t", in: bench.looker)
        let whole = #expect(throws: TidemarkError.self) { try bench.full(table) }
        #expect(whole?.table == table.name && whole?.key?.contains("37") == true, "\(String(describing: whole))")
        var unit = SyncUnit(table.name, .skipCompleted)
        unit.doneThrough = "{}"
        var pages: [ChangePage] = []
        try bench.source.read(TablePart(table)) { pages += $0.batches(of: 7) }
        let batches = #expect(throws: TidemarkError.self) { try bench.target.apply(unit, of: table, epoch: 7) { pages.isEmpty ? nil : pages.removeFirst() } }
        #expect(batches?.key?.contains("37") == true && batches?.pipeline == "main" && batches?.isAboutData == true, "\(String(describing: batches))")
        // Nothing of it is there, neither rows nor place, and the session goes on.
        #expect(try PolledBench.rows("t", in: bench.looker) == before)
        #expect(try bench.target.units().map(\.doneThrough) == [nil])
        try bench.writer.run("update t set v = 'fine', n = id")
        try bench.full(table)
        try bench.expectEqual()
    }

    @Test("a worker that lost the pipeline writes nothing, also if it lost it meanwhile; the stream's cursor moves on beside it")
    func takenOver() throws {
        let bench = try PolledBench("create table t (id int primary key, v text); insert into t select g from generate_series(1, 10) g", here: "create table t (id int primary key, v text)")
        let table = try bench.table()
        let early = #expect(throws: TidemarkError.self) { try bench.full(table, epoch: 6) }
        #expect(early?.retry == .takenOver)
        #expect(throws: TidemarkError.self) { try bench.target.save(SyncUnit(table.name, .full), epoch: 8) }
        var page = ChangePage()
        try bench.source.read(TablePart(table)) { page = $0 }
        var pages = [page]
        let late = #expect(throws: TidemarkError.self) {
            try bench.target.apply(SyncUnit(table.name, .full), of: table, epoch: 7) {
                // What moves the cursor does not wait for this transaction.
                try bench.looker.run("set lock_timeout = '5s'; update tidemark.cursor set snapshot = '5', last_id = 3")
                try bench.looker.run("update tidemark.cursor set epoch = 8")
                return pages.popLast()
            }
        }
        #expect(late?.retry == .takenOver)
        #expect(try PolledBench.rows("t", in: bench.looker).isEmpty)
        #expect(try bench.target.units().isEmpty)
        try bench.looker.run("update tidemark.cursor set closed_at = now()")
        #expect(throws: TidemarkError.self) { try bench.full(table, epoch: 8) }
    }

    @Test("units are kept as they are, and forgotten; an older installation says what to type, and teardown leaves nothing")
    func units() throws {
        let bench = try PolledBench("create table t (id int primary key)")
        var unit = SyncUnit(TableName(schema: "a", name: "b"), .incremental)
        try bench.target.save(unit, epoch: 7)
        #expect(try bench.target.units() == [unit])
        unit.state = .failed
        (unit.rowsDone, unit.rowsTotal, unit.rowsWritten, unit.rowsDeleted) = (1, 2, 3, 4)
        (unit.doneThrough, unit.mark, unit.nextMark, unit.nextMarkHorizon) = ("{\"id\":1}", ChangeMark(json: "{}"), ChangeMark(json: "{\"x\":\"1\"}"), "h")
        (unit.startedAt, unit.finishedAt, unit.deletesAt) = ("2024-01-01 00:00:00+00", "2024-01-02 00:00:00+00", "2024-01-03 00:00:00+00")
        (unit.failure, unit.failures) = ("why", 3)
        let other = SyncUnit(TableName(schema: nil, name: "b"), .full)
        try bench.target.save(unit, epoch: 7)
        try bench.target.save(other, epoch: 7)
        #expect(try bench.target.units() == [other, unit])
        try bench.target.forget([other.table], epoch: 7)
        #expect(try bench.target.units() == [unit])
        unit.startedAt = nil
        try bench.target.save(unit, epoch: 7)
        #expect(try bench.target.units()[0].startedAt?.hasPrefix("20") == true)
        try bench.looker.run("drop table tidemark.sync_unit")
        let older = #expect(throws: TidemarkError.self) { try bench.target.units() }
        #expect(older?.remedy.contains("tidemark setup") == true)
        let administration = try PostgresTargetAdministration(bench.targetURL)
        try administration.install()
        #expect(try bench.target.units().isEmpty)
        try bench.target.save(unit, epoch: 7)
        try administration.remove("main")
        #expect(try bench.looker.query("select to_regnamespace('tidemark')")[0, 0] == nil)
    }
}
