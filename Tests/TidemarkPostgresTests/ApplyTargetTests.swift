import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Apply: what a target may look like")
struct ApplyTargetTests {
    @Test("more columns, another order, nullable ones, generated ones, partitions and unlogged tables are fine")
    func otherShape() throws {
        let bench = try ApplyBench(
            """
            create table t (extra text default 'd', c int, total int generated always as (id * 2) stored, id int primary key, plain int);
            create unlogged table u (id int primary key, v int);
            create table p (k int primary key, v int) partition by hash (k);
            create table p0 partition of p for values with (modulus 2, remainder 0);
            create table p1 partition of p for values with (modulus 2, remainder 1)
            """)
        // total is generated on both sides; plain on the source only.
        bench.capture(
            1, "t", ["id integer", "c integer", "total integer", "plain integer"], key: ["id"], generated: ["total", "plain"])
        bench.capture(2, "u", ["id", "v"], key: ["id"])
        bench.capture(3, "p", ["k", "v"], key: ["k"])
        for value in [1, 2] {
            try bench.apply(.paged, [[
                .up(1, #"{"id":4}"#, #"{"id":4,"c":\#(value),"total":999,"plain":8}"#), .up(2, #"{"id":1}"#, #"{"id":1,"v":\#(value)}"#),
                .up(3, #"{"k":1}"#, #"{"k":1,"v":\#(value)}"#), .up(3, #"{"k":2}"#, #"{"k":2,"v":\#(value)}"#),
            ]])
            #expect(try bench.rows("t") == ["(d,\(value),8,4,8)"])
            #expect(try bench.rows("p") == ["(1,\(value))", "(2,\(value))"])
        }
    }

    @Test("what is missing or in the way is named, with the statement to type")
    func mismatches() throws {
        let bench = try ApplyBench(
            """
            create view v as select 1 as id; create table c (id int primary key);
            create table n (id int primary key, must int not null);
            create table g (id int primary key, sum int generated always as (id + 1) stored);
            """)
        for (number, name) in zip(Int32(1)..., ["none", "v", "c", "n"]) {
            bench.capture(number, name, name == "n" ? ["id"] : ["id", "x text"], key: ["id"])
        }
        bench.capture(5, "g", ["id integer", "sum integer"], key: ["id"])
        let remedies = [
            "setup --create", "alter view", #"alter table "public"."c" add column "x" text;"#,
            #"alter column "must" drop not null"#, #"alter column "sum" drop expression"#,
        ]
        for (number, remedy) in zip(Int32(1)..., remedies) {
            let error = bench.refusal(.paged, [[.up(number, #"{"id":1}"#, #"{"id":1,"x":"private"}"#)]])
            #expect(error?.remedy.contains(remedy) == true, "\(error?.description ?? "")")
            #expect(error?.pipeline == "main")
        }
        try bench.session.run("alter table c add column x text")
        try bench.apply(.paged, [[.up(3, #"{"id":1}"#, #"{"id":1,"x":"private"}"#)]])
        #expect(try bench.rows("c") == ["(1,private)"])
    }

    @Test("a value that the target refuses is named by table, key, column and change, never shown")
    func refusedValue() throws {
        let bench = try ApplyBench(
            """
            create domain small as int check (value < 100);
            create table t (id int primary key, a int, b small, c varchar(3), m date);
            create table w (a int check (a > 0))
            """)
        bench.capture(1, "t", ["id", "a", "b", "c", "m"], key: ["id"])
        bench.capture(2, "w", ["a"])
        for (column, image) in [("a", #""a":4711000000000"#), ("b", #""b":4711"#), ("c", #""c":"4711""#), ("m", #""m":"4711-99-99""#)] {
            let error = bench.refusal(.paged, [[
                .up(1, #"{"id":1}"#, #"{"id":1}"#), .up(1, #"{"id":2}"#, "{\"id\":2,\(image)}"), .up(1, #"{"id":3}"#, #"{"id":3}"#),
            ]])
            #expect(error?.key == #"{"id":2}"#)
            #expect(error?.changeID != nil)
            if column != "b" { #expect(error?.description.contains("\"\(column)\"") == true, "\(error?.description ?? "")") }
            #expect(error?.description.contains("4711") == false)
        }
        let whole = bench.refusal(.paged, [[.row(2, #"{"a":1}"#), .row(2, #"{"a":-4711}"#)]])
        #expect(whole?.changeID == 14)
        #expect(whole?.why.contains("w_a_check") == true)
        #expect(whole?.description.contains("4711") == false)
    }

    @Test("rows that only their size, a partition or a trigger keeps out are named too")
    func otherRefusals() throws {
        let bench = try ApplyBench(
            """
            create table p (k int primary key) partition by list (k); create table p1 partition of p for values in (1);
            create table big (id int primary key, t text); create index on big (t);
            create table loud (id int primary key);
            create function shout() returns trigger language plpgsql as
                $$ begin if new.id = 2 then raise exception 'private %', new.id using errcode = tg_argv[0]; end if; return new; end $$;
            create trigger shout before insert on loud for each row execute function shout('P0001')
            """, asRole: true)
        bench.capture(1, "p", ["k"], key: ["k"])
        bench.capture(2, "big", ["id", "t"], key: ["id"])
        bench.capture(3, "loud", ["id"], key: ["id"])
        let homeless = bench.refusal(.paged, [[.up(1, #"{"k":1}"#, #"{"k":1}"#), .up(1, #"{"k":2}"#, #"{"k":2}"#)]])
        #expect(homeless?.key == #"{"k":2}"#)
        #expect(homeless?.remedy.contains(#"partition of "public"."p""#) == true)
        let long = (0..<20_000).map { String(($0 * 7919) % 9973, radix: 36) }.joined()
        let large = bench.refusal(.paged, [[
            .up(2, #"{"id":1}"#, #"{"id":1,"t":"a"}"#), .up(2, #"{"id":2}"#, "{\"id\":2,\"t\":\"\(long)\"}"),
        ]])
        #expect(large?.key == #"{"id":2}"#)
        for state in ["P0001", "MY001"] {
            try bench.session.run(
                "drop trigger shout on loud; create trigger shout before insert on loud for each row execute function shout('\(state)')")
            let raised = bench.refusal(.paged, [[.up(3, #"{"id":1}"#, #"{"id":1}"#), .up(3, #"{"id":2}"#, #"{"id":2}"#)]])
            #expect(raised?.description.contains("private") == false)
            #expect(raised?.why.contains(state) == true)
            #expect(raised?.key == #"{"id":2}"#)
        }
    }

    @Test("lost rights and row-level security are named with the grant")
    func rights() throws {
        let bench = try ApplyBench(
            """
            create table t (id int primary key); create table s (id int primary key);
            alter table s enable row level security; create policy none on s using (false)
            """, asRole: true)
        bench.capture(1, "t", ["id"], key: ["id"])
        bench.capture(2, "s", ["id"], key: ["id"])
        try bench.session.run("revoke insert on t from public, \"\(bench.target.context.role)\"")
        let lost = bench.refusal(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1}"#)]])
        #expect(lost?.remedy.contains(#"on "public"."t" to "\#(bench.target.context.role)""#) == true)
        let hidden = bench.refusal(.paged, [[.up(2, #"{"id":1}"#, #"{"id":1}"#)]])
        #expect(hidden?.remedy.contains("bypassrls") == true)
        try bench.session.run("revoke temporary on database \(bench.target.context.database) from public")
        let temporary = bench.refusal(.staged, [[.up(1, #"{"id":1}"#, #"{"id":1}"#)]])
        #expect(temporary?.remedy.contains("grant temporary on database") == true)
    }

    @Test("a target that takes no writes is tried again later; one that is not set up says so")
    func unwritable() throws {
        let bench = try ApplyBench("create table t (id int primary key)")
        bench.capture(1, "t", ["id"], key: ["id"])
        try bench.target.session.run("set session default_transaction_read_only = on")
        #expect(bench.refusal(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1}"#)]])?.retry == .later)
        let empty = try PostgresTarget(try ScratchCluster.shared.database("empty"), pipeline: "main")
        #expect { try empty.takeOver(worker: "test") } throws: { "\($0)".contains("tidemark setup") }
        #expect { try PostgresTarget("host=/nonexistent password=hunter2", pipeline: "main") } throws: { error in
            (error as? TidemarkError)?.retry == .later && !"\(error)".contains("hunter2")
        }
    }

    @Test("a connection that is gone is tried again later, and the cursor says that nothing was applied")
    func connectionLost() throws {
        let bench = try ApplyBench("create table t (id int primary key)")
        bench.capture(1, "t", ["id"], key: ["id"])
        let pid = try bench.target.session.query("select pg_backend_pid()")[0, 0] ?? ""
        try bench.session.query("select pg_terminate_backend($1)", [.text(pid)])
        #expect(bench.refusal(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1}"#)]])?.retry == .later)
        #expect(try bench.session.query("select snapshot from tidemark.cursor")[0, 0] == "0")
    }

    @Test("a table that is altered between two windows is looked at again, and nothing is rounded")
    func altered() throws {
        let bench = try ApplyBench("create table t (id int primary key, n numeric)")
        bench.capture(1, "t", ["id integer", "n numeric"], key: ["id"])
        try bench.apply(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1,"n":1.25}"#)]])
        try bench.session.run("alter table t alter column n type numeric(5,1)")
        let change = TestChange.up(1, #"{"id":2}"#, #"{"id":2,"n":2.25}"#)
        #expect(bench.refusal(.paged, [[change]])?.retry == .later)
        #expect(bench.refusal(.paged, [[change]])?.remedy.contains(#"alter column "n" type numeric;"#) == true)
        #expect(try bench.rows("t") == ["(1,1.3)"])
        try bench.session.run("alter table t rename to old; create table t (id int primary key, n numeric)")
        try bench.apply(.paged, [[change]])
        #expect(try bench.rows("t") == ["(2,2.25)"])
    }

    @Test("the session says that it applies, for capture triggers that fire always")
    func loopGuard() throws {
        let bench = try ApplyBench("create table t (id int primary key)")
        #expect(try bench.target.session.query("select current_setting('tidemark.applying')")[0, 0] == "1")
    }

    @Test("types: what is held without loss, and what is not", arguments: [
        ("smallint", "integer", true), ("integer", "bigint", true), ("bigint", "numeric", true), ("bigint", "integer", false),
        ("integer", "numeric(10,0)", true), ("integer", "numeric(9,0)", false), ("integer", "numeric(20,2)", false),
        ("integer", "text", false), ("real", "double precision", true), ("double precision", "real", false),
        ("character varying(5)", "character varying(6)", true), ("character varying(5)", "text", true),
        ("character varying", "character varying(9)", false), ("text", "character varying", true), ("text", "character varying(99)", false),
        ("character(5)", "character(5)", true), ("character(5)", "character(6)", false), ("character(5)", "text", false),
        ("numeric(10,2)", "numeric", true), ("numeric(10,2)", "numeric(11,3)", true), ("numeric(10,2)", "numeric(10,3)", false),
        ("numeric", "numeric(10,2)", false), ("timestamp(3) without time zone", "timestamp without time zone", true),
        ("timestamp without time zone", "timestamp(3) without time zone", false),
        ("timestamp without time zone", "timestamp with time zone", false), ("public.mood", "app.mood", true),
        ("public.mood", "public.tone", false), ("json", "jsonb", false), ("integer[]", "bigint[]", true), ("integer[]", "bigint", false),
        ("public.\"a.b\"", "public.\"a.b\"", true), ("text", "public.text", false), ("interval(3)", "interval", true),
    ])
    func types(source: String, target: String, fits: Bool) {
        #expect(TypeFit.holds(target, all: source) == fits)
    }

    @Test("a domain is compared by the type below it")
    func domain() throws {
        let bench = try ApplyBench(
            """
            create domain price as numeric(10,2); create domain cost as price; create table t (id int primary key, p cost)
            """)
        bench.capture(1, "t", ["id integer", "p numeric(10,2)"], key: ["id"])
        try bench.apply(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1,"p":1.25}"#)]])
        bench.capture(2, "t", ["id integer", "p numeric(10,3)"], key: ["id"])
        let narrow = bench.refusal(.paged, [[.up(2, #"{"id":1}"#, #"{"id":1,"p":1.255}"#)]])
        #expect(narrow?.why.contains("numeric(10,2) on the target") == true)
    }
}
