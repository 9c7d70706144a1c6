import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Conflicts: rows that were deleted")
struct ConflictTombstoneTests {
    private static func row(_ v: String, _ at: Int, id: Int = 1) -> String { SharedChange.row(v, at, id: id) }

    @Test("what an application deletes is remembered as it was, also by a new key, a partition and a cascade; what is applied is not, but by the plan")
    func localDeletes() throws {
        let shared = try SharedBench(
            ConflictRule(.lastWriteWins(by: "at")),
            """
            create table owner (id int primary key); insert into owner values (1), (2);
            create table t (id int references owner on delete cascade, v text, at int, primary key (id)) partition by list (id);
            create table t1 partition of t for values in (1); create table t2 (at int, v text, id int not null primary key);
            alter table t attach partition t2 for values in (2); create table t3 partition of t default
            """)
        try shared.write("insert into t values (1, 'a', 1), (2, 'c', 3)")
        try shared.write("delete from owner where id = 1; delete from t2")
        #expect(try shared.tombstones == [#"{"id":1} {"id":1,"v":"a","at":1}"#, #"{"id":2} {"id":2,"v":"c","at":3}"#])
        try shared.write("truncate tidemark.tombstone; insert into t values (2, 'e', 5)")
        try shared.write("update t set v = 'f'; insert into owner values (1), (9); update t set id = 9 where id = 2")
        #expect(try shared.tombstones == [#"{"id":2} {"id":2,"v":"f","at":5}"#])
        try shared.apply(.paged, .from(Self.row("f", 5, id: 9), to: nil, key: #"{"id":9}"#))
        #expect(try shared.rows.isEmpty)
        #expect(try shared.tombstones.last == #"{"id":9} {"id":9,"v":"f","at":5}"#)
        #expect(try shared.conflicts.isEmpty)
    }

    @Test("a deletion of a row that never came is remembered, so that its earlier insertion, coming later, stays away")
    func earlyDeletion() throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")))
        try shared.apply(.paged, .from(Self.row("b", 5), to: nil))
        #expect(try shared.tombstones == [#"{"id":1} \#(Self.row("b", 5))"#])
        // A second one leaves the greater image.
        try shared.apply(.paged, .from(Self.row("a", 4), to: nil))
        #expect(try shared.tombstones == [#"{"id":1} \#(Self.row("b", 5))"#])
        try shared.apply(.paged, .from(nil, to: Self.row("a", 3)))
        #expect(try shared.rows.isEmpty)
        #expect(try shared.kinds == ["update-delete target"])
        try shared.apply(.paged, .from(nil, to: Self.row("c", 6)))
        #expect(try shared.rows == ["(1,c,6)"])
        #expect(try shared.kinds.count == 1)
    }

    @Test("a key that is given again after its deletion is no conflict for rules without an order", arguments: [ConflictRule(.sourceWins), ConflictRule(.targetWins)])
    func givenAgain(rule: ConflictRule) throws {
        let shared = try SharedBench(rule)
        try shared.write("insert into t values (1, 'a', 1); delete from t")
        try shared.apply(.paged, .from(nil, to: Self.row("b", 2)))
        #expect(try shared.rows == ["(1,b,2)"] && shared.conflicts.isEmpty)
    }

    @Test("a counter goes on from its tombstone where a later write brings its row back")
    func resurrected() throws {
        let shared = try SharedBench(
            ConflictRule(.merge(by: "at"), columns: ["n": .add]), "create table t (id int primary key, n int, at int)", ["id", "n", "at"])
        try shared.write("insert into t values (1, 17, 2); delete from t")
        try shared.apply(.paged, .from(#"{"id":1,"n":10,"at":1}"#, to: #"{"id":1,"n":13,"at":3}"#))
        #expect(try shared.rows == ["(1,20,3)"])
        #expect(try shared.kinds == ["update-delete merged"])
        // And an earlier write leaves it deleted, but counts.
        try shared.write("delete from t")
        try shared.apply(.paged, .from(#"{"id":1,"n":10,"at":1}"#, to: #"{"id":1,"n":11,"at":2}"#))
        #expect(try shared.rows.isEmpty)
        #expect(try shared.tombstones == [#"{"id":1} {"id":1,"n":21,"at":3}"#])
    }

    @Test("a role without any right in schema tidemark deletes as before, and cannot put the function on a table of its own")
    func rights() throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")))
        let role = "writer_\(try shared.bench.session.query("select current_database()")[0, 0] ?? "")"
        try shared.write(
            """
            insert into t values (1, 'a', 1); create role \(role) login; grant select, delete, update on t to \(role);
            grant create on schema public to \(role)
            """)
        let login = shared.bench.url.split(separator: " ").map { $0.hasPrefix("user=") ? "user=\(role)" : String($0) }.joined(separator: " ")
        let writer = try PostgresSession(login)
        // A transaction that sees the world as it was when it began.
        try writer.run("set datestyle = 'german'; begin isolation level serializable; delete from public.t; commit")
        #expect(try shared.tombstones == [#"{"id":1} \#(Self.row("a", 1))"#])
        let function = try shared.bench.session.query("select proname from pg_proc where proname like 'tombstones%'")[0, 0] ?? ""
        #expect(throws: PostgresFailure.self) {
            try writer.run("create table public.mine (id int, v text, at int); create trigger x after delete on public.mine for each row execute function tidemark.\(function)()")
        }
    }

    @Test("a table may be altered: its application goes on, and setup has its rows kept again")
    func altered() throws {
        let shared = try SharedBench(ConflictRule(.targetWins))
        try shared.write("insert into t values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3)")
        try shared.write("alter table t drop column at; delete from t where id = 1; update t set id = 9 where id = 2")
        try shared.write("alter table t alter column id type bigint")
        #expect(try shared.tombstones.isEmpty)
        try shared.administration.prepareConflicts(in: [try #require(shared.bench.captured(1))], of: "main")
        try shared.write("delete from t where id = 3")
        #expect(try shared.tombstones == [#"{"id":3} {"id":3,"v":"c"}"#])
    }

    @Test("tombstones go after a week, but not while a pipeline into the database or out of it is behind")
    func forgetting() throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")))
        func left(_ sql: String) throws -> Int {
            try shared.write("delete from tidemark.tombstone; insert into tidemark.tombstone select 'public', 't', d::text, '{}', now() - d * interval '1 day' from unnest(array[1, 6, 8, 20]) d; \(sql)")
            shared.bench.target.forgotAt = nil
            try shared.bench.target.forgetSettled()
            return try shared.tombstones.count
        }
        #expect(try left("update tidemark.cursor set source_at = now()") == 2)
        #expect(try left("update tidemark.cursor set source_at = now() - interval '5 days'") == 3)
        #expect(try left("update tidemark.cursor set source_at = null") == 4)
        #expect(try left("update tidemark.cursor set closed_at = now()") == 2)
        try shared.write("update tidemark.cursor set closed_at = null")
        try shared.apply(.paged, .from(Self.row("x", 1), to: Self.row("y", 2)))
        try shared.write("update tidemark.conflict set at = now() - interval '91 days'")
        try shared.bench.target.forgetSettled()
        #expect(try shared.conflicts.count == 1)
        shared.bench.target.forgotAt = nil
        try shared.bench.target.forgetSettled()
        #expect(try shared.conflicts.isEmpty)
    }

    @Test("setup again changes nothing, a table without a rule is rid of its triggers, and teardown leaves nothing")
    func removal() throws {
        let shared = try SharedBench(ConflictRule(.targetWins), "create table t (id int primary key, v text, at int); create table u (id int primary key)")
        let table = try #require(shared.bench.captured(1))
        var other = CapturedTable(capture: 2, name: TableName(schema: "public", name: "u"), columns: [], keyColumns: ["id"], encoding: .typedText)
        other.conflicts = ConflictRule(.targetWins)
        func triggers() throws -> [String] {
            let rows = try shared.bench.session.query(
                "select t.tgrelid::regclass || ' ' || t.tgname from pg_trigger t where t.tgname like 'tidemark%' union all select proname from pg_proc where proname like 'tombstones%' order by 1")
            return (0..<rows.count).map { rows[$0, 0] ?? "" }
        }
        #expect(try shared.administration.planConflicts(in: [table], of: "main").isEmpty)
        #expect(try shared.administration.planConflicts(in: [table, other], of: "main").count == 3)
        try shared.administration.prepareConflicts(in: [table, other], of: "main")
        #expect(try triggers().count == 4)
        // Another pipeline shares it as well.
        try shared.administration.prepareConflicts(in: [table], of: "second")
        try shared.administration.prepareConflicts(in: [other], of: "main")
        #expect(try triggers().count == 4)
        try shared.administration.prepareConflicts(in: [], of: "second")
        #expect(try triggers().count == 2)
        #expect(try shared.administration.planRemoval(of: "main").contains { $0.sql.hasPrefix("drop trigger") && $0.lock.contains("public.u") })
        try shared.administration.remove("main")
        #expect(try triggers().isEmpty)
        #expect(try shared.bench.session.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
        try shared.write("insert into t values (1, 'a', 1); delete from t")
    }
}
