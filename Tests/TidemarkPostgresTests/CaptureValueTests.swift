import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// Values arrive bit for bit, and none can make an application's statement fail.
@Suite("PostgreSQL capture: values")
struct CaptureValueTests {
    /// Types of every category, each with values that are hard to hold.
    static let types: [(name: String, values: [String])] = [
        ("smallint", ["-32768"]), ("int", ["2147483647"]), ("bigint", ["-9223372036854775808", "9007199254740993"]),
        ("numeric", ["NaN", "1e300", "0.1000", "-Infinity"]), ("numeric(9,3)", ["1.500"]), ("real", ["1e-40", "-0", "NaN", "3.4028235e38"]),
        ("double precision", ["0.30000000000000004", "-Infinity", "1e-320"]), ("money", ["-12.34"]), ("boolean", ["t", "f"]),
        ("text", ["", "\\ \" / ä 𝄞", "\u{1}\u{1f}\n\t", "null"]), ("varchar(9)", ["a "]), ("char(5)", ["a"]), (#""char""#, ["x", ""]), ("name", ["n"]),
        ("bytea", [#"\x"#, #"\x00ff5c27"#]), ("date", ["0044-03-15 BC", "infinity"]), ("time", ["24:00", "01:02:03.000004"]),
        ("timetz", ["01:02:03.4-15:59"]), ("timestamp", ["-infinity", "2020-01-02 03:04:05.678901"]),
        ("timestamptz", ["2020-01-02 03:04:05.678901+05:30", "4713-01-01 00:00 BC"]), ("interval", ["1 mon -2 days 03:04:05.6", "-1 year"]),
        ("uuid", ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]), ("json", ["null", #"{"a":1, "a":2}"#, "[1e400]"]), ("jsonb", ["null", #"{"a": [null]}"#]),
        ("jsonpath", ["$.a[*]"]), ("xml", ["<a b=\"c\">x</a>"]), ("tsvector", ["'a b':1A c"]), ("tsquery", ["a & !b"]),
        ("bit(3)", ["101"]), ("varbit", ["", "10"]), ("inet", ["10.0.0.1/8", "::1"]), ("cidr", ["10.0.0.0/8"]), ("macaddr", ["08:00:2b:01:02:03"]),
        ("macaddr8", ["08:00:2b:01:02:03:04:05"]), ("point", ["(0.1,-0)"]), ("line", ["{1,2,3}"]), ("lseg", ["(0,0),(1,1.1)"]), ("box", ["(2,2),(1,1)"]),
        ("path", ["[(0,0),(1,1)]"]), ("polygon", ["((0,0),(1,1),(1,0))"]), ("circle", ["<(0,0),0.1>"]), ("pg_lsn", ["16/B374D848"]),
        ("oid", ["4294967295"]), ("xid8", ["18446744073709551615"]), ("pg_snapshot", ["10:20:10,14"]), ("regclass", ["pg_class"]), ("tid", ["(1,2)"]),
        ("int4range", ["empty", "[1,5)"]), ("tstzrange", ["[2020-01-01 00:00+03,infinity)"]), ("nummultirange", ["{[1,2),[3,4]}"]),
        ("int[]", ["[0:1]={5,6}", "{NULL,1}", "{}"]), ("text[][]", [#"{{a,"b,c"},{"",null}}"#]), ("float8[]", ["{0.30000000000000004,-0}"]),
        ("bytea[]", [#"{"\\x5c00"}"#]), ("interval[]", ["{-1 day}"]), ("json[]", ["{null}"]), ("timestamptz[]", ["{2020-01-02 03:04:05+05}"]),
        ("app.mood", ["ok", "it's"]), ("app.mood[]", ["{ok}"]), ("app.pair", ["(,)", #"("a b","{1,2}")"#]), ("app.pair[]", [#"{"(x,)"}"#]),
        ("app.evil", ["(1)"]), ("app.digits", ["7"]), ("app.jsons", ["null", "[1]"]), ("app.span", ["[a,c)"]),
        ("app.day", ["2020-01-02", "0044-03-15 BC"]), ("app.moment", ["2020-01-02 03:04:05+05:30"]), ("app.day[]", ["{2020-01-02,infinity}"]), ("date[]", ["{2020-01-02}"]),
        ("hstore", [#""a"=>"1", "b"=>NULL"#]), ("hstore[]", [#"{"\"a\"=>\"1\""}"#]), ("citext", ["Ab"]), ("ltree", ["a.b"]), ("cube", ["(1,2),(3,4)"]), ("isbn", ["978-0-393-04002-9"]),
    ]
    /// Types of the application's, with casts that fail or answer something else.
    static let schema = """
        create extension hstore; create extension citext; create extension ltree; create extension cube; create extension isn;
        create schema app; grant usage on schema app to public;
        create type app.mood as enum ('ok', 'it''s'); create type app.pair as (a text, b int[]); create type app.evil as (i int);
        create domain app.digits as int check (value < 9); create domain app.jsons as json; create domain app.day as date; create domain app.moment as timestamptz; create type app.span as range (subtype = text);
        create function app.break(app.mood) returns json language plpgsql as $$begin raise 'cast to json'; end$$;
        create function app.breaktext(app.mood) returns text language plpgsql as $$begin raise 'cast to text'; end$$;
        create function app.break(app.evil) returns json language plpgsql as $$begin raise 'cast to json'; end$$;
        create function app.breaktext(app.evil) returns text language plpgsql as $$begin raise 'cast to text'; end$$;
        create cast (app.mood as json) with function app.break(app.mood);
        create cast (app.mood as text) with function app.breaktext(app.mood) as implicit;
        create cast (app.evil as json) with function app.break(app.evil) as implicit;
        create cast (app.evil as text) with function app.breaktext(app.evil) as implicit;
        """
    /// Everything a session can do to change how values are written or queries are planned.
    static let hostileSettings = """
        set extra_float_digits = -15; set intervalstyle = 'sql_standard'; set datestyle = 'SQL, DMY'; set timezone = 'Asia/Kolkata';
        set bytea_output = 'escape'; set transform_null_equals = on; set quote_all_identifiers = on; set row_security = off;
        set plpgsql.extra_errors = 'all'; set xmloption = content; set jit = off; set enable_indexscan = off; set enable_bitmapscan = off;
        set array_nulls = on; set work_mem = '64kB'; set default_transaction_isolation = 'serializable';
        set backslash_quote = off; set escape_string_warning = on; set check_function_bodies = off; set plan_cache_mode = force_generic_plan;
        create temp table data_changes (x int); create temp table pg_class (x int); set search_path = pg_temp, public, pg_catalog
        """

    @Test("F5, E3: every type, as a value and as a key, under hostile settings and without rights", arguments: ["statement", "row"])
    func everyType(kind: String) throws {
        let scene = try CaptureScene(Self.schema)
        try scene.run("drop role if exists tidemark_f5_\(kind); create role tidemark_f5_\(kind) login")
        var tables: [String] = []
        for (number, type) in Self.types.enumerated() {
            try scene.run("create table v\(number) (id int primary key, v \(type.name), w \(type.name)); grant all on v\(number) to public")
            tables.append("v\(number)")
            // An index on json[] can be made, but not used.
            if type.name != "json[]", CaptureScene.failure(of: "create table k\(number) (v \(type.name) primary key, n int); grant all on k\(number) to public", in: scene.session) == nil {
                tables.append("k\(number)")
            }
        }
        #expect(tables.count > Self.types.count + 40)
        for table in tables { try scene.attach(table, kind: kind) }
        let application = try scene.connect(as: "tidemark_f5_\(kind)")
        try application.run(Self.hostileSettings)
        for (number, type) in Self.types.enumerated() {
            for (id, value) in type.values.enumerated() {
                let literal = "'" + value.replacing("'", with: "''") + "'"
                var statements = [
                    "insert into public.v\(number) values (\(id), \(literal), null)", "update public.v\(number) set w = v, v = null",
                    "insert into public.v\(number) values (\(id + 100), \(literal), \(literal))", "delete from public.v\(number) where id = \(id + 100)",
                ]
                if tables.contains("k\(number)") {
                    statements += ["insert into public.k\(number) values (\(literal), 1)", "update public.k\(number) set n = 2"]
                    if id > 0 { statements.append("delete from public.k\(number)") }
                }
                for statement in statements {
                    #expect(throws: Never.self, "\(type.name): \(statement)") { try application.run(statement) }
                }
            }
        }
        for table in tables { try scene.expectReplay(table) }
    }

    @Test("E3: a cast of the user's is not called, and not believed", arguments: ["statement", "row"])
    func userCasts(kind: String) throws {
        let scene = try CaptureScene(
            Self.schema + "create table t (id app.mood primary key, v app.mood, w app.mood[], p app.evil)", attached: "t", kind: kind)
        try scene.run("insert into t values ('ok', 'ok', '{ok}', row(1)); update t set v = null")
        #expect(
            try scene.log("t") == [
                #"I {"id":"ok"} {"id":"ok","v":"ok","w":"{ok}","p":"(1)"}"#, #"U {"id":"ok"} {"id":"ok","v":null,"w":"{ok}","p":"(1)"}"#,
            ])
    }

    @Test("E4: a row too large for JSON is a mark, and the statement does not fail", arguments: ["statement", "row"])
    func tooLarge(kind: String) throws {
        let scene = try CaptureScene("create table t (id int primary key, b bytea); create table u (b bytea)")
        // Half a gigabyte takes a test half a minute: a lower limit shows the same.
        try scene.run("create or replace function tidemark.image_max_bytes() returns bigint language sql immutable as 'select 1000::int8'")
        for table in ["t", "u"] { try scene.attach(table, kind: kind) }
        try scene.run("insert into t values (1, convert_to(repeat('x', 251), 'UTF8')); insert into u select b from t")
        #expect(try scene.log("t") == [#"I {"id":1}"#])
        #expect(try scene.log("u") == ["I"])
        try scene.run("update t set b = ''; delete from t")
        #expect(try scene.log("t").suffix(2) == [#"U {"id":1} {"id":1,"b":"\\x"}"#, #"D {"id":1}"#])
        try scene.run("insert into t select g, convert_to(repeat('x', g), 'UTF8') from generate_series(1, 300) g")
        #expect(try scene.value("select count(*) filter (where image is null) || ' ' || count(*) from tidemark.data_changes where key is not null and id > 4 and operation <> 'D' and image is distinct from '{\"id\":1,\"b\":\"\\\\x\"}'") == "50 300")
    }
}
