import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// What no trigger sees. BREAKS, section C.
@Suite("PostgreSQL capture: what no trigger sees")
struct CaptureShapeTests {
    static let table = "create table q (id int primary key, v int, w text); insert into q values (1, 1, 'a')"
    static let partitions = """
        create table p (id int, k int, v text, primary key (k, id)) partition by list (k);
        create table p1 partition of p for values in (1);
        create table p2 (v text, k int not null, id int not null); alter table p attach partition p2 for values in (2);
        """

    @Test(
        "C3: a change that triggers do not see is found, and named with what to type",
        arguments: [
            ("begin; alter table q disable trigger user; insert into q values (2, 2); alter table q enable trigger user; commit", "triggers"),
            ("alter table q disable trigger all", "triggers"),
            ("drop trigger tidemark_truncate on q", "triggers"),
            ("alter table q alter v type int using v * 100", "rewritten"),
            ("create table q_new (like q including all); alter table q rename to q_old; alter table q_new rename to q", "another one has its name"),
            ("alter table q rename to q9", "called public.q9 now; type: tidemark setup"),
            ("create schema s; alter table q set schema s", "called s.q now; type: tidemark setup"),
            ("alter table q set unlogged", "UNLOGGED"),
            ("alter table q add x int default 5", "columns"),
            ("alter table q drop w", "columns"),
            ("alter table q rename w to x", "columns"),
            ("alter table q alter v type bigint", "columns"),
            ("alter table q alter w type varchar(9)", "columns"),
            ("alter table q drop constraint q_pkey", "key"),
            ("alter table q alter id drop identity if exists; alter table q drop constraint q_pkey, alter id drop not null", "key"),
            ("drop table q", "gone"),
            ("drop table q; create table q (id int primary key, v int, w text)", "another one has its name"),
            ("create table parent (id int not null, v int, w text); alter table q inherit parent", "parent"),
        ])
    func unseenChange(_ change: String, reason: String) throws {
        let scene = try CaptureScene(Self.table, attached: "q")
        #expect(try scene.foreignChange() == nil)
        try scene.run(change)
        let found = try #require(try scene.foreignChange())
        #expect(found.contains(reason) && found.contains("type: "), "\(found)")
    }

    @Test(
        "C3: what loses nothing is no foreign change",
        arguments: [
            "analyze q", "vacuum q", "vacuum full q", "vacuum (freeze) q", "reindex table q", "reindex table concurrently q",
            "create index on q (v)", "create unique index on q (v)", "cluster q using q_pkey", "truncate q",
            "comment on table q is 'x'; comment on column q.v is 'x'", "grant select on q to public; revoke select on q from public",
            "grant select (v) on q to public", "alter table q alter v set statistics 5", "alter table q alter v set default 5",
            "alter table q alter v set not null", "alter table q add check (v > 0)", "alter table q enable row level security",
            "alter table q set (fillfactor = 50)", "create table child (x int) partition by list (x)",
            "create trigger mine before insert on q for each row execute function suppress_redundant_updates_trigger()",
            "create unique index other on q (id); alter table q drop constraint q_pkey, add primary key using index other",
        ])
    func harmlessChange(_ change: String) throws {
        let scene = try CaptureScene(Self.table, attached: "q")
        try scene.run(change)
        #expect(try scene.foreignChange() == nil)
        try scene.attach("q")
        #expect(try scene.foreignChange() == nil)
        #expect(try scene.value("select count(*) from tidemark.capture where gap is not null") == "0")
    }

    @Test(
        "C2: partitions that come or go are a foreign change of the root",
        arguments: [
            "create table p3 partition of p for values in (3)",
            "create table p3 (like p); insert into p3 values (1, 3, 'filled'); alter table p attach partition p3 for values in (3)",
            "alter table p detach partition p1", "drop table p1",
            "alter table p detach partition p1; alter table p attach partition p1 for values in (1)",
            "create table p4 partition of p for values in (4) partition by range (id); create table p41 partition of p4 default",
        ])
    func membership(_ change: String) throws {
        let scene = try CaptureScene(Self.partitions, attached: "p")
        #expect(try scene.foreignChange() == nil)
        try scene.run(change)
        let found = try #require(try scene.foreignChange())
        #expect(found.contains("partition") && found.contains("select tidemark.attach('public.p')"), "\(found)")
        try scene.attach("p")
        #expect(try scene.foreignChange() == nil)
        #expect(try scene.value("select count(*) from tidemark.capture where gap is not null and retired_at is null") == "1")
    }

    @Test("C2: a partition that is attached to capture where it is created keeps the flow", arguments: ["commit", "release s; commit"])
    func newPartition(ending: String) throws {
        let scene = try CaptureScene(Self.partitions, attached: "p")
        try scene.run("begin; \(ending.hasPrefix("release") ? "savepoint s;" : "") create table p3 partition of p for values in (3)")
        #expect(try scene.value("select tidemark.attach('p')") == "1")
        try scene.run("insert into p values (1, 3, 'x'); \(ending)")
        #expect(try scene.foreignChange() == nil)
        #expect(try scene.value("select count(*) from tidemark.capture") == "1")
        try scene.run("insert into p values (2, 3, 'y'), (3, 1, 'z'), (4, 2, 'z'); update p set k = 3 where id = 4; update p3 set v = 'w'")
        try scene.expectReplay("p")
        try scene.run("truncate p3")
        try scene.expectReplay("p")
        #expect(try scene.log("p").last == #"T {"schema" : "public", "table" : "p3"}"#)
        try scene.run("insert into p values (9, 3, 'n'), (9, 1, 'n'); truncate p; insert into p values (9, 2, 'n')")
        try scene.expectReplay("p")
    }

    @Test("C2: attaching a filled partition is a gap, even where capture is attached in the same transaction")
    func filledPartition() throws {
        let scene = try CaptureScene(Self.partitions, attached: "p")
        try scene.run("begin; create table p3 (like p); insert into p3 values (1, 3, 'x'); alter table p attach partition p3 for values in (3)")
        #expect(try scene.value("select tidemark.attach('p')") == "2")
        try scene.run("commit")
        #expect(try scene.foreignChange() == nil)
        #expect(try scene.value("select gap like '%attached%' from tidemark.capture where id = 2") == "t")
    }

    @Test("C3: after a foreign change, attach renews capture and notes the gap; unchanged, it changes nothing")
    func renewal() throws {
        let scene = try CaptureScene(Self.table, attached: "q")
        try scene.run("alter table q disable trigger user; alter table q enable trigger user")
        #expect(try scene.value("select tidemark.attach('q')") == "2")
        #expect(try scene.value("select gap like '%disabled%' from tidemark.capture where id = 2") == "t")
        #expect(try scene.value("select tidemark.attach('q')") == "2")
        try scene.run("alter table q rename to q_old; create table q (id int primary key)")
        #expect(try scene.value("select tidemark.attach('q')") == "3")
        #expect(try scene.value("select gap like 'another table%' from tidemark.capture where id = 3") == "t")
    }

    @Test("the registry names what images hold, with types and what is generated")
    func registry() throws {
        let scene = try CaptureScene(
            """
            create schema app; create domain app.small as numeric(6,2); create domain app.smaller as app.small check (value < 9);
            create type app.mood as enum ('ok'); create extension hstore schema app;
            create table t (gone int, "Id" bigint generated always as identity, a varchar(9)[], n app.smaller, m app.mood, h app.hstore,
                b bit(3), ts timestamp(3) with time zone, g int generated always as (1) stored, d app.small[], primary key ("Id"));
            alter table t drop gone
            """, attached: "t")
        #expect(
            try scene.value("select columns || column_types from tidemark.capture") == """
                {Id,a,n,m,h,b,ts,g,d,bigint,"character varying(9)[]","numeric(6,2)",app.mood,app.hstore,bit(3),"timestamp(3) with time zone",integer,app.small[]}
                """)
        #expect(try scene.value("select generated from tidemark.capture") == "{f,f,f,f,f,f,f,t,f}")
        try scene.run(#"insert into t (a, h) values ('{x}', 'a=>1')"#)
        #expect(try scene.value("select array(select json_object_keys(image::json)) = (select columns from tidemark.capture) from tidemark.data_changes") == "t")
    }
}
