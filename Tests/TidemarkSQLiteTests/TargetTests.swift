import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

@Suite struct TargetTests {
    static let values: [SQLiteValue] = [
        .null, .integer(.min), .integer(.max), .integer(0), .integer(-1), .real(1), .real(0.1), .real(-2.5e-308),
        .real(0.1 + 0.2), .real(1.7976931348623157e308), .real(.infinity), .real(-.infinity), .real(.leastNonzeroMagnitude),
        .string(""), .string("1"), .string(" 1e3 "), .string("a\"b\\c\n\u{1}é😀"), .text([0x61, 0, 0x62]),
        .text([0xff, 0xc3, 0x28]), .blob([]), .blob([0, 1, 255]), .blob(Array("1".utf8)),
    ]

    @Test("invariant 4: every storage class arrives as it was, inserted, updated and in a key")
    func everyStorageClass() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE k (k NOT NULL PRIMARY KEY, v)")
        for (id, value) in Self.values.enumerated() {
            _ = try replica.source.rows("INSERT INTO t VALUES (?, ?)", [.integer(Int64(id)), value])
            if value != .null { _ = try replica.source.rows("REPLACE INTO k VALUES (?, ?)", [value, value]) }
        }
        try replica.replicate()
        #expect(try replica.isEqual() && replica.isEqual("k"))
        for (id, value) in Self.values.enumerated() {
            #expect(try replica.target.rows("SELECT v FROM t WHERE id = ?", [.integer(Int64(id))]) == [[value]])
        }
        for (id, value) in Self.values.reversed().enumerated() {
            _ = try replica.source.rows("UPDATE t SET v = ? WHERE id = ?", [value, .integer(Int64(id))])
            if id % 2 == 0 { _ = try replica.source.rows("DELETE FROM k WHERE k IS ?", [value]) }
        }
        try replica.replicate()
        #expect(try replica.isEqual() && replica.isEqual("k"))
    }

    @Test("invariant 4: random doubles arrive bit for bit")
    func doubles() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, a, r REAL)")
        var random = SplitMix(state: 5)
        var doubles: [Double] = []
        while doubles.count < 500 {
            let number = Double(bitPattern: random.next())
            if number.isFinite { doubles.append(number) }
        }
        for number in doubles { _ = try replica.source.rows("INSERT INTO t (a, r) VALUES (?, ?)", [.real(number), .real(number)]) }
        try replica.replicate()
        let arrived = try replica.target.rows("SELECT a, r FROM t ORDER BY id")
        #expect(arrived == doubles.map { [.real($0), .real($0)] })
    }

    @Test("invariant 4: -0.0 is kept where a column keeps it, and refused where it would become 0.0")
    func negativeZero() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, a, r REAL)")
        var page = TypedPage(columns: [("id", "integer"), ("a", "double precision")], key: ["id"])
        page.add(.insert, key: #"{"id":1}"#, image: #"{"id":1,"a":-0}"#)
        try target.apply(page)
        guard case .real(let number) = try target.database.rows("SELECT a FROM t")[0][0] else {
            Issue.record("no real")
            return
        }
        #expect(number == 0 && number.sign == .minus)
        var refused = TypedPage(columns: [("id", "integer"), ("r", "double precision")], key: ["id"])
        refused.add(.insert, key: #"{"id":2}"#, image: #"{"id":2,"r":-0}"#)
        #expect(errorOf { try target.apply(refused) }?.key == #"{"id":2}"#)
    }

    @Test("invariant 3: a window applied twice leaves the same rows")
    func idempotence() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'); UPDATE t SET v = 'c' WHERE id = 1; DELETE FROM t WHERE id = 2")
        _ = try replica.openTarget()
        let window = try #require(try replica.windows().first)
        try replica.apply(window)
        // A cursor put back by hand, as nothing of tidemark's does.
        try replica.target.execute("UPDATE tidemark_cursor SET snapshot = '0', witness = (SELECT source FROM tidemark_cursor)")
        replica.crash()
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("F1: rows that exchange unique values over two pages pass in the staged order")
    func uniqueSwap() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)")
        replica.limits.pageChangesMax = 1
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')")
        try replica.replicate()
        try replica.source.execute(
            "UPDATE t SET u = 'x' WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2; UPDATE t SET u = 'b' WHERE id = 3; UPDATE t SET u = 'c' WHERE id = 1")
        let window = try #require(try replica.windows().first)
        #expect(try replica.apply(window) == .paged)
        replica.limits.pageChangesMax = 100
        replica.crash()
        try replica.source.execute(
            "UPDATE t SET u = 'x' WHERE id = 1; UPDATE t SET u = 'c' WHERE id = 2; UPDATE t SET u = 'a' WHERE id = 1")
        _ = try replica.openTarget()
        let next = try #require(try replica.windows().first)
        #expect(try replica.apply(next) == .staged)
        #expect(try replica.isEqual())
    }

    @Test("F1: a clash that is the target's own stops, named")
    func realClash() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)")
        try replica.target.execute("INSERT INTO t VALUES (99, 'a')")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a')")
        let error = try #require(errorOf { try replica.replicate() })
        #expect(error.retry == .never && error.key == #"{"id":1}"# && error.changeID == 1)
        #expect(error.table?.name == "t" && error.remedy.contains("tidemark run"))
        #expect(try replica.target.rows("SELECT * FROM t") == [[.integer(99), .string("a")]])
        try replica.target.execute("DELETE FROM t")
        replica.crash()
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("B7: whole rows are found in any order, each once, by storage class", arguments: [ApplyOrder.paged, .staged])
    func wholeRows(order: ApplyOrder) throws {
        let replica = try Replica("CREATE TABLE t (a, b TEXT COLLATE NOCASE)")
        replica.limits.pageChangesMax = 3
        try replica.source.execute(
            "INSERT INTO t VALUES (1, 'x'), (1, 'x'), (1, 'X'), (1.0, 'x'), ('1', 'x'), (x'31', 'x'), (NULL, NULL), (NULL, NULL)")
        try replica.replicate()
        #expect(try replica.isEqual())
        try replica.source.execute(
            """
            DELETE FROM t WHERE rowid IN (1, 7); UPDATE t SET b = 'y' WHERE typeof(a) = 'real';
            UPDATE t SET a = 2 WHERE typeof(a) = 'text'; UPDATE t SET a = 3 WHERE a = 2 AND typeof(a) = 'integer';
            INSERT INTO t VALUES (5, 'z'); DELETE FROM t WHERE a = 5;
            """)
        let window = try #require(try replica.windows().first)
        try replica.apply(window, order: order)
        #expect(try replica.isEqual())
    }

    @Test("B7: many whole rows go in one pass, and one that is not there is named")
    func manyWholeRows() throws {
        let replica = try Replica("CREATE TABLE t (a, b, c)")
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400) INSERT INTO t SELECT i % 50, i % 7, NULL FROM n")
        try replica.replicate()
        try replica.source.execute("DELETE FROM t WHERE rowid % 3 = 0; UPDATE t SET c = a WHERE b = 2")
        try replica.replicate()
        #expect(try replica.isEqual())
        try replica.target.execute("DELETE FROM t WHERE b = 5")
        try replica.source.execute("DELETE FROM t WHERE b = 5")
        let error = try #require(errorOf { try replica.replicate() })
        #expect(error.retry == .never && error.table?.name == "t" && error.changeID != nil)
    }

    @Test("invariant 6: whole rows of many columns")
    func wideRows() throws {
        let columns = (0..<600).map { "c\($0)" }.joined(separator: ",")
        let replica = try Replica("CREATE TABLE t (\(columns))")
        try replica.source.execute("INSERT INTO t (c0, c599) VALUES (1, 'x'), (2, 'y'), (3, NULL)")
        try replica.replicate()
        try replica.source.execute("UPDATE t SET c7 = 1; DELETE FROM t WHERE c0 = 2")
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("B7: rows without key that hand on unique values")
    func keylessUnique() throws {
        let replica = try Replica("CREATE TABLE t (a, u UNIQUE)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, NULL)")
        try replica.replicate()
        try replica.source.execute("UPDATE t SET a = a + 10; UPDATE t SET u = 'c' WHERE a = 11; UPDATE t SET u = 'a' WHERE a = 12")
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("F3: keys that are equal under the index and differ in form", arguments: [
        "k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, v UNIQUE", "k NOT NULL PRIMARY KEY, v",
    ])
    func keyForms(columns: String) throws {
        let replica = try Replica("CREATE TABLE t (\(columns))")
        for sql in [
            "INSERT INTO t VALUES ('a', 1), (1, 2)", "UPDATE t SET k = 'A' WHERE k = 'a'",
            "REPLACE INTO t VALUES (1.0, 3)", "UPDATE t SET k = 1 WHERE k = 1; DELETE FROM t WHERE k = 'A'; INSERT INTO t VALUES ('a', 5)",
            "REPLACE INTO t VALUES ('A', 6); REPLACE INTO t VALUES ('a', 7)",
        ] {
            try? replica.source.execute(sql)
            try replica.replicate()
            #expect(try replica.isEqual())
        }
    }

    @Test("invariant 3: of two workers only the later one moves the cursor")
    func compareAndSet() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a')")
        _ = try replica.openTarget()
        let stale = try #require(replica.cursor)
        let window = try #require(try replica.openSource().windows(after: stale, taking: TakenTables(TableSelection()), upTo: nil).first)
        let second = try SQLiteTarget(path: replica.targetPath, pipeline: "main")
        let fresh = try second.takeOver(worker: "second")
        #expect(errorOf { try replica.apply(window) }?.what.contains("another worker") == true)
        #expect(try replica.target.rows("SELECT * FROM t").isEmpty)
        let moved = try second.apply(window, tables: [:], moving: fresh, order: .paged, nextPage: { nil })
        #expect(moved.snapshot == .change(1))
        #expect(errorOf { _ = try second.apply(window, tables: [:], moving: fresh, order: .paged, nextPage: { nil }) } != nil)
    }

    @Test("invariant 3: what fails inside a window leaves rows and cursor together")
    func failureRollsBack() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        replica.limits.pageChangesMax = 2
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')")
        let target = try replica.openTarget()
        let source = try replica.openSource()
        let cursor = try #require(replica.cursor)
        let window = try #require(try source.windows(after: cursor, taking: TakenTables(TableSelection()), upTo: nil).first)
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        struct Lost: Error {}
        var pages: [ChangePage] = []
        try source.read(window, captures: tables.keys.sorted()) { pages.append($0) }
        #expect(pages.count == 2)
        #expect(throws: Lost.self) {
            var given = 0
            _ = try target.apply(window, tables: tables, moving: cursor, order: .paged) {
                given += 1
                if given == 2 { throw Lost() }
                return pages[given - 1]
            }
        }
        #expect(try replica.target.rows("SELECT count(*) FROM t") == [[.integer(0)]])
        #expect(try replica.target.rows("SELECT snapshot FROM tidemark_cursor") == [[.string("0")]])
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("invariant 3: a kill inside a window leaves rows and cursor together", arguments: ["DELETE", "WAL"])
    func kill(journal: String) throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        replica.limits.pageChangesMax = 500
        try replica.source.execute("INSERT INTO t VALUES (-1, 'before')")
        try replica.replicate()
        try replica.target.execute("PRAGMA journal_mode = \(journal)")
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, zeroblob(500) FROM n")
        let target = try replica.openTarget()
        // So small that pages reach the file before the commit.
        try target.database.execute("PRAGMA cache_size = 5")
        let window = try #require(try replica.windows().first)
        let source = try replica.openSource()
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        var pages: [ChangePage] = []
        try source.read(window, captures: [1]) { pages.append($0) }
        let copy = replica.directory.appendingPathComponent("copy.db").path
        let cursor = try #require(replica.cursor)
        var given = 0
        _ = try target.apply(window, tables: tables, moving: cursor, order: .paged) {
            given += 1
            if given == 6 {
                // What a kill leaves behind: the files as they are now.
                for suffix in ["", "-journal", "-wal"] where FileManager.default.fileExists(atPath: replica.targetPath + suffix) {
                    try FileManager.default.copyItem(atPath: replica.targetPath + suffix, toPath: copy + suffix)
                }
            }
            return given <= pages.count ? pages[given - 1] : nil
        }
        let size = { (path: String) in (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0 }
        #expect(size(copy) + size(copy + "-wal") > 1_000_000)
        let killed = try SQLiteDatabase(path: copy, mode: .readWrite)
        #expect(try killed.rows("SELECT id FROM t") == [[.integer(-1)]])
        #expect(try killed.rows("SELECT snapshot FROM tidemark_cursor") == [[.string("1")]])
        #expect(try replica.isEqual())
    }

    @Test("invariant 7: a target that lacks something stops with what to type, and goes on once it is mended")
    func missingThings() throws {
        let replica = try Replica(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)", target: "CREATE TABLE T (ID INTEGER)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a')")
        #expect(errorOf { try replica.replicate() }?.remedy.contains(#"ALTER TABLE "T" ADD COLUMN "v" TEXT"#) == true)
        try replica.target.execute("ALTER TABLE t ADD COLUMN v TEXT")
        #expect(errorOf { try replica.replicate() }?.remedy.contains("CREATE UNIQUE INDEX") == true)
        try replica.target.execute("CREATE UNIQUE INDEX i ON t (id)")
        try replica.replicate()
        #expect(try replica.target.rows("SELECT id, v FROM t") == [[.integer(1), .string("a")]])
        try replica.target.execute("DROP TABLE t")
        try replica.source.execute("INSERT INTO t VALUES (2, 'a')")
        #expect(errorOf { try replica.replicate() }?.what == "the target lacks a table")
    }

    @Test("invariant 7: constraints of the target's own are named", arguments: [
        "v NOT NULL", "v CHECK (v > 5)", "v TEXT CHECK (typeof(v) = 'null')",
    ])
    func constraints(column: String) throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", target: "CREATE TABLE t (id INTEGER PRIMARY KEY, \(column))")
        try replica.source.execute("INSERT INTO t VALUES (7, NULL)")
        if column != "v NOT NULL" { try replica.source.execute("UPDATE t SET v = 'x'; UPDATE t SET v = '4'") }
        if column == "v CHECK (v > 5)" { try replica.source.execute("UPDATE t SET v = 1") }
        let error = try #require(errorOf { try replica.replicate() })
        #expect(error.retry == .never && error.key == #"{"id":7}"# && error.why.contains("constraint failed"))
    }

    @Test("DESIGN: the target's triggers, foreign keys and own capture hold still")
    func nothingFires() throws {
        let schema = "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)"
        let replica = try Replica(
            schema, target: schema + "; CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM p; END; PRAGMA foreign_keys = ON")
        let administration = try SQLiteSourceAdministration(path: replica.targetPath)
        try administration.installLog()
        _ = try administration.install(CaptureRequest(pipeline: "back"))
        try replica.source.execute("INSERT INTO t VALUES (1, 1), (2, 77); INSERT INTO p VALUES (1)")
        try replica.replicate()
        #expect(try replica.isEqual() && replica.isEqual("p"))
        #expect(try replica.target.rows("SELECT * FROM data_changes").isEmpty)
    }
}
