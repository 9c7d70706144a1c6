import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Rows on their way from one file to another.
@Suite struct RowCopyTests {
    static let values: [SQLiteValue] = TargetTests.values + [
        .real(-0.0), .real(0.0), .integer(1 << 40), .integer(Int64(Int32.max) + 1), .integer(Int64(Int32.min)), .real(-1),
        .text([0]), .text(Array("é\u{0}😀".utf8)), .text([0xC3]), .blob([0]), .string("{\"t\":\"41\"}"),
    ]

    /// A value with its bits: -0.0 equals 0.0.
    static func spelled(_ value: SQLiteValue) -> String {
        if case .real(let number) = value { return "real \(number.bitPattern)" }
        return "\(value)"
    }

    @Test("invariant 4: the native form keeps every value bit for bit, and so do changes", arguments: [true, false])
    func everyValue(isNative: Bool) throws {
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v, w BLOB); CREATE TABLE k (v, w)")
        for (id, value) in Self.values.enumerated() {
            _ = try scene.replica.source.rows("INSERT INTO t VALUES (?, ?, ?)", [.integer(Int64(id) - 5), value, Self.values[(id * 7) % Self.values.count]])
            _ = try scene.replica.source.rows("INSERT INTO k VALUES (?, ?)", [value, value])
        }
        try scene.look()
        for name in ["t", "k"] {
            let table = try scene.table(name)
            #expect(try scene.target.form(of: table, from: "SQLite") == .native(columns: table.columns.map(\.name)))
            #expect(try scene.load(TablePart(table), as: isNative ? nil : .changes) == Int64(Self.values.count))
            let all = "SELECT * FROM \(name) ORDER BY rowid"
            #expect(try scene.replica.target.rows(all).map { $0.map(Self.spelled) } == scene.replica.source.rows(all).map { $0.map(Self.spelled) })
        }
    }

    @Test("images and keys are written as capture writes them, byte for byte but for -0.0")
    func imagesAreCaptures() throws {
        let scene = try RowScene("CREATE TABLE t (k NOT NULL, \"a \"\"b\\\" TEXT, v, PRIMARY KEY (v, k))".replacing(" TEXT, v,", with: " ANY, v NOT NULL,"))
        var random = SplitMix(state: 3)
        let values = Self.values + (0..<2000).map { _ in .real(Double(bitPattern: random.next())) } + (0..<500).map { _ in .integer(Int64(bitPattern: random.next() >> (random.next() % 64))) }
            + (0..<500).map { _ in .text((0..<6).map { _ in UInt8(truncatingIfNeeded: random.next()) % 128 }) }
        let insert = try scene.replica.source.prepare("INSERT OR REPLACE INTO t VALUES (?1, ?2, coalesce(?2, 0))")
        try scene.replica.source.execute("BEGIN")
        for (id, value) in values.enumerated() where Self.spelled(value) != Self.spelled(.real(-0.0)) {
            try insert.bind([.integer(Int64(id)), value])
            _ = try insert.step()
            insert.reset()
        }
        try scene.replica.source.execute("COMMIT")
        try scene.look()
        let table = try scene.table()
        let logged = try scene.replica.source.rows("SELECT key, image FROM data_changes ORDER BY key").map { ($0[0].string ?? "") + ($0[1].string ?? "") }
        let read = try scene.pages(TablePart(table), .changes).flatMap { page -> [String] in
            guard case .changes(let page) = page else { return [] }
            return zip(page.keys(), page.changes).map { $0 + String(decoding: page.bytes[$1.image ?? 0..<0], as: UTF8.self) }
        }
        #expect(read.count == values.count - 1 && Set(read) == Set(logged) && logged.count == read.count)
    }

    @Test("invariant 6: a page is bounded in rows and bytes, and one row may be larger")
    func pagesAreBounded() throws {
        let scene = try RowScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)",
            rows: """
                WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO t SELECT i, 'x' FROM n;
                INSERT INTO t VALUES (50001, zeroblob(9000000)), (50002, 'y'), (50003, zeroblob(3000000)), (50004, zeroblob(3000000)), (50005, 'z')
                """)
        let table = try scene.table()
        for form in [RowForm.changes, .native(columns: ["id", "v"])] {
            let pages = try scene.pages(TablePart(table, through: #"{"id":40000}"#), form)
            #expect(pages.map(\.rowCount) == [16_384, 16_384, 7_232])
        }
        let large = try scene.pages(TablePart(table, after: #"{"id":40000}"#), .native(columns: ["id", "v"]))
        #expect(large.map(\.rowCount) == [1, 3, 1])
        try scene.load(TablePart(table))
        #expect(try scene.replica.isEqual())
    }

    static let keyed: [(schema: String, key: [String], plan: String)] = [
        ("CREATE TABLE t (id INTEGER PRIMARY KEY, a, v)", ["id"], "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        ("CREATE TABLE t (id INTEGER NOT NULL, a INTEGER NOT NULL, v, PRIMARY KEY (a, id))", ["a", "id"], "(a,id)>"),
        ("CREATE TABLE t (id INTEGER NOT NULL, a TEXT COLLATE NOCASE NOT NULL, v, PRIMARY KEY (a, id)) WITHOUT ROWID", ["a", "id"], "(a,id)>"),
        ("CREATE TABLE t (id TEXT NOT NULL UNIQUE COLLATE NOCASE, a, v)", ["id"], "(id>? AND id<?)"),
        ("CREATE TABLE t (id INT NOT NULL, a NOT NULL, v); CREATE UNIQUE INDEX u ON t (a DESC, id DESC)", ["a", "id"], "(a,id)<"),
        ("CREATE TABLE t (id NOT NULL, a NOT NULL, v); CREATE UNIQUE INDEX u ON t (a COLLATE NOCASE, id)", ["a", "id"], "(a,id)>"),
        ("CREATE TABLE t (id REAL NOT NULL PRIMARY KEY, a, v) STRICT", ["id"], "(id>? AND id<?)"),
    ]

    @Test("parts between keys hold every row once, whatever the key, and are found by its index", arguments: keyed.indices)
    func parts(_ index: Int) throws {
        var (schema, key, plan) = Self.keyed[index]
        if schema.contains("STRICT") { schema = schema.replacing("a, v)", with: "a ANY, v ANY)") }
        let scene = try RowScene(
            schema,
            rows: """
                WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                INSERT INTO t (id, a, v) SELECT i * 3, CASE i % 3 WHEN 0 THEN i / 100 WHEN 1 THEN 'Key ' || (i / 10) ELSE 'kEY ' || char(65 + i % 26) END, i FROM n
                """.replacing("CASE i % 3 WHEN 0 THEN i / 100 WHEN 1 THEN 'Key ' || (i / 10) ELSE 'kEY ' || char(65 + i % 26) END", with: index == 1 ? "i % 7" : "CASE i % 3 WHEN 0 THEN i / 100 WHEN 1 THEN 'Key ' || (i / 10) ELSE 'kEY ' || char(65 + i % 26) END"))
        let table = try scene.table()
        #expect(table.keyColumns == key)
        var parts: [TablePart] = []
        var after: String?
        repeat {
            let through = try scene.source.key(in: TablePart(table, after: after), afterRows: 150)
            parts.append(TablePart(table, after: after, through: through))
            after = through
        } while after != nil
        #expect(parts.count == 7)
        let images = try parts.map { try scene.images($0) }
        #expect(images.map(\.count) == [150, 150, 150, 150, 150, 150, 100])
        #expect(images.joined().sorted() == (try scene.images(TablePart(table)).sorted()))
        let rows = try TableRows(table, in: scene.replica.source, role: .source)
        let condition = try rows.condition(of: parts[2])
        let explained = try scene.replica.source.rows("EXPLAIN QUERY PLAN SELECT 1 FROM \(rows.quotedName) WHERE \(condition.sql)", condition.values)
        #expect(explained.contains { $0[3].string?.contains(plan) == true }, "\(explained.map { $0[3].string ?? "" })")
        // As many rows as there are, or fewer: no key.
        #expect(try scene.source.key(in: parts[6], afterRows: 100) == nil && scene.source.key(in: parts[6], afterRows: 99) != nil)
        for part in parts { try scene.load(part) }
        #expect(try scene.replica.isEqual())
    }

    @Test("keys are read as people and engines write them")
    func keysAreRead() throws {
        let scene = try RowScene(
            "CREATE TABLE t (id INTEGER NOT NULL, a TEXT NOT NULL, r REAL NOT NULL, b NOT NULL, PRIMARY KEY (id, a, r, b))",
            rows: #"INSERT INTO t VALUES (5, 'é"\', 2.0, x'0041'), (6, '7', 0.5, 7)"#)
        let table = try scene.table()
        let spellings = [
            #"{"id":5,"a":{"t":"C3A9225C"},"r":2.0e+00,"b":{"x":"0041"}}"#,
            #" { "a" : "\u00e9\"\\" , "r":"2", "id" : "5" , "b" : {"x":"0041"} } "#,
        ]
        for spelling in spellings {
            let page = try scene.changes([spelling], of: table)
            #expect(page.changes.map(\.operation) == [.update] && page.keys() == [spellings[0]])
        }
        // Where a column converts nothing, a text is not the number that it looks like.
        let page = try scene.changes([#"{"id":6,"a":7,"r":0.5,"b":"7"}"#, #"{"id":6,"a":7,"r":0.5,"b":7}"#], of: table)
        #expect(page.changes.map(\.operation) == [.delete, .update])
        #expect(page.keys()[0] == #"{"id":6,"a":"7","r":5.0e-01,"b":"7"}"#)
        for wrong in ["", "{}", #"{"id":5}"#, #"{"id":5,"a":"x","r":1,"b":2,"c":3}"#, #"{"id":5,"a":"x","r":1,"b":2"#, #"{"id":5 6,"a":"x","r":1,"b":2}"#, "[1]", #"{"id":1,"a":"\ud83d","r":1,"b":2}"#] {
            #expect(errorOf { _ = try scene.changes([wrong], of: table) }?.key == wrong)
        }
    }

    @Test("tables as wide as SQLite allows are copied and compared")
    func wideTables() throws {
        let columns = (0..<1990).map { "c\($0)" }.joined(separator: ",")
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, \(columns)); CREATE TABLE k (\(columns))", rows: "INSERT INTO t (id, c1989) VALUES (1, 'x'), (2, 'y'); INSERT INTO k (c0) VALUES (1)")
        for name in ["t", "k"] {
            let table = try scene.table(name)
            #expect(try scene.source.size(of: table).rows == (name == "t" ? 2 : 1))
            try scene.load(TablePart(table))
            try scene.load(TablePart(table), as: .changes)
            try scene.replica.target.execute(name == "t" ? "UPDATE t SET c1989 = 'z' WHERE id = 2" : "UPDATE k SET c1989 = 0")
            try scene.reader.hold([table], at: scene.cursor)
            guard case .changes(let page)? = try scene.pages(TablePart(table), .changes).first else { continue }
            var found = try scene.reader.compare(page, of: table)
            var next = [page].makeIterator()
            try scene.reader.extras(TablePart(table), besides: { next.next() }) { found.append($0) }
            scene.reader.release()
            #expect(found.map(\.columns) == (name == "t" ? [["c1989"]] : [[], []]) && Set(found.map(\.count)) == (name == "t" ? [1] : [1, 2]))
        }
    }

    @Test("A7: what is held sees nothing that commits later, nor what is altered")
    func hold() throws {
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", rows: "INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        #expect(scene.position.snapshot == .change(2) && scene.position.share == nil && scene.source.holdMaxMs == 2_000)
        let table = try scene.table()
        try scene.replica.source.execute("INSERT INTO t VALUES (3, 'c'); UPDATE t SET v = 'x' WHERE id = 1; ALTER TABLE t ADD COLUMN w DEFAULT 9")
        #expect(try scene.images(TablePart(table)) == [#"{"id":1,"v":"a"}"#, #"{"id":2,"v":"b"}"#])
        #expect(try scene.source.isInTheWay() == false)
        try scene.look()
        #expect(scene.position.snapshot == .change(4))
        #expect(try scene.images(TablePart(table)) == [#"{"id":1,"v":"x"}"#, #"{"id":2,"v":"b"}"#, #"{"id":3,"v":"c"}"#])
        scene.source.release()
        scene.source.release()
        #expect(errorOf { try scene.source.join(scene.position) } != nil)
        let plain = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY)", mode: "DELETE")
        #expect(plain.position.snapshot == .change(0) && plain.source.holdMaxMs == 100)
        plain.source.release()
        try plain.replica.source.execute("INSERT INTO t VALUES (1)")
    }

    @Test("a condition is read before anything rests on it")
    func conditions() throws {
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", rows: "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        let table = try scene.table()
        for wrong in ["v >", "absent = 1", "1); DELETE FROM t; --", "1) UNION SELECT 1; SELECT (1", "id = ?", "", "id = 1; DELETE FROM t", "no_function(id)", "id = 1 \u{0}"] {
            let error = try #require(errorOf { try scene.source.check(condition: wrong, of: table) })
            #expect(error.retry == .never && error.why.contains(wrong) && error.remedy.contains("WHERE") && error.table == table.name)
        }
        #expect(errorOf { try scene.source.check(condition: "absent = 1", of: table) }?.why == "“absent = 1”: SQLite says: no such column: absent")
        for (right, ids) in [("id <> 2 -- the second", ["1", "3"]), ("id = 1 OR t.v = 'b'", ["1", "2"]), ("v IN (SELECT 'c')", ["3"])] {
            try scene.source.check(condition: right, of: table)
            var part = TablePart(table)
            part.condition = right
            #expect(try scene.images(part).map { String($0.dropFirst(6).prefix(1)) } == ids)
            part.through = #"{"id":2}"#
            #expect(try scene.images(part).count == ids.filter { $0 != "3" }.count)
        }
        #expect(try scene.replica.source.rows("SELECT count(*) FROM t") == [[.integer(3)]])
    }

    @Test("a table's size is estimated without reading it")
    func sizes() throws {
        let series = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
        let scene = try RowScene(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE w (id TEXT PRIMARY KEY, v) WITHOUT ROWID;
            CREATE TABLE s (id INTEGER PRIMARY KEY, v); CREATE TABLE e (id INTEGER PRIMARY KEY)
            """,
            rows: """
                \(series) INSERT INTO t SELECT i, '0123456789' FROM n; \(series) INSERT INTO w SELECT i, 'x' FROM n;
                \(series) INSERT INTO s SELECT i * 1000000000000, 'x' FROM n; ANALYZE
                """)
        let size = try scene.source.size(of: scene.table())
        #expect(size.rows == 30_000 && (10 * 30_000...20 * 30_000).contains(size.bytes))
        #expect(try scene.source.size(of: scene.table("w")).rows == 30_000)
        #expect(try scene.source.size(of: scene.table("s")).rows == 30_000)
        #expect(try scene.source.size(of: scene.table("e")).rows == 0)
        scene.source.release()
        try scene.replica.source.execute("DROP TABLE sqlite_stat1")
    }

    @Test("what keys are ordered by is said, so that two sides can agree")
    func orders() throws {
        let scene = try RowScene(
            """
            CREATE TABLE t (id INTEGER PRIMARY KEY); CREATE TABLE s (a INT NOT NULL, b TEXT COLLATE NOCASE NOT NULL, PRIMARY KEY (a, b)) STRICT;
            CREATE TABLE n (a INT NOT NULL PRIMARY KEY); CREATE TABLE k (a)
            """)
        #expect(try scene.source.keyOrder(of: scene.table()) == ["integer"])
        #expect(try scene.source.keyOrder(of: scene.table("s")) == ["integer", "sqlite/NOCASE/text"])
        #expect(try scene.reader.keyOrder(of: scene.table("n")) == ["sqlite/BINARY/integer"])
        #expect(try scene.source.keyOrder(of: scene.table("k")).isEmpty)
    }
}
