import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

extension TableRules {
    /// One rule, for all tables.
    init(shaping: (inout TableShaping) -> Void) {
        var rule = TableRule(TablePattern("*"))
        shaping(&rule.shaping)
        self.init([rule])
    }
}

extension TableShaping {
    mutating func set(_ column: String, _ sql: String) { expressions.append(Expression(column: column, sql: sql)) }
}

@Suite("Shaping a SQLite source")
struct ShapingTests {
    /// Values that are easily lost on their way, for a column that takes anything.
    static let values = [
        "NULL", "0", "-9223372036854775808", "9223372036854775807", "0.1", "1e308", "9e999", "-9e999", "4.9e-324", "12345678901234567.0", "''", "'12'",
        "'a\"b\\c'", "'é𝄞'", "CAST(x'6100620A' AS TEXT)", "CAST(x'C328FF' AS TEXT)", "x''", "x'00FF27'", "'{\"t\":\"41\"}'", "'1e999'", "'null'",
    ]

    @Test("values of every storage class survive shaping bit for bit, by the log and by both forms of a copy")
    func values() throws {
        let rules = TableRules { shaping in
            (shaping.renamedColumns, shaping.omitted, shaping.target) = (["v": "the \"v\""], ["gone"], "u")
            shaping.set("copy", "v")
            shaping.set("kind", "typeof(v)")
        }
        let scene = try RowScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, gone)", target: #"CREATE TABLE u (id INTEGER PRIMARY KEY, "the ""v""", copy, kind)"#, rules: rules)
        let rows = Self.values.enumerated().map { "(\($0), \($1), 1)" }.joined(separator: ", ")
        try scene.replica.source.execute("INSERT INTO t VALUES \(rows)")
        func expectEqual(_ note: Comment) throws {
            let columns = #"'{"id":' || id || '}', hex("the ""v"""), typeof("the ""v"""), quote("the ""v"""), hex(copy), kind = typeof(copy)"#
            let expected = try scene.replica.source.rows(
                #"SELECT '{"id":' || id || '}', hex(v), typeof(v), quote(v), hex(v), 1 FROM t ORDER BY id"#)
            #expect(try scene.replica.target.rows("SELECT \(columns) FROM u ORDER BY id") == expected, note)
            #expect(expected.count == Self.values.count)
        }
        try scene.replica.replicate()
        try expectEqual("by the log")
        for form in [RowForm.changes, nil] {
            try scene.look()
            try scene.replica.target.execute("DELETE FROM u")
            try scene.load(TablePart(scene.table()), as: form)
            try expectEqual("as \(String(describing: form))")
        }
    }

    @Test("a row that leaves the filter is deleted, one that enters inserted, whatever moves it")
    func borders() throws {
        let replica = try Replica(
            "CREATE TABLE t (id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, region TEXT COLLATE NOCASE, n UNIQUE)",
            target: "CREATE TABLE t (code TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, n)", setUp: true)
        replica.rules = TableRules { shaping in
            // As the table compares, whatever it is written like; and NULL is not fulfilled.
            shaping.filter = "region = 'eu' and t.n > '0' -- not more"
            (shaping.omitted, shaping.renamedColumns) = (["region"], ["ID": "code"])
        }
        func expect(_ sql: String, _ rows: [String]) throws {
            try replica.source.execute(sql)
            try replica.replicate()
            #expect(try replica.target.rows("SELECT code || n FROM t ORDER BY 1").map { $0[0].string ?? "" } == rows, "\(sql)")
        }
        try expect("INSERT INTO t VALUES ('a', 'EU', '1'), ('b', 'us', '2'), ('c', NULL, '3'), ('d', 'eU', '4'), ('e', 'eu', 5)", ["a1", "d4"])
        try expect("UPDATE t SET region = 'US' WHERE id = 'a'; UPDATE t SET region = 'Eu' WHERE id = 'b'", ["b2", "d4"])
        try expect("UPDATE t SET id = 'z' WHERE id = 'b'; UPDATE t SET id = 'y', region = NULL WHERE id = 'd'", ["z2"])
        try expect("UPDATE t SET id = 'Z' WHERE id = 'z'; UPDATE t SET id = 'D', region = 'EU' WHERE id = 'y'", ["D4", "Z2"])
        try expect("REPLACE INTO t VALUES ('q', 'US', '2')", ["D4"])
        try expect("REPLACE INTO t VALUES ('r', 'EU', '2'), ('d', 'US', '4')", ["r2"])
        try expect("BEGIN; DELETE FROM t; INSERT INTO t VALUES ('k', 'eu', '7'); COMMIT", ["k7"])
        try expect("DELETE FROM t", [])
    }

    @Test("keys of several columns travel under other names, without a rowid, and computed columns as they are computed")
    func keys() throws {
        let replica = try Replica(
            "CREATE TABLE t (a, b BLOB, v INT, g AS (v * 2) STORED, PRIMARY KEY (b, a)) WITHOUT ROWID",
            target: "CREATE TABLE t (b, two BLOB, v INT, twice, PRIMARY KEY (two, b)) WITHOUT ROWID")
        // The names change places.
        replica.rules = TableRules { $0.renamedColumns = ["a": "b", "b": "two", "g": "twice"] }
        try replica.source.execute(
            """
            INSERT INTO t (a, b, v) VALUES (1, x'00', 1), (1.0, x'0001', 2), ('1', '', 3), ('a,"}', x'', 4), ('{"x":"00"}', 'ü', 5), (CAST(x'FF00' AS TEXT), -1, 6)
            """)
        func expectEqual() throws {
            let shaped = "quote(two), quote(b), typeof(b), hex(b), v, twice FROM t ORDER BY v"
            let own = "quote(b), quote(a), typeof(a), hex(a), v, g FROM t ORDER BY v"
            #expect(try replica.target.rows("SELECT \(shaped)") == replica.source.rows("SELECT \(own)"))
        }
        try replica.replicate()
        try expectEqual()
        try replica.source.execute("DELETE FROM t WHERE v = 4 OR v = 6; UPDATE t SET v = v + 10; UPDATE t SET a = 'other' WHERE v = 13")
        try replica.replicate()
        try expectEqual()
    }

    @Test("rows without a key are shaped as a whole")
    func wholeRows() throws {
        let replica = try Replica("CREATE TABLE t (a, b, c)", target: "CREATE TABLE t (a, c)")
        replica.rules = TableRules { shaping in
            (shaping.filter, shaping.columns) = ("b > 0", ["a"])
            shaping.set("c", "upper(c)")
        }
        try replica.source.execute("INSERT INTO t VALUES (1, 1, 'x'), (1, 2, 'X'), (2, 0, 'y'), (3, 5, 'z')")
        try replica.replicate()
        #expect(try Replica.rows(replica.target, "t") == [#"{"a":1,"c":"X"}"#: 2, #"{"a":3,"c":"Z"}"#: 1])
        try replica.source.execute("DELETE FROM t WHERE b = 2; UPDATE t SET b = 1 WHERE a = 2; UPDATE t SET b = 0 WHERE a = 3")
        try replica.replicate()
        #expect(try Replica.rows(replica.target, "t") == [#"{"a":1,"c":"X"}"#: 1, #"{"a":2,"c":"Y"}"#: 1])
    }

    @Test("what is set instead of a value is what the column would hold of it")
    func stored() throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, i INTEGER, r REAL, x TEXT, n NUMERIC, v)"
        let columns = ["i", "r", "x", "n", "v"]
        for value in Self.values + ["' 12 '", "'1e3'", "'0x10'", "-0.0", "3.0", "9223372036854775807.0"] {
            let replica = try Replica(schema)
            replica.rules = TableRules { shaping in for column in columns { shaping.set(column, value) } }
            try replica.source.execute("INSERT INTO t (id) VALUES (1)")
            try replica.replicate()
            try replica.source.execute("UPDATE t SET \(columns.map { "\($0) = \(value)" }.joined(separator: ", "))")
            #expect(try replica.isEqual(), "\(value)")
        }
    }

    @Test("a generation that lacks a column is shaped as its rows were: without it")
    func retiredGeneration() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", target: "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w, x)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'); ALTER TABLE t ADD COLUMN w COLLATE NOCASE")
        _ = try SQLiteSourceAdministration(path: replica.sourcePath).install(CaptureRequest(pipeline: "main"))
        try replica.source.execute("INSERT INTO t VALUES (3, 'c', 'GONE'), (4, 'd', 'here'); UPDATE t SET w = 'gone' WHERE id = 2")
        replica.rules = TableRules { shaping in
            shaping.filter = "w IS NOT 'Gone'"
            shaping.set("x", "coalesce(w, 'none') || v")
        }
        try replica.replicate()
        let rows = try replica.target.rows("SELECT id, v, w, x FROM t ORDER BY id")
        #expect(rows == [[.integer(1), .string("a"), .null, .string("nonea")], [.integer(4), .string("d"), .string("here"), .string("hered")]])
    }

    @Test("a row that an expression cannot take stops the pipeline, and is named")
    func valueFault() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        replica.rules = TableRules { $0.set("v", "json_extract(v, '$.a')") }
        try replica.source.execute("INSERT INTO t VALUES (1, '{\"a\":5}'), (2, 'no json')")
        let error = try #require(errorOf { try replica.replicate() })
        #expect(error.key == #"{"id":2}"# && error.changeID == 2 && error.table?.name == "t")
        #expect(error.why.contains("malformed JSON") && error.remedy.contains("CASE"))
        try replica.source.execute("UPDATE t SET v = '{}' WHERE id = 2")
        #expect(errorOf { try replica.replicate() }?.key == #"{"id":2}"#)
        replica.crash()
        replica.rules = TableRules { $0.set("v", "CASE WHEN json_valid(v) THEN json_extract(v, '$.a') END") }
        try replica.replicate()
        #expect(try Replica.rows(replica.target, "t") == [#"{"id":1,"v":5}"#: 1, #"{"id":2,"v":null}"#: 1])
    }

    @Test("only what a worker takes has to be shapeable")
    func untaken() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, tenant); CREATE TABLE u (id INTEGER PRIMARY KEY)")
        replica.rules = TableRules { $0.filter = "tenant = 1" }
        try replica.source.execute("INSERT INTO t VALUES (1, 1), (2, 2); INSERT INTO u VALUES (1)")
        let source = try replica.openSource()
        let tables = try source.capturedTables()
        let window = try #require(try replica.windows().last)
        func read(_ table: String) throws -> Int {
            var count = 0
            try source.read(window, captures: tables.filter { $0.name.name == table }.map(\.capture)) { count += $0.changes.count }
            return count
        }
        #expect(try read("t") == 2)
        let error = try #require(errorOf { _ = try read("u") })
        #expect(error.table?.name == "u" && error.why.contains("no such column: tenant"))
        let rows = try SQLiteRowSource(path: replica.sourcePath)
        try rows.shape(replica.rules)
        let position = try rows.hold([])
        let other = try #require(position.tables.first { $0.name.name == "u" })
        #expect(errorOf { try rows.read(TablePart(other), as: .changes) { _ in } }?.table?.name == "u")
    }

    @Test("numbers of rows follow under the target's names")
    func numbers() throws {
        let replica = try Replica(
            "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)", target: "CREATE TABLE u (nr INTEGER PRIMARY KEY AUTOINCREMENT, v)")
        replica.rules = TableRules { ($0.target, $0.renamedColumns) = ("u", ["id": "nr"]) }
        try replica.source.execute("INSERT INTO t VALUES (7, 1); INSERT INTO t VALUES (90, 2); DELETE FROM t WHERE id = 90")
        try replica.replicate()
        try replica.target.execute("INSERT INTO u (v) VALUES (3)")
        #expect(try replica.target.rows("SELECT nr FROM u ORDER BY nr") == [[.integer(7)], [.integer(91)]])
    }
}
