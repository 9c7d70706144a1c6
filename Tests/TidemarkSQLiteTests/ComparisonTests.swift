import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// A target's rows beside what a source of the other engine says they are.
@Suite struct ComparisonTests {
    /// A target alone, its cursor at a PostgreSQL source's place.
    final class Scene {
        let replica: Replica
        let reader: SQLiteTargetReader
        let target: SQLiteRowTarget
        let cursor: Cursor

        init(_ schema: String) throws {
            replica = try Replica("", target: "PRAGMA journal_mode = WAL; " + schema, setUp: false)
            let administration = try SQLiteTargetAdministration(path: replica.targetPath)
            try administration.install()
            try administration.place(Cursor(source: "pg", snapshot: .change(0), witness: "w", lastID: 0, epoch: 0), of: "main")
            cursor = try SQLiteTarget(path: replica.targetPath, pipeline: "main").takeOver(worker: "test")
            target = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main")
            reader = try SQLiteTargetReader(path: replica.targetPath, pipeline: "main")
        }

        /// All differences, as verify collects them.
        func differences(_ pages: [TypedPage], comparing: Bool = true) throws -> Set<RowDifference> {
            let table = pages[0].table
            try reader.hold([table], at: cursor)
            defer { reader.release() }
            var found: [RowDifference] = []
            if comparing { for page in pages { found += try reader.compare(page.page, of: table) } }
            var next = pages.makeIterator()
            try reader.extras(TablePart(table), besides: { next.next()?.page }) { found.append($0) }
            #expect(found.count == Set(found).count)
            return Set(found)
        }
    }

    static let columns = [("id", "bigint"), ("name", "text"), ("r", "double precision"), ("n", "numeric"), ("b", "bytea"), ("ok", "boolean")]
    static let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, r, n TEXT, b BLOB, ok BOOLEAN, own DEFAULT 5)"

    static func page(_ rows: [(Int, String)]) -> TypedPage {
        var page = TypedPage(columns: columns, key: ["id"])
        for (id, values) in rows { page.add(.update, key: "{\"id\":\(id)}", image: "{\"id\":\(id),\(values)}") }
        return page
    }

    @Test("what is missing, extra or different is found, column by column")
    func keyed() throws {
        let scene = try Scene(Self.schema)
        let values = #""name":"a\"é","r":0.1,"n":1.50,"b":"\\x00ff","ok":true"#
        let loaded = Self.page((1...6).map { ($0, values) })
        var pages = [RowPage.changes(loaded.page)].makeIterator()
        #expect(try scene.target.form(of: loaded.table, from: "PostgreSQL") == .changes)
        #expect(try scene.target.load(loaded.table, as: .changes, order: .paged, at: scene.cursor, saving: nil) { pages.next() } == 6)
        #expect(try scene.differences([loaded]).isEmpty)
        try scene.replica.target.execute(
            """
            UPDATE t SET r = -0.0 WHERE id = 1; UPDATE t SET n = '1.5', ok = 0 WHERE id = 2; UPDATE t SET name = CAST(name AS BLOB) WHERE id = 3;
            UPDATE t SET b = x'00fe', own = 1 WHERE id = 4; DELETE FROM t WHERE id = 5; INSERT INTO t (id) VALUES (70), (80)
            """)
        let source = Self.page((1...6).map { ($0, $0 == 1 ? values.replacing("0.1", with: "0") : values) })
        let found = try scene.differences([source])
        func key(_ id: Int) -> String { "{\"id\":\(id)}" }
        #expect(found == [
            RowDifference(.different, key: key(1), columns: ["r"]), RowDifference(.different, key: key(2), columns: ["n", "ok"]),
            RowDifference(.different, key: key(3), columns: ["name"]), RowDifference(.different, key: key(4), columns: ["b"]),
            RowDifference(.missing, key: key(5)), RowDifference(.extra, key: key(70)), RowDifference(.extra, key: key(80)),
        ])
        var repair = source
        repair.add(.delete, key: key(70), image: nil)
        repair.add(.delete, key: key(80), image: nil)
        try scene.target.repair(Array(found), of: source.table, with: repair.page, at: scene.cursor)
        #expect(try scene.differences([source]).isEmpty)
        #expect(try scene.replica.target.rows("SELECT own FROM t WHERE id = 4") == [[.integer(1)]])
        #expect(try scene.replica.target.rows("SELECT count(*) FROM tidemark_repair") == [[.integer(7)]])
    }

    @Test("only a part is looked at, over several pages")
    func parts() throws {
        let scene = try Scene("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3), (4), (5), (6), (7)")
        var pages = [TypedPage(columns: [("id", "integer")], key: ["id"])]
        pages.append(pages[0])
        pages[0].add(.update, key: #"{"id" : 3}"#, image: #"{"id" : 3}"#.replacing(" ", with: ""))
        pages[1].add(.update, key: #"{"id":5}"#, image: #"{"id":5}"#)
        let table = pages[0].table
        try scene.reader.hold([table], at: scene.cursor)
        var found: [String] = []
        pages[0] = TypedPage(columns: [("id", "integer")], key: ["id"])
        pages[0].add(.update, key: #"{"id":3}"#, image: #"{"id":3}"#)
        for _ in 0..<2 {
            var next = pages.makeIterator()
            try scene.reader.extras(TablePart(table, after: #"{"id": "2"}"#, through: #"{"id":6}"#), besides: { next.next()?.page }) { found.append($0.key) }
        }
        #expect(found == [#"{"id":4}"#, #"{"id":6}"#, #"{"id":4}"#, #"{"id":6}"#])
        var delete = TypedPage(columns: [("id", "integer")], key: ["id"])
        delete.add(.delete, key: #"{"id":7}"#, image: nil)
        delete.add(.delete, key: #"{"id":8}"#, image: nil)
        #expect(try scene.reader.compare(delete.page, of: table) == [RowDifference(.extra, key: #"{"id":7}"#)])
    }

    @Test("keys of extra rows are written so that both engines read them")
    func keysOfExtras() throws {
        let scene = try Scene(
            """
            CREATE TABLE t (a TEXT, b INTEGER, c REAL, d BLOB, e TEXT, f BOOLEAN, UNIQUE (a, b, c, d, e, f));
            INSERT INTO t VALUES ('q"\\' || char(10, 1, 233, 128512), -5, 0.1, x'00ff', '1.50', 1), ('', 9223372036854775807, 9e999, x'', 'NaN', 0)
            """)
        let columns = [("a", "text"), ("b", "bigint"), ("c", "double precision"), ("d", "bytea"), ("e", "numeric"), ("f", "boolean")]
        let empty = TypedPage(columns: columns, key: columns.map(\.0))
        let keys = try scene.differences([empty]).map(\.key).sorted()
        #expect(keys == [
            #"{"a":"","b":9223372036854775807,"c":"Infinity","d":"\\x","e":"NaN","f":false}"#,
            #"{"a":"q\"\\\u000a\u0001é😀","b":-5,"c":0.1,"d":"\\x00ff","e":"1.50","f":true}"#,
        ])
        // A delete with such a key finds its row.
        var deletes = empty
        for key in keys { deletes.add(.delete, key: key, image: nil) }
        try scene.target.repair([], of: empty.table, with: deletes.page, at: scene.cursor)
        #expect(try scene.replica.target.rows("SELECT * FROM t").isEmpty)
    }

    @Test("B7: rows without a key are compared as multisets, in both directions", arguments: [true, false])
    func wholeRows(comparing: Bool) throws {
        let scene = try Scene("CREATE TABLE t (v TEXT, n INTEGER, g AS (v || n)); INSERT INTO t VALUES ('a', 1), ('a', 1), ('a', 1), ('b', 2), (NULL, NULL), ('only', 9), ('only', 9)")
        var pages = [TypedPage(columns: [("v", "text"), ("n", "integer"), ("g", "text")], key: [])]
        pages.append(pages[0])
        let images = [#"{"v":"a","n":1,"g":"a1"}"#, #"{"v":"b","n":2,"g":"b2"}"#, #"{"v":null,"n":null,"g":null}"#, #"{"v":"miss\n","n":3,"g":"?"}"#]
        for image in images { pages[0].add(.insert, key: nil, image: image) }
        for image in images.reversed() { pages[1].add(.insert, key: nil, image: image) }
        let found = try scene.differences(pages, comparing: comparing)
        #expect(found == [
            RowDifference(.extra, key: images[0]), RowDifference(.missing, key: images[1]), RowDifference(.missing, key: images[2]),
            RowDifference(.missing, key: images[3], count: 2), RowDifference(.extra, key: #"{"v":"only","n":9,"g":"only9"}"#, count: 2),
        ])
        // The images of what was found repair it.
        var repair = TypedPage(columns: [("v", "text"), ("n", "integer"), ("g", "text")], key: [])
        for difference in found {
            for _ in 0..<difference.count { repair.add(difference.kind == .missing ? .insert : .delete, key: nil, image: difference.key) }
        }
        try scene.target.repair(Array(found), of: repair.table, with: repair.page, at: scene.cursor)
        #expect(try scene.differences(pages, comparing: comparing).isEmpty)
    }

    @Test("invariant 7: a value that the target cannot hold is named where it is compared")
    func valuesThatDoNotFit() throws {
        let scene = try Scene("CREATE TABLE t (id INTEGER PRIMARY KEY, v INTEGER); INSERT INTO t VALUES (1, 1)")
        var page = TypedPage(columns: [("id", "integer"), ("v", "text")], key: ["id"])
        page.add(.update, key: #"{"id":1}"#, image: #"{"id":1,"v":"12"}"#)
        try scene.reader.hold([page.table], at: scene.cursor)
        let error = try #require(errorOf { _ = try scene.reader.compare(page.page, of: page.table) })
        #expect(error.key == #"{"id":1}"# && error.why.contains("\"v\"") && error.retry == .never)
    }

    @Test("the target is held as it is, while its worker goes on")
    func hold() throws {
        let scene = try Scene("CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
        let page = TypedPage(columns: [("id", "integer")], key: ["id"])
        try scene.reader.hold([page.table], at: scene.cursor)
        try scene.replica.target.execute("INSERT INTO t VALUES (2); UPDATE tidemark_cursor SET snapshot = '5'")
        #expect(try scene.reader.count(TablePart(page.table)) == 1)
        #expect(errorOf { try scene.reader.hold([page.table], at: scene.cursor) }?.retry == .moved)
        let missing = TypedPage("gone", columns: [("id", "integer")], key: ["id"])
        #expect(errorOf { _ = try scene.reader.count(TablePart(missing.table)) }?.what == "the target lacks a table")
        #expect(errorOf { try SQLiteTargetReader(path: scene.replica.targetPath, pipeline: "other").hold([], at: scene.cursor) }?.what == "the pipeline was removed")
    }
}
