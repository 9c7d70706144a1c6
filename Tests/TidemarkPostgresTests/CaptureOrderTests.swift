import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// The last image of a row in the log is its last image in the table. BREAKS, sections A and B.
@Suite("PostgreSQL capture: the image that is logged last")
struct CaptureOrderTests {
    static let pairs = "create table t (id int primary key, v text); insert into t values (1, 'a'), (2, 'b')"
    /// An update of row 2 that changes row 1 from within.
    static let nested = """
        create function f(i int) returns int language plpgsql as
        $$begin if i = 2 then update t set v = 400 where id = 1; end if; return 300; end$$;
        """

    /// Capture begins on an empty table, so that the whole log replays to the table.
    private func scene(_ table: String, kind: String, then rows: String = "") throws -> CaptureScene {
        let scene = try CaptureScene(table, attached: "t", kind: kind)
        if !rows.isEmpty { try scene.run(rows) }
        return scene
    }

    @Test("A1: a tick of the triggers names the transaction that wrote it, which counts as open")
    func tickCountsItsOwnTransactionAsOpen() throws {
        let scene = try scene("create table t (id int primary key, v int)", kind: "auto")
        let (writer, younger) = (try scene.connect(), try scene.connect())
        try writer.run("begin; savepoint s; insert into t values (0, 0)")
        try younger.run("insert into t values (-1, 0)")
        try writer.run("insert into t select g, g from generate_series(1, 17000) g")
        let own = try #require(try writer.query("select pg_current_xact_id()")[0, 0])
        try writer.run("commit")
        let tick = try scene.session.query(
            "select xid, pg_visible_in_snapshot(xid, snapshot), last_id is not null from tidemark.tick order by id desc limit 1")
        // Its snapshot alone would say that the writer is through.
        #expect((0...2).map { tick[0, $0] } == [own, "t", "t"])
        try writer.run("begin isolation level repeatable read; select 1; update t set v = v + 1; commit")
        #expect(try scene.value("select last_id from tidemark.tick order by id desc limit 1") == nil, "an old snapshot has no id")
    }

    @Test("B1: nesting by a function", arguments: ["statement", "row"])
    func nestedFunction(kind: String) throws {
        let scene = try scene(
            "create table t (id int primary key, v int); \(Self.nested)", kind: kind, then: "insert into t values (1, 100), (2, 200)")
        try scene.run("update t set v = f(id)")
        try scene.expectReplay("t")
    }

    @Test("B1: nesting by application triggers", arguments: ["statement", "row"])
    func nestedTriggers(kind: String) throws {
        let scene = try scene("create table t (id int primary key, v text)", kind: kind, then: Self.rows(1...3))
        for (name, timing) in [("aa", "after"), ("zz", "after")] {
            try scene.run(
                """
                create function \(name)() returns trigger language plpgsql as $$begin
                    if pg_trigger_depth() < 2 then update t set v = v || '\(name)' where id = new.id + 1; end if; return new; end$$;
                create trigger \(name) \(timing) insert or update on t for each row execute function \(name)()
                """)
        }
        try scene.run("update t set v = 'x'; insert into t values (0, 'n'); update t set id = id + 10 where id = 2")
        try scene.expectReplay("t")
    }

    static func rows(_ ids: ClosedRange<Int>) -> String { "insert into t select g, 'v' || g from generate_series(\(ids.lowerBound), \(ids.upperBound)) g" }

    @Test("B2: a writable CTE whose statements end in another order than they began", arguments: ["statement", "row"])
    func writableCTE(kind: String) throws {
        let scene = try scene("create table t (id int primary key, v text)", kind: kind, then: Self.rows(1...2))
        try scene.run("with d as (delete from t returning *) insert into t select id, v || '!' from d limit 1")
        try scene.expectReplay("t")
        try scene.run("with d as (update t set id = id + 10 returning *) insert into t select id - 10, v from d limit 1")
        try scene.expectReplay("t")
        // The same where the statements touch many rows, which other queries log.
        try scene.run(Self.rows(100...900))
        try scene.run("with d as (delete from t where id > 99 returning *) insert into t select id, v || '!' from d where id < 500")
        try scene.expectReplay("t")
        try scene.run("with d as (update t set id = id + 1000 returning *) insert into t select id - 1000, v from d")
        try scene.expectReplay("t")
    }

    @Test("B3: a cascade into the key", arguments: ["statement", "row"])
    func cascadeIntoKey(kind: String) throws {
        let scene = try scene(
            "create table t (a int unique, id int primary key references t(a) on update cascade)", kind: kind, then: "insert into t values (1, 1)")
        try scene.run("update t set a = 11 where id = 1")
        try scene.expectReplay("t")
        try scene.run("insert into t select g, g from generate_series(100, 400) g; update t set a = a + 1000")
        try scene.expectReplay("t")
    }

    @Test("B4: an old snapshot shows two rows of one key", arguments: ["statement", "row"], ["repeatable read", "serializable"])
    func twoRowsOfOneKey(kind: String, isolation: String) throws {
        let scene = try scene("create table t (id int primary key, v text)", kind: kind, then: Self.rows(1...300))
        try scene.run("update t set v = 'later'")
        let old = try scene.connect()
        try old.run("begin isolation level \(isolation); select 1 from t")
        try scene.run("delete from t")
        try old.run("insert into t values (1, 'new'); savepoint s; insert into t values (2, 'sub'); release s; commit")
        try scene.expectReplay("t")
        try old.run("begin isolation level \(isolation); select 1 from t")
        try scene.run("delete from t")
        try old.run("insert into t select g, 'many' from generate_series(1, 300) g; commit")
        try scene.expectReplay("t")
    }

    @Test("B4: the row of a younger transaction is not ours either", arguments: ["statement", "row"])
    func youngerRowOfOneKey(kind: String) throws {
        let scene = try scene("create table t (id int primary key, v text)", kind: kind)
        let (old, other) = (try scene.connect(), try scene.connect())
        // An xid that is older than the snapshot.
        try old.run("create table x ()")
        try old.run("begin isolation level repeatable read; lock table x in access exclusive mode")
        try other.run("insert into t values (1, 'younger')")
        try old.run("select 1 from t")
        try other.run("delete from t where id = 1")
        try old.run("insert into t values (1, 'ours'); savepoint s; insert into t values (2, 'ours'); commit")
        try scene.expectReplay("t")
    }

    @Test("B5: forced row-level security hides no row from capture", arguments: ["statement", "row"])
    func forcedRowSecurity(kind: String) throws {
        let scene = try scene(
            """
            create table t (id int primary key, v text); alter table t enable row level security; alter table t force row level security;
            create policy p on t using (v = 'mine') with check (true); grant all on t to public
            """, kind: kind)
        try scene.run("drop role if exists tidemark_b5_\(kind); create role tidemark_b5_\(kind) login")
        let application = try scene.connect(as: "tidemark_b5_\(kind)")
        try application.run("insert into t values (1, 'mine'), (2, 'hidden'); update t set v = 'now hidden'")
        try scene.expectReplay("t")
        #expect(try scene.log("t").allSatisfy { !$0.hasPrefix("D") })
    }

    @Test("B6: a deferrable key is no key", arguments: ["statement", "row"])
    func deferrableKey(kind: String) throws {
        let scene = try scene("create table t (id int primary key deferrable initially deferred, v text)", kind: kind, then: "insert into t values (1, 'old')")
        let (first, second) = (try scene.connect(), try scene.connect())
        try first.run("begin; insert into t values (1, 'new')")
        try second.run("begin; delete from t where v = 'old'; commit")
        try first.run("commit")
        try scene.expectReplay("t")
        try scene.run("insert into t values (7, 'x'), (8, 'y'); update t set id = 15 - id; update t set id = id + 1")
        try scene.expectReplay("t")
        #expect(try scene.value("select key_columns from tidemark.capture") == nil)
        #expect(try scene.value("select bool_and(key is null) from tidemark.data_changes") == "t")
    }

    @Test("B6: what REPLICA IDENTITY would not accept is no key")
    func unusableKeys() throws {
        let scene = try CaptureScene(
            """
            create table a (id int unique); create table b (id int not null); create unique index on b (id) where id > 0;
            create table c (id int not null); create unique index on c (abs(id)); create table d (x int not null, y int not null, primary key (y, x), unique (x));
            create table e (id int not null unique deferrable); create table f (x int not null, id int not null unique);
            """)
        for (table, key) in [("a", nil), ("b", nil), ("c", nil), ("d", "{y,x}"), ("e", nil), ("f", "{id}")] as [(String, String?)] {
            #expect(try scene.value("select tidemark.key_columns('\(table)')") == key, "\(table)")
        }
    }

    @Test("B7: whole rows net to the table", arguments: ["statement", "row"])
    func wholeRows(kind: String) throws {
        let scene = try scene("create table t (id int, v int); \(Self.nested)", kind: kind, then: "insert into t values (1, 100), (2, 200)")
        try scene.run("update t set v = f(id)")
        try scene.expectReplay("t")
        try scene.run("insert into t values (1, 300), (1, 300), (null, null); delete from t where ctid = (select min(ctid) from t)")
        try scene.expectReplay("t")
        try scene.run("truncate t; insert into t values (5, null)")
        try scene.expectReplay("t")
    }

    @Test("B8: keys of the leaves are no key of the root")
    func keysOfLeaves() throws {
        let scene = try CaptureScene(
            """
            create table r (id int, k int) partition by list (k);
            create table r1 partition of r (primary key (id)) for values in (1); create table r2 partition of r (primary key (id)) for values in (2)
            """, attached: "r")
        try scene.run("insert into r values (1, 1), (1, 2); update r set id = 5 where k = 2")
        try scene.expectReplay("r")
        #expect(try scene.value("select bool_and(key is null) from tidemark.data_changes") == "t")
    }

    @Test("F3: a key whose text changes while it stays equal is a delete and an upsert", arguments: ["statement", "row"], [
        ("numeric", "1.0", "1.00"), ("citext", "a", "A"), ("float8", "0", "-0"), ("char(3)", "a", "a  "),
    ])
    func equalKeysOfOtherText(kind: String, values: (type: String, old: String, new: String)) throws {
        let scene = try scene(
            "create extension citext; create table t (id \(values.type) primary key, v int)", kind: kind, then: "insert into t values ('\(values.old)', 1)")
        try scene.run("update t set id = '\(values.new)'")
        let operations = try scene.log("t").map { $0.prefix(1) }.joined()
        // The upsert may come twice: once for each text of the key.
        #expect(operations.hasPrefix(values.type == "char(3)" ? "IU" : "IDU"))
        try scene.expectReplay("t")
        try scene.run("with d as (delete from t returning *) insert into t select '\(values.old)', 2 from d")
        try scene.expectReplay("t")
    }
}
