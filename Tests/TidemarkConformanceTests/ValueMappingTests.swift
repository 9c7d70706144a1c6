import Testing
import TidemarkCore
import TidemarkPostgres

/// The type mapping of the documentation, row by row, across engines.
@Suite("Value mapping")
struct ValueMappingTests {
    /// What a session may have set that must not change a value.
    private static let hostile = """
        set extra_float_digits = 0; set intervalstyle = sql_standard; set datestyle = 'SQL, DMY';
        set bytea_output = escape; set timezone = 'Asia/Kolkata'; set lc_monetary = 'C'; set search_path = pg_temp, public;
        """

    /// PostgreSQL type, literal, SQLite's declared type, and what SQLite must hold, as `typeof|quote`.
    private static let toSQLite: [(type: String, literal: String, declared: String, expected: String)] = [
        ("smallint", "-32768", "integer", "integer|-32768"),
        ("integer", "2147483647", "integer", "integer|2147483647"),
        ("bigint", "9223372036854775807", "integer", "integer|9223372036854775807"),
        ("bigint", "-9223372036854775808", "integer", "integer|-9223372036854775808"),
        ("boolean", "true", "integer", "integer|1"),
        ("boolean", "false", "integer", "integer|0"),
        ("real", "'0.1'", "real", "real|0.1"),
        ("double precision", "0.1::float8 + 0.2", "real", "real|3.00000000000000044408e-01"),
        ("double precision", "'1e308'", "real", "real|1.0e+308"),
        ("double precision", "'infinity'", "real", "real|Inf"),
        ("numeric", "1.500", "text", "text|'1.500'"),
        ("numeric", "('1' || repeat('0', 60) || '.25')::numeric", "text", "text|'1\(String(repeating: "0", count: 60)).25'"),
        ("numeric", "'NaN'", "text", "text|'NaN'"),
        ("text", "e'q''\\\\ \"\\t\\x01 é漢😀'", "text", "text|'q''\\ \"\t\u{1} é漢😀'"),
        ("varchar(9)", "''", "text", "text|''"),
        ("char(5)", "'ab'", "text", "text|'ab   '"),
        ("bytea", "'\\x00ff5c27'", "blob", "blob|X'00FF5C27'"),
        ("bytea", "''", "blob", "blob|X''"),
        ("uuid", "'00000000-0000-0000-0000-00000000000a'", "text", "text|'00000000-0000-0000-0000-00000000000a'"),
        ("date", "'2020-02-01'", "text", "text|'2020-02-01'"),
        ("date", "'infinity'", "text", "text|'infinity'"),
        ("timestamp", "'2020-02-03 04:05:06.789'", "text", "text|'2020-02-03T04:05:06.789'"),
        ("timestamptz", "'2020-02-03 04:05:06.789+05:30'", "text", "text|'2020-02-02T22:35:06.789+00:00'"),
        ("time", "'24:00'", "text", "text|'24:00:00'"),
        ("interval", "'-1 year 2 days -3:04:05.678'", "text", "text|'-1 years +2 days -03:04:05.678'"),
        ("json", "'{\"a\":1, \"a\":2 }'", "text", "text|'{\"a\":1, \"a\":2 }'"),
        ("json", "'null'", "text", "text|'null'"),
        ("jsonb", "'{\"a\": 1.0}'", "text", "text|'{\"a\": 1.0}'"),
        ("integer[]", "'[0:1]={5,6}'", "text", "text|'[0:1]={5,6}'"),
        ("text[]", "array['a\"b', null, 'c\\d', '']", "text", "text|'{\"a\\\"b\",NULL,\"c\\\\d\",\"\"}'"),
        ("int4range", "'[1,5)'", "text", "text|'[1,5)'"),
        ("inet", "'10.0.0.1/8'", "text", "text|'10.0.0.1/8'"),
        ("money", "12.34", "text", "text|'$12.34'"),
        ("mood", "'o\"k'", "text", "text|'o\"k'"),
        ("small", "7", "integer", "integer|7"),
        ("pair", "row(1, 'x,\"y')", "text", "text|'(1,\"x,\"\"y\")'"),
        ("text", "null", "text", "null|NULL"),
    ]

    @Test("PostgreSQL to SQLite, each type as documented, whatever the writing session set")
    func postgresToSQLite() async throws {
        let cases = Self.toSQLite
        let types = "create type mood as enum ('sad', 'o\"k'); create domain small as int check (value < 100); create type pair as (a int, b text);"
        let source = types + cases.indices.map { "create table v\($0) (id integer primary key, v \(cases[$0].type));" }.joined()
        let target = cases.indices.map { "create table v\($0) (id integer primary key, v \(cases[$0].declared));" }.joined()
        let flow = try Flow(Direction(source: .postgres, target: .sqlite), source, targetSchema: target)
        try flow.setUp()
        try flow.source.run(
            Self.hostile + cases.indices.map { "insert into v\($0) values (1, \(cases[$0].literal));" }.joined())
        try await flow.follow()
        for (place, value) in cases.enumerated() {
            #expect(try flow.target.rows("v\(place)", ["typeof(v)", "quote(v)"]) == [value.expected], "\(value.type) \(value.literal)")
        }
    }

    /// SQLite's declared type, literal, PostgreSQL's type, and what it must hold as text.
    private static let toPostgres: [(declared: String, literal: String, type: String, expected: String)] = [
        ("integer", "9223372036854775807", "bigint", "9223372036854775807"),
        ("integer", "-5", "smallint", "-5"),
        ("integer", "1", "boolean", "true"),
        ("integer", "0", "boolean", "false"),
        ("integer", "12", "numeric(9, 2)", "12.00"),
        ("real", "0.30000000000000004", "double precision", "0.30000000000000004"),
        ("real", "1e308", "double precision", "1e+308"),
        ("real", "9e999", "double precision", "Infinity"),
        ("real", "5e-324", "double precision", "5e-324"),
        ("real", "0.1", "numeric", "0.1"),
        ("text", "'1.500'", "numeric", "1.500"),
        ("text", "'it''s \"q\" \\ ' || char(9, 1, 233, 28450, 128512)", "text", "it's \"q\" \\ \t\u{1}é漢😀"),
        ("text", "'abc'", "varchar(3)", "abc"),
        ("text", "'2020-02-03T04:05:06.789'", "timestamp", "2020-02-03 04:05:06.789"),
        ("text", "'2020-02-01'", "date", "2020-02-01"),
        ("text", "'00000000-0000-0000-0000-00000000000a'", "uuid", "00000000-0000-0000-0000-00000000000a"),
        ("text", "'{\"a\":1, \"a\":2 }'", "json", "{\"a\":1, \"a\":2 }"),
        ("text", "'{1,2}'", "integer[]", "{1,2}"),
        ("blob", "x'00ff5c27'", "bytea", "\\x00ff5c27"),
        ("blob", "x''", "bytea", "\\x"),
        ("text", "null", "integer", "∅"),
    ]

    @Test("SQLite to PostgreSQL, each storage class as documented")
    func sqliteToPostgres() async throws {
        let cases = Self.toPostgres
        let source = cases.indices.map { "create table v\($0) (id integer primary key, v \(cases[$0].declared));" }.joined()
        let target = cases.indices.map { "create table v\($0) (id integer primary key, v \(cases[$0].type));" }.joined()
        let flow = try Flow(Direction(source: .sqlite, target: .postgres), source, targetSchema: target)
        try flow.setUp()
        try flow.source.run(cases.indices.map { "insert into v\($0) values (1, \(cases[$0].literal));" }.joined())
        try await flow.follow()
        for (place, value) in cases.enumerated() {
            #expect(try flow.target.rows("v\(place)", ["v"]) == [value.expected], "\(value.literal) to \(value.type)")
        }
    }

    /// Values that the other side cannot hold: type there, literal, type here.
    private static let refused: [(direction: Direction, from: String, literal: String, to: String)] = [
        (Direction(source: .sqlite, target: .postgres), "text", "'a' || char(0) || 'b'", "text"),
        (Direction(source: .sqlite, target: .postgres), "text", "cast(x'ff' as text)", "text"),
        (Direction(source: .sqlite, target: .postgres), "integer", "'abc'", "integer"),
        (Direction(source: .sqlite, target: .postgres), "integer", "3000000000", "integer"),
        (Direction(source: .sqlite, target: .postgres), "real", "1.5", "integer"),
        (Direction(source: .sqlite, target: .postgres), "real", "0.125", "numeric(9, 2)"),
        (Direction(source: .sqlite, target: .postgres), "blob", "x'41'", "text"),
        (Direction(source: .sqlite, target: .postgres), "integer", "2", "boolean"),
        (Direction(source: .sqlite, target: .postgres), "text", "'abcd'", "varchar(3)"),
        (Direction(source: .sqlite, target: .postgres), "text", "'abcd  '", "varchar(4)"),
        (Direction(source: .sqlite, target: .postgres), "text", "'2020-02-03 04:05:06.789'", "timestamp(0)"),
        (Direction(source: .postgres, target: .sqlite), "double precision", "'NaN'", "real"),
        (Direction(source: .postgres, target: .sqlite), "numeric", "1.50", "numeric"),
        (Direction(source: .postgres, target: .sqlite), "text", "'12'", "integer"),
        (Direction(source: .postgres, target: .sqlite), "integer", "12", "text"),
        (Direction(source: .sqlite, target: .sqlite), "text", "'12'", "integer"),
    ]

    @Test("what the target cannot hold stops with table, key and change named", arguments: refused.indices)
    func refusal(place: Int) async throws {
        let value = Self.refused[place]
        let flow = try Flow(
            value.direction, "create table v (id integer primary key, v \(value.from));",
            targetSchema: "create table v (id integer primary key, v \(value.to));")
        try flow.setUp()
        try flow.source.run("insert into v values (7, \(value.literal))")
        let failure = try await #require(throws: TidemarkError.self) { try await flow.follow() }
        let text = failure.description
        #expect(failure.table?.name == "v" && text.contains("7") && failure.changeID == 1, "\(text)")
        #expect(try flow.target.rows("v", ["id"]) == [])
    }
}
