import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// What a statement handed over is logged as it is where nothing was nested, without a look at the table.
@Suite("PostgreSQL capture: the quick way")
struct CaptureQuickWayTests {
    /// How often the table was looked into, by index or whole, in a transaction of these statements.
    private func looks(_ scene: CaptureScene, _ statements: String...) throws -> Int {
        try scene.run("begin")
        let count = "select seq_scan + coalesce(idx_scan, 0) from pg_stat_xact_user_tables where relname = 't'"
        // Earlier transactions may still count in.
        let before = Int(try scene.value(count) ?? "") ?? 0
        for statement in statements { try scene.run(statement) }
        let looks = (Int(try scene.value(count) ?? "") ?? -1) - before
        #expect(try scene.value("select coalesce(current_setting('tidemark.t' || 't'::regclass::oid, true), '')") == "", "no statement is under way")
        try scene.run("commit")
        return looks
    }

    @Test("statements that nothing is nested in do not look into the table")
    func noLook() throws {
        let scene = try CaptureScene("create table t (id int primary key, v text)", attached: "t", kind: "statement")
        #expect(try looks(scene, "insert into t select g, 'a' from generate_series(1, 1000) g") == 0)
        // One look is the statement's own.
        #expect(try looks(scene, "update t set v = 'b'") == 1)
        #expect(try looks(scene, "update t set v = 'c' where id = 7") == 1)
        #expect(try looks(scene, "delete from t where id = 8") == 1)
        #expect(try looks(scene, "insert into t values (1001, 'n') on conflict (id) do update set v = 'u'") == 1)
        #expect(try looks(scene, "insert into t values (1001, 'n') on conflict (id) do update set v = 'u'") == 1)
        #expect(try looks(scene, "update t set id = id + 5000 where id = 9") == 1)
        #expect(try looks(scene, "update t set id = id + 5000 where id < 5000") == 1)
        #expect(try looks(scene, "update t set v = 'none' where id = 1", "delete from t where id = 1") == 2)
        try scene.expectReplay("t")
    }

    @Test("a statement that failed leaves no trace for those after it")
    func failure() throws {
        let scene = try CaptureScene("create table t (id int primary key, v int check (v > 0))", attached: "t", kind: "statement")
        try scene.run("insert into t values (1, 1), (2, 2); begin; savepoint s")
        for statement in ["insert into t values (3, 3), (1, 1)", "update t set v = v - 1", "delete from t where 1 / (id - 2) > 0"] {
            #expect(CaptureScene.failure(of: statement, in: scene.session) != nil)
            try scene.run("rollback to s")
        }
        try scene.run("commit")
        #expect(try looks(scene, "update t set v = v + 1 where id = 1") == 1)
        try scene.expectReplay("t")
    }

    @Test("a statement within another one, on the same table, makes the outer one look", arguments: [
        "insert into t select nested(g), 1 from generate_series(5, 6) g", "update t set v = nested(id) where id > 1",
        "delete from t where id = 3 and nested(2) = 2",
    ])
    func nested(statement: String) throws {
        let scene = try CaptureScene(
            """
            create table t (id int primary key, v int);
            create function nested(i int) returns int language plpgsql as $$begin
                update t set v = v + 100 where id < i; insert into t values (i + 1000, i) on conflict do nothing;
                delete from t where id = i - 2; return i; end$$
            """, attached: "t", kind: "statement")
        try scene.run("insert into t values (1, 1), (2, 2), (3, 3)")
        try scene.run("begin; \(statement); update t set v = v + 1; commit")
        try scene.expectReplay("t")
    }

    @Test("B3: a foreign key that moves keys is noticed, also when it comes later")
    func movingForeignKey() throws {
        let scene = try CaptureScene("create table p (id int primary key); create table t (id int primary key, v int)", attached: "p", "t", kind: "statement")
        try scene.run("insert into p values (1), (2); insert into t values (1, 1), (2, 2); update t set v = 3")
        try scene.run("alter table t add foreign key (id) references p on update cascade")
        try scene.run("update p set id = id + 10; update p set id = id - 9 where id = 12")
        try scene.expectReplay("t", "p")
    }

    @Test("5: nothing of the session's search_path runs with the owner's rights")
    func hostileSearchPath() throws {
        let scene = try CaptureScene("create table t (id int primary key, v text, at timestamptz)", attached: "t", kind: "statement")
        try scene.run(
            """
            create schema evil; create table evil.ran (by_whom text); grant all on schema evil to public; grant all on evil.ran to public;
            create function evil.note() returns void language sql as $$insert into evil.ran values (current_user)$$;
            """)
        for (number, (name, left, right, result)) in [
            ("=", "int", "int", "bool"), ("<>", "oid", "oid", "bool"), ("=", "oid", "oid", "bool"), ("=", "text", "text", "bool"), ("=", "name", "name", "bool"),
            ("||", "text", "text", "text"), ("+", "bigint", "int", "bigint"), ("+", "int", "int", "int"), ("-", "bigint", "int", "bigint"),
            ("%", "bigint", "int", "bigint"), ("<", "bigint", "int", "bool"), ("<", "bigint", "bigint", "bool"), (">", "bigint", "int", "bool"),
            ("<=", "bigint", "int", "bool"), ("*", "int", "bigint", "bigint"), ("<>", "text", "text", "bool"),
        ].enumerated() {
            try scene.run(
                """
                create function evil.op\(number)(l \(left), r \(right)) returns \(result) language plpgsql as
                $$begin perform evil.note(); return null; end$$;
                create operator evil.\(name) (leftarg = \(left), rightarg = \(right), function = evil.op\(number))
                """)
        }
        for call in ["currval(text)", "set_config(text, text, boolean)", "current_setting(text, boolean)", "clock_timestamp()", "octet_length(text)"] {
            try scene.run("create function evil.\(call) returns text language plpgsql as $$begin perform evil.note(); return null; end$$")
        }
        for type in ["int4", "int8", "oid", "regclass"] { try scene.run("create domain evil.\(type) as text") }
        try scene.run("create table evil.data_changes (x int); create table evil.tidemark_new (x int)")
        let application = try scene.connect()
        try application.run("set search_path = evil, public, pg_catalog")
        try application.run(
            """
            insert into public.t select g, 'a', '2026-01-01 00:00+00' from generate_series(1, 200) g; update public.t set v = 'b';
            update public.t set id = id OPERATOR(pg_catalog.+) 1000; delete from public.t where id OPERATOR(pg_catalog.<) 1005
            """)
        #expect(try scene.value("select count(*) from evil.ran") == "0")
        try scene.expectReplay("t")
    }
}
