import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Two SQLite databases compared by digests.
@Suite struct DigestTests {
    static let count = 400

    /// The source's rows on both sides.
    static func scene(_ schema: String, target: String? = nil, columns: String = "*") throws -> RowScene {
        let scene = try RowScene(
            schema, target: target,
            rows: "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(count)) INSERT INTO t SELECT i, 'name ' || (i % 50), i * 0.5, i % 3 FROM n")
        try scene.load(TablePart(scene.table()))
        try scene.look()
        return scene
    }

    /// The keys in which the two sides differ, found as verify finds them.
    static func differing(_ scene: RowScene, _ part: TablePart, buckets: Int = 16) throws -> Set<String> {
        try scene.reader.hold([part.table], at: scene.cursor)
        defer { scene.reader.release() }
        let (here, there) = (try scene.source.digests(of: part, buckets: buckets), try scene.reader.digests(of: part, buckets: buckets))
        let chosen = Set((0..<buckets).filter { here[$0] != there[$0] })
        var rows: [Set<RowFingerprint>] = [[], []]
        try scene.source.list(part, buckets: buckets, chosen: chosen) { rows[0].insert($0) }
        try scene.reader.list(part, buckets: buckets, chosen: chosen) { rows[1].insert($0) }
        return Set(rows[0].symmetricDifference(rows[1]).map(\.key))
    }

    @Test("equal rows have equal digests, whatever their order and the order of the columns")
    func equal() throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, r REAL, x, g AS (name || r))"
        let scene = try Self.scene(schema, target: "CREATE TABLE t (x, own, r REAL, id INTEGER PRIMARY KEY, name TEXT, g AS (name || r))")
        let table = try scene.table()
        for part in [TablePart(table), TablePart(table, after: #"{"id":7}"#, through: #"{"id":"250"}"#)] {
            try scene.reader.hold([table], at: scene.cursor)
            let here = try scene.source.digests(of: part, buckets: 16)
            #expect(try scene.reader.digests(of: part, buckets: 16) == here && here.count == 16)
            #expect(here.values.reduce(0) { $0 + $1.rows } == (part.after == nil && part.through == nil ? 400 : 243))
            #expect(try scene.reader.count(part) == (part.after == nil && part.through == nil ? 400 : 243))
            scene.reader.release()
            #expect(try Self.differing(scene, part).isEmpty)
        }
        var part = TablePart(table)
        part.condition = "x = 1"
        try scene.reader.hold([table], at: scene.cursor)
        #expect(try scene.reader.digests(of: part, buckets: 1) == scene.source.digests(of: part, buckets: 1))
    }

    static let edits: [(before: String, after: String)] = [
        ("1", "1.0"), ("1", "'1'"), ("'1'", "x'31'"), ("0.0", "-0.0"), ("NULL", "''"), ("NULL", "0"), ("''", "x''"),
        ("'a'", "'A'"), ("'a'", "'a' || char(0)"), ("'ab' || char(0)", "'ab'"), ("x'00'", "x'0000'"), ("x'00'", "x''"),
        ("9007199254740993", "9007199254740992"), ("0.1", "0.1 + 1e-17 + 0.00000000000000002"), ("'12345678'", "'123456789'"),
        ("'12345678a'", "'12345678b'"), ("CAST(x'FF' AS TEXT)", "CAST(x'FE' AS TEXT)"), ("9e999", "-9e999"), ("'é'", "'e' || char(769)"),
    ]

    @Test("invariant 4: every difference of one value is found, and only its row", arguments: edits.indices)
    func oneValue(_ index: Int) throws {
        let scene = try Self.scene("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, r REAL, x)")
        let table = try scene.table()
        let (before, after) = Self.edits[index]
        try scene.replica.source.execute("UPDATE t SET x = \(before) WHERE id = 123")
        try scene.look()
        try scene.replica.target.execute("UPDATE t SET x = \(before) WHERE id = 123")
        #expect(try Self.differing(scene, TablePart(table)).isEmpty)
        try scene.replica.target.execute("UPDATE t SET x = \(after) WHERE id = 123")
        let key = #"{"id":123}"#
        #expect(try Self.differing(scene, TablePart(table)) == [key])
        let here = try scene.source.columnHashes(of: table, keys: [key, #"{"id":9999}"#])
        let there = try scene.reader.columnHashes(of: table, keys: [key])
        #expect(here.count == 1)
        let differs = zip(try #require(here[key]), try #require(there[key])).map { $0 != $1 }
        #expect(differs == [false, false, false, true])
    }

    @Test("rows that are missing, extra or differ are listed, exactly they", arguments: ["INTEGER PRIMARY KEY", "TEXT COLLATE NOCASE NOT NULL PRIMARY KEY", "NOT NULL UNIQUE"])
    func lists(key: String) throws {
        let scene = try Self.scene("CREATE TABLE t (id \(key), name TEXT, r REAL, x)")
        let table = try scene.table()
        try scene.replica.target.execute("DELETE FROM t WHERE id = '17' OR id = 17; UPDATE t SET name = '?' WHERE id IN (5, '5', 400, '400'); INSERT INTO t VALUES (1000, 'a', 1, 1)")
        let ids = ["17", "5", "400", "1000"].map { key.contains("TEXT") ? "\"\($0)\"" : $0 }
        #expect(try Self.differing(scene, TablePart(table)) == Set(ids.map { "{\"id\":\($0)}" }))
        // What was found can be asked for, and repairs the target.
        let changes = try scene.changes(ids.map { "{\"id\":\($0)}" }, of: table)
        #expect(changes.changes.map(\.operation) == [.update, .update, .update, .delete])
        try scene.target.repair([], of: table, with: changes, at: scene.cursor)
        #expect(try Self.differing(scene, TablePart(table)).isEmpty && scene.replica.isEqual())
    }

    @Test("a key that differs in its case only is another key")
    func caseOfKeys() throws {
        let scene = try RowScene("CREATE TABLE t (id TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, v)", rows: "INSERT INTO t VALUES ('Ab', 1), ('c', 2)")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES ('aB', 1), ('c', 2)")
        let keys = try Self.differing(scene, TablePart(table))
        #expect(keys == [#"{"id":"Ab"}"#, #"{"id":"aB"}"#])
        for order in [keys.sorted(), keys.sorted().reversed()] {
            try scene.replica.target.execute("UPDATE t SET id = 'aB' WHERE id = 'ab'")
            try scene.target.repair([], of: table, with: try scene.changes(order, of: table), at: scene.cursor)
            #expect(try scene.replica.isEqual())
        }
    }

    @Test("B7: whole rows are counted")
    func wholeRows() throws {
        let scene = try RowScene("CREATE TABLE t (v, w)", rows: "INSERT INTO t VALUES (1, 'a'), (1, 'a'), (1.0, 'a'), (NULL, NULL)")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 'a'), (1, 'a'), (1, 'a'), (NULL, NULL)")
        try scene.reader.hold([table], at: scene.cursor)
        let part = TablePart(table)
        let (here, there) = (try scene.source.digests(of: part, buckets: 64), try scene.reader.digests(of: part, buckets: 64))
        #expect(here != there)
        var (ours, theirs): ([String], [String]) = ([], [])
        let all = Set(0..<64)
        try scene.source.list(part, buckets: 64, chosen: all) { ours.append($0.key) }
        try scene.reader.list(part, buckets: 64, chosen: all) { theirs.append($0.key) }
        #expect(ours.sorted() == [#"{"v":1,"w":"a"}"#, #"{"v":1,"w":"a"}"#, #"{"v":1.0e+00,"w":"a"}"#, #"{"v":null,"w":null}"#])
        #expect(theirs.sorted() == [#"{"v":1,"w":"a"}"#, #"{"v":1,"w":"a"}"#, #"{"v":1,"w":"a"}"#, #"{"v":null,"w":null}"#])
    }

    @Test("rows whose key is NULL on the target belong to one part, and one only")
    func nullKeys() throws {
        let scene = try RowScene(
            "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, v, PRIMARY KEY (a, b))",
            target: "CREATE TABLE t (a INT, b INT, v, UNIQUE (a, b))", rows: "INSERT INTO t VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (NULL, 2, 0), (2, NULL, 0), (9, NULL, 0), (2, 2, 2), (3, 3, 3)")
        try scene.reader.hold([table], at: scene.cursor)
        let middle = #"{"a":2,"b":2}"#
        let parts = [TablePart(table, through: middle), TablePart(table, after: middle)]
        #expect(try parts.map { try scene.reader.count($0) } == [4, 1])
        #expect(try scene.reader.count(TablePart(table)) == 5)
    }

    @Test("random differences are found alike by digests and by comparison, and repaired", arguments: UInt64(1)...24)
    func randomDifferences(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let (columns, constraint) = Self.keyed[Int(seed) % Self.keyed.count]
        let scene = try RowScene("CREATE TABLE t (\(columns), v, w TEXT\(constraint)")
        func fill(_ database: SQLiteDatabase, _ count: Int, _ random: inout SplitMix) throws {
            for _ in 0..<count {
                let k = columns.contains("INTEGER") ? SQLiteValue.integer(Int64.random(in: 0..<60, using: &random)) : Self.some(&random)
                let row = [k, Self.some(&random), RowCopyTests.values.randomElement(using: &random) ?? .null, .string("w\(Int.random(in: 0..<3, using: &random))")]
                _ = try? database.rows("INSERT OR REPLACE INTO t VALUES (?, ?, ?, ?)", row)
            }
        }
        try fill(scene.replica.source, 120, &random)
        try scene.look()
        let table = try scene.table()
        try scene.load(TablePart(table))
        #expect(try Self.differing(scene, TablePart(table)).isEmpty)
        try fill(scene.replica.target, 20, &random)
        try scene.replica.target.execute("DELETE FROM t WHERE abs(random()) % 10 = 0; UPDATE t SET v = 1, w = 'x' WHERE abs(random()) % 10 = 0")
        let found = try Self.differing(scene, TablePart(table))
        try scene.reader.hold([table], at: scene.cursor)
        var compared: [RowDifference] = []
        var pages: [ChangePage] = []
        try scene.source.read(TablePart(table), as: .changes) { if case .changes(let page) = $0 { pages.append(page) } }
        for page in pages { compared += try scene.reader.compare(page, of: table) }
        var next = pages.makeIterator()
        try scene.reader.extras(TablePart(table), besides: { next.next() }) { compared.append($0) }
        scene.reader.release()
        #expect(Set(compared.map(\.key)) == found && compared.count == found.count)
        try scene.target.repair(compared, of: table, with: try scene.changes(found.shuffled(using: &random), of: table), at: scene.cursor)
        #expect(try Self.differing(scene, TablePart(table)).isEmpty && scene.replica.isEqual())
    }

    static let keyed = [
        ("a INTEGER PRIMARY KEY, b", ")"), ("a INT NOT NULL, b NOT NULL", ", PRIMARY KEY (a, b))"), ("a NOT NULL, b", ", PRIMARY KEY (a))"),
        ("a TEXT COLLATE NOCASE NOT NULL, b TEXT NOT NULL", ", UNIQUE (b, a))"), ("a, b NOT NULL", ", PRIMARY KEY (b, a)) WITHOUT ROWID"),
        ("a NOT NULL COLLATE NOCASE, b REAL NOT NULL", ", PRIMARY KEY (a, b)) WITHOUT ROWID"),
    ]

    private static func some(_ random: inout SplitMix) -> SQLiteValue {
        let number = Int64.random(in: 0..<12, using: &random)
        return [.integer(number), .real(Double(number)), .real(Double(number) + 0.5), .string("k\(number)"), .string("K\(number)"), .string("\(number)"), .blob([UInt8(number)])].randomElement(using: &random) ?? .null
    }
}
