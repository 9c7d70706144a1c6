import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Images of PostgreSQL rows in a SQLite target.
@Suite struct TypedTextTests {
    static let kept: [(type: String, column: String, json: String, value: SQLiteValue)] = [
        ("smallint", "INTEGER", "-7", .integer(-7)), ("bigint", "INTEGER", "-9223372036854775808", .integer(.min)),
        ("bigint", "", "9223372036854775807", .integer(.max)), ("integer", "NUMERIC", "null", .null),
        ("boolean", "BOOLEAN", "true", .integer(1)), ("boolean", "INTEGER", "false", .integer(0)),
        ("double precision", "REAL", "1e-320", .real(Double(bitPattern: 2024))), ("double precision", "REAL", "5", .real(5)),
        ("double precision", "", "0.30000000000000004", .real(0.1 + 0.2)), ("real", "REAL", "0.1", .real(0.1)),
        ("double precision", "REAL", #""Infinity""#, .real(.infinity)), ("real", "", #""-Infinity""#, .real(-.infinity)),
        ("numeric(10,2)", "TEXT", "1.50", .string("1.50")), ("numeric", "", "-123456789012345678901234567890.1", .string("-123456789012345678901234567890.1")),
        ("numeric", "TEXT", #""NaN""#, .string("NaN")), ("bytea", "BLOB", #""\\x00ff31""#, .blob([0, 255, 0x31])),
        ("bytea", "", #""\\x""#, .blob([])), ("text", "TEXT", #""plain""#, .string("plain")), ("text", "TEXT", #""""#, .string("")),
        ("text", "TEXT", #""a\"b\\c\/\b\f\n\r\té\u20ac\ud83d\ude00 é😀""#, .string("a\"b\\c/\u{8}\u{c}\n\r\té€😀 é😀")),
        ("jsonb", "TEXT", #""{\"a\": [1, null]}""#, .string("{\"a\": [1, null]}")), ("json", "TEXT", #""null""#, .string("null")),
        ("timestamp with time zone", "TEXT", #""2024-01-01T00:00:00+00:00""#, .string("2024-01-01T00:00:00+00:00")),
        ("date", "DATE", #""2024-01-01""#, .string("2024-01-01")), ("uuid", "TEXT", #""0e37df36-f698-11e6-8dd4-cb9ced3df976""#, .string("0e37df36-f698-11e6-8dd4-cb9ced3df976")),
        ("integer[]", "TEXT", #""[0:1]={5,6}""#, .string("[0:1]={5,6}")), ("character varying(5)", "VARCHAR(5)", #""12""#, .string("12")),
        ("money", "TEXT", #""$1.00""#, .string("$1.00")), ("text", "TEXT", "null", .null), ("text", "BLOB", #""12""#, .string("12")),
    ]

    @Test("invariant 4: each class of PostgreSQL's types, row by row", arguments: kept.indices)
    func keeps(_ index: Int) throws {
        let (type, column, json, value) = Self.kept[index]
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v \(column))")
        var page = TypedPage(columns: [("id", "integer"), ("v", type)], key: ["id"])
        page.add(.update, key: #"{"id":1}"#, image: #"{"id":1,"v":\#(json)}"#)
        // The same with its members the other way round.
        page.add(.insert, key: #"{"id":2}"#, image: #"{"v":\#(json),"id":2}"#)
        try target.apply(page)
        #expect(try target.database.rows("SELECT v FROM t") == [[value], [value]])
    }

    static let refused: [(type: String, column: String, json: String)] = [
        ("integer", "TEXT", "1"), ("integer", "REAL", "1"), ("boolean", "TEXT", "true"), ("text", "INTEGER", #""12""#),
        ("text", "NUMERIC", #"" 1.5e3 ""#), ("text", "REAL", #"".5""#), ("numeric", "NUMERIC(10,2)", "1.50"), ("numeric", "DECIMAL", "7"),
        ("double precision", "INTEGER", "5"), ("double precision", "NUMERIC", "1e15"), ("double precision", "TEXT", "1.5"),
        ("double precision", "REAL", #""NaN""#), ("double precision", "NUMERIC", "-0"), ("text", "TEXT", #""\ud83d""#),
        ("integer", "INTEGER", "9223372036854775808"), ("bytea", "BLOB", #""\\x0""#), ("text", "TEXT", "[1]"), ("integer", "", #""x""#),
        ("text", "TEXT", "12"), ("boolean", "", "1"),
    ]

    @Test("invariant 7: what a column would change is refused, with row and column named", arguments: refused.indices)
    func refuses(_ index: Int) throws {
        let (type, column, json) = Self.refused[index]
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v \(column))")
        var page = TypedPage(columns: [("id", "integer"), ("v", type)], key: ["id"])
        page.add(.insert, key: #"{"id":1}"#, image: #"{"id":1,"v":null}"#)
        page.add(.update, key: #"{"id":2}"#, image: #"{"id":2,"v":\#(json)}"#)
        let error = try #require(errorOf { try target.apply(page) })
        #expect(error.key == #"{"id":2}"# && error.changeID == 2 && error.retry == .never && error.why.contains("\"v\""))
        #expect(try target.database.rows("SELECT * FROM t").isEmpty)
    }

    @Test("invariant 4: what SQLite would convert is what is refused")
    func affinityAgreesWithSQLite() throws {
        let texts = ["12", "+1", "-1", " 1 ", "1.", ".5", ".", "1e3", "1e", "1e+", "0x10", "1 2", "", " ", "Infinity", "nan", "1_0", "1e5\u{0}", "٣", "-", "1.5.2", "\t7\n", "12345678901234567890", "1e400"]
        let database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.execute("CREATE TABLE a (n NUMERIC, i INTEGER, r REAL)")
        for text in texts {
            try database.execute("DELETE FROM a")
            _ = try database.rows("INSERT INTO a VALUES (?1, ?1, ?1)", [.string(text)])
            let stays = try database.rows("SELECT n, i, r FROM a")[0].allSatisfy { $0 == .string(text) }
            let numeric = Array(text.utf8).withUnsafeBufferPointer(TokenReader.looksNumeric)
            #expect(numeric == !stays, "\(text.debugDescription)")
        }
    }

    @Test("F4: a truncation empties the table and voids what came before it", arguments: [ApplyOrder.paged, .staged])
    func truncation(order: ApplyOrder) throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (9, 'old')")
        var first = TypedPage(columns: [("id", "integer"), ("v", "text")], key: ["id"])
        first.add(.insert, key: #"{"id":1}"#, image: #"{"id":1,"v":"a"}"#)
        var second = first
        second.page = ChangePage()
        second.add(.insert, key: #"{"id":2}"#, image: #"{"id":2,"v":"a"}"#)
        second.add(.truncate, key: nil, image: nil)
        second.add(.insert, key: #"{"id":3}"#, image: #"{"id":3,"v":"c"}"#)
        try target.apply([first.page, second.page], first.table, order: order)
        #expect(try target.database.rows("SELECT id, v FROM t") == [[.integer(3), .string("c")]])
    }

    @Test("F4: a truncation voids staged whole rows as well")
    func keylessTruncation() throws {
        let target = try TypedTarget("CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('old')")
        var page = TypedPage(columns: [("v", "text")], key: [])
        page.add(.delete, key: nil, image: #"{"v":"never"}"#)
        page.add(.truncate, key: nil, image: nil)
        page.add(.insert, key: nil, image: #"{"v":"new"}"#)
        page.add(.insert, key: nil, image: #"{"v":"gone"}"#)
        page.add(.delete, key: nil, image: #"{"v":"gone"}"#)
        try target.apply(page)
        #expect(try target.database.rows("SELECT v FROM t") == [[.string("new")]])
    }

    @Test("C2: the truncation of one partition does not empty the table")
    func partitionTruncation() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (9)")
        var page = TypedPage(columns: [("id", "integer")], key: ["id"])
        page.add(.truncate, key: nil, image: #"{"schema" : "public", "table" : "t_2024"}"#)
        #expect(errorOf { try target.apply(page) }?.what == "one partition was truncated")
        page.page = ChangePage()
        page.add(.truncate, key: nil, image: #"{"schema" : "public", "table" : "t"}"#)
        try target.apply(page)
        #expect(try target.database.rows("SELECT * FROM t").isEmpty)
    }

    @Test("invariant 7: a row that is not in the log stops the pipeline", arguments: [TidemarkCore.Operation.shapeChanged, .imageTooLarge])
    func marks(operation: TidemarkCore.Operation) throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        var page = TypedPage(columns: [("id", "integer")], key: ["id"])
        page.add(operation, key: operation == .imageTooLarge ? #"{"id":1}"# : nil, image: nil)
        let error = try #require(errorOf { try target.apply(page) })
        #expect(error.retry == .never && error.changeID == 1 && error.table?.name == "t")
    }

    @Test("invariant 4: NULL in an INTEGER PRIMARY KEY is refused, generated columns are not written")
    func specialColumns() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, g TEXT AS (v || '!') STORED)")
        var page = TypedPage(columns: [("id", "integer"), ("v", "text"), ("g", "text")], key: [])
        page.add(.insert, key: nil, image: #"{"id":1,"v":"a","g":"a!"}"#)
        try target.apply(page)
        #expect(try target.database.rows("SELECT g FROM t") == [[.string("a!")]])
        page.page = ChangePage()
        page.add(.insert, key: nil, image: #"{"id":null,"v":"a","g":"a!"}"#)
        #expect(errorOf { try target.apply(page) }?.why.contains("NULL") == true)
    }

    @Test("invariant 4: a key column that the target computes still finds the row")
    func generatedKey() throws {
        let target = try TypedTarget("CREATE TABLE t (v TEXT, k TEXT NOT NULL AS (v || '!') STORED UNIQUE)")
        var page = TypedPage(columns: [("v", "text"), ("k", "text")], key: ["k"])
        page.add(.insert, key: #"{"k":"a!"}"#, image: #"{"v":"a","k":"a!"}"#)
        page.add(.insert, key: #"{"k":"b!"}"#, image: #"{"v":"b","k":"b!"}"#)
        try target.apply(page)
        page.page = ChangePage()
        page.add(.delete, key: #"{"k":"a!"}"#, image: nil)
        try target.apply(page)
        #expect(try target.database.rows("SELECT k FROM t") == [[.string("b!")]])
    }

    @Test("invariant 7: tables of two schemas are not mixed into one")
    func twoSchemas() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        let one = TypedPage(columns: [("id", "integer")], key: ["id"]).table
        let other = TypedPage(schema: "audit", columns: [("id", "integer")], key: ["id"]).table
        let tables = [one, other].map { SourceTable(name: $0.name, columns: $0.columns, keyColumns: ["id"], encoding: .typedText) }
        let found = try SQLiteTargetAdministration(path: target.replica.targetPath).check(tables)
        #expect(found.contains { $0.severity == .problem && $0.remedy.contains("--exclude public.t") })
    }
}
