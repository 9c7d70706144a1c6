import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Loads and repairs beside the stream.
@Suite struct RowTargetTests {
    static let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"
    static let rows = "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')"

    @Test("invariant 3: a load for another place of the cursor changes nothing", arguments: ["snapshot = '7'", "revision = 9", "witness = 'other'"])
    func movedAway(change: String) throws {
        let scene = try RowScene(Self.schema, rows: Self.rows)
        let table = try scene.table()
        try scene.replica.target.execute("UPDATE tidemark_cursor SET \(change)")
        let copy = TableCopy(table.name, .empty)
        #expect(errorOf { try scene.load(TablePart(table), saving: copy) }?.retry == .moved)
        #expect(errorOf { try scene.target.begin(copy, of: table, at: scene.cursor) }?.retry == .moved)
        #expect(errorOf { try scene.target.repair([], of: table, with: ChangePage(), at: scene.cursor) }?.retry == .moved)
        #expect(errorOf { try scene.reader.hold([table], at: scene.cursor) }?.retry == .moved)
        #expect(try scene.replica.target.rows("SELECT * FROM t").isEmpty && scene.copies().isEmpty)
        try scene.look()
        #expect(try scene.load(TablePart(table)) == 3)
    }

    @Test("another worker's epoch ends the work for good")
    func takenOver() throws {
        let scene = try RowScene(Self.schema, rows: Self.rows)
        let table = try scene.table()
        _ = try SQLiteTarget(path: scene.replica.targetPath, pipeline: "main").takeOver(worker: "later")
        let copy = TableCopy(table.name, .empty)
        #expect(errorOf { try scene.load(TablePart(table)) }?.retry == .takenOver)
        #expect(errorOf { try scene.target.save(copy, at: scene.cursor, changesStream: true) }?.retry == .takenOver)
        #expect(errorOf { try scene.target.save(copy, at: scene.cursor, changesStream: false) }?.retry == .takenOver)
        #expect(try scene.copies().isEmpty)
    }

    @Test("native rows that meet others roll back, and come as changes then")
    func rowsExist() throws {
        let scene = try RowScene(Self.schema, rows: Self.rows)
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (3, 'old'), (4, 'own')")
        var copy = TableCopy(table.name, .merge)
        copy.state = .copying
        #expect(throws: RowsExist.self) { try scene.load(TablePart(table), saving: copy) }
        #expect(try scene.replica.target.rows("SELECT count(*) FROM t") == [[.integer(2)]] && scene.copies().isEmpty)
        #expect(try scene.load(TablePart(table), as: .changes, saving: copy) == 3)
        #expect(try scene.replica.target.rows("SELECT v FROM t ORDER BY id").map { $0[0].string } == ["a", "b", "c", "own"])
        let saved = try #require(try scene.copies().first)
        #expect(saved.rows == 3 && saved.bytes > 0 && saved.state == .copying && saved.startedAt != nil && saved.finishedAt == nil)
    }

    @Test("many rows that meet one roll back as well")
    func rowsExistAmongMany() throws {
        let scene = try RowScene(Self.schema, rows: "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, i FROM n")
        try scene.replica.target.execute("INSERT INTO t VALUES (777, 'old')")
        #expect(throws: RowsExist.self) { try scene.load(TablePart(scene.table())) }
        #expect(try scene.replica.target.rows("SELECT * FROM t") == [[.integer(777), .string("old")]])
    }

    @Test("a row that the target's own constraint refuses is named")
    func refusedRow() throws {
        let scene = try RowScene(
            Self.schema, target: "CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (v <> 613))",
            rows: "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT i, i FROM n")
        let error = try #require(errorOf { try scene.load(TablePart(scene.table())) })
        #expect(error.key == #"{"id":613}"# && error.table?.name == "t" && error.retry == .never && error.remedy.contains("constraint"))
        #expect(try scene.replica.target.rows("SELECT * FROM t").isEmpty)
    }

    @Test("a copy begins as --existing says, and tells the stream")
    func begins() throws {
        let scene = try RowScene(Self.schema, rows: Self.rows)
        let table = try scene.table()
        var copy = TableCopy(table.name, .refuse)
        copy.state = .copying
        try scene.target.begin(copy, of: table, at: scene.cursor)
        var expected = scene.cursor
        expected.revision += 1
        try scene.look()
        #expect(try scene.cursor == expected && scene.copies().map(\.state) == [.copying])
        try scene.replica.target.execute("INSERT INTO t VALUES (9, 'old')")
        let error = try #require(errorOf { try scene.target.begin(copy, of: table, at: scene.cursor) })
        #expect(["--existing empty", "--existing merge", "--no-copy"].allSatisfy(error.remedy.contains) && error.what.contains("holds rows already"))
        #expect(try scene.target.hasRows(table))
        copy.existing = .merge
        try scene.target.begin(copy, of: table, at: scene.cursor)
        #expect(try scene.target.hasRows(table))
        try scene.look()
        copy.existing = .empty
        try scene.target.begin(copy, of: table, at: scene.cursor)
        #expect(try scene.target.hasRows(table) == false)
        // What began before is no longer where it was.
        #expect(errorOf { try scene.load(TablePart(table)) }?.retry == .moved)
    }

    @Test("B7: a table without a key is emptied or refused and loaded in one transaction")
    func keyless() throws {
        let scene = try RowScene("CREATE TABLE t (v)", rows: "INSERT INTO t VALUES (1), (1), ('1'), (NULL)")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES ('old')")
        var copy = TableCopy(table.name, .refuse)
        copy.state = .done
        #expect(errorOf { try scene.load(TablePart(table), saving: copy) }?.what.contains("holds rows already") == true)
        #expect(try scene.replica.target.rows("SELECT * FROM t").count == 1 && scene.copies().isEmpty)
        copy.existing = .empty
        (copy.capture, copy.rows) = (table.capture, 10)
        #expect(try scene.load(TablePart(table), saving: copy) == 4)
        #expect(try scene.replica.isEqual())
        let before = scene.cursor
        try scene.look()
        #expect(scene.cursor.revision == before.revision + 1 && scene.cursor.snapshot == before.snapshot)
        let saved = try #require(try scene.copies().first)
        #expect(saved.rows == 14 && saved.finishedAt != nil && saved.capture == table.capture)
        copy.existing = .merge
        try scene.load(TablePart(table), as: .changes, saving: copy)
        #expect(try scene.replica.target.rows("SELECT * FROM t").count == 8)
    }

    @Test("F1: rows that are merged may exchange unique values with rows that are there")
    func mergesExchangedValues() throws {
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)", rows: "INSERT INTO t VALUES (1, 'b'), (2, 'a'), (3, 'c')")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        #expect(errorOf { try scene.load(TablePart(table), as: .changes) }?.retry == .staged)
        try scene.load(TablePart(table), as: .changes, order: .staged)
        #expect(try scene.replica.isEqual())
        try scene.replica.target.execute("DELETE FROM t; INSERT INTO t VALUES (77, 'a')")
        let error = try #require(errorOf { try scene.load(TablePart(table), as: .changes, order: .staged) })
        #expect(error.retry == .never && error.changeID == nil && error.key == #"{"id":2}"#)
        #expect(try scene.replica.target.rows("SELECT * FROM t").count == 1)
    }

    @Test("only columns that keep every value take rows as they are")
    func forms() throws {
        func form(_ source: String, _ target: String, _ engine: String = "SQLite") throws -> RowForm {
            let scene = try RowScene("CREATE TABLE t \(source)", target: "CREATE TABLE t \(target)")
            return try scene.target.form(of: try scene.table(), from: engine)
        }
        let id = "(id INTEGER PRIMARY KEY, v"
        #expect(try form("\(id) VARCHAR(5))", "\(id) TEXT, own)") == .native(columns: ["id", "v"]))
        #expect(try form("\(id) INT)", "\(id))") == .native(columns: ["id", "v"]))
        #expect(try form("\(id) ANY) STRICT", "\(id) ANY) STRICT") == .native(columns: ["id", "v"]))
        #expect(try form("\(id) TEXT, g AS (v || '!'))", "\(id) TEXT, g AS (v || '?'))") == .native(columns: ["id", "v"]))
        #expect(try form("\(id) ANY) STRICT", "\(id) ANY)") == .changes)
        #expect(try form("\(id))", "\(id) INTEGER)") == .changes)
        #expect(try form("\(id) INT)", "\(id) INT)", "PostgreSQL") == .changes)
        #expect(try form("(id INTEGER NOT NULL UNIQUE, v INTEGER)", "(id INTEGER NOT NULL UNIQUE, v INTEGER PRIMARY KEY)") == .changes)
        let gone = try RowScene("CREATE TABLE t \(id))", target: "CREATE TABLE x (a)")
        #expect(errorOf { _ = try gone.target.form(of: try gone.table(), from: "SQLite") }?.what == "the target lacks a table")
    }

    @Test("a repair brings in what the source has, takes out what it has not, and is logged")
    func repairs() throws {
        let scene = try RowScene(Self.schema, rows: Self.rows)
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 'a'), (2, 'wrong'), (4, 'extra')")
        let found = [
            RowDifference(.different, key: #"{"id":2}"#, columns: ["v", "a \"b\""]), RowDifference(.missing, key: #"{"id":3}"#),
            RowDifference(.extra, key: #"{"id":4}"#),
        ]
        let changes = try scene.changes(found.map(\.key), of: table)
        #expect(try scene.target.statements(for: changes, of: table).map { $0.replacing("main.", with: "") } == [
            #"INSERT INTO "t" ("id", "v") VALUES (2, 'b') ON CONFLICT ("id") DO UPDATE SET "v" = excluded."v";"#,
            #"INSERT INTO "t" ("id", "v") VALUES (3, 'c') ON CONFLICT ("id") DO UPDATE SET "v" = excluded."v";"#,
            #"DELETE FROM "t" WHERE "id" = 4 COLLATE "BINARY";"#,
        ])
        try scene.target.repair(found, of: table, with: changes, at: scene.cursor)
        #expect(try scene.replica.isEqual())
        let log = try scene.replica.target.rows("SELECT schema_name, table_name, key, kind, columns, snapshot FROM tidemark_repair ORDER BY id")
        #expect(log.map { $0.map { $0.string ?? "" } } == [
            ["", "t", #"{"id":2}"#, "different", #"["v","a \"b\""]"#, "0"], ["", "t", #"{"id":3}"#, "missing", "[]", "0"],
            ["", "t", #"{"id":4}"#, "extra", "[]", "0"],
        ])
    }

    @Test("B7: whole rows are repaired by their images")
    func repairsWholeRows() throws {
        let scene = try RowScene("CREATE TABLE t (v, w)", rows: "INSERT INTO t VALUES (1, 'a'), (1, 'a'), (2, NULL)")
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 'a'), (9, 'x'), (9, 'x')")
        let table = try scene.table()
        var page = TypedPage(columns: [], key: [])
        page.table = table
        for image in [#"{"v":1,"w":"a"}"#, #"{"v":2,"w":null}"#] { page.add(.insert, key: nil, image: image) }
        for _ in 0..<2 { page.add(.delete, key: nil, image: #"{"v":9,"w":"x"}"#) }
        try scene.target.repair([RowDifference(.extra, key: "{}", count: 2)], of: table, with: page.page, at: scene.cursor)
        #expect(try scene.replica.isEqual())
        #expect(try scene.replica.target.rows("SELECT rows FROM tidemark_repair") == [[.integer(2)]])
        page.add(.delete, key: nil, image: #"{"v":9,"w":"x"}"#)
        #expect(errorOf { try scene.target.repair([], of: table, with: page.page, at: scene.cursor) } != nil)
        #expect(try scene.replica.isEqual())
    }

    @Test("statements for a person mean what would be applied, whatever the value")
    func statements() throws {
        let scene = try RowScene("CREATE TABLE t (id INTEGER PRIMARY KEY, \"a ?1 \"\"b\", w)")
        for (id, value) in RowCopyTests.values.enumerated() {
            _ = try scene.replica.source.rows("INSERT INTO t VALUES (?1, ?2, ?2)", [.integer(Int64(id)), value])
        }
        try scene.look()
        let table = try scene.table()
        for page in try scene.pages(TablePart(table), .changes) {
            guard case .changes(let page) = page else { continue }
            for statement in try scene.target.statements(for: page, of: table) { try scene.replica.target.execute(statement) }
        }
        let all = "SELECT * FROM t ORDER BY id"
        #expect(try scene.replica.target.rows(all).map { $0.map(RowCopyTests.spelled) } == scene.replica.source.rows(all).map { $0.map(RowCopyTests.spelled) })
    }

    @Test("what waited for the end of a copy runs, once")
    func finishes() throws {
        let scene = try RowScene(Self.schema)
        let statements = ["CREATE INDEX i ON t (v)", "CREATE UNIQUE INDEX u ON t (v, id)"]
        for _ in 0..<2 { try scene.target.finish(TableName(schema: nil, name: "t"), running: statements, at: scene.cursor) }
        #expect(try scene.replica.target.rows("SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 't' ORDER BY name").map { $0[0].string } == ["i", "u"])
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 1), (2, 1)")
        let error = errorOf { try scene.target.finish(TableName(schema: nil, name: "t"), running: ["CREATE UNIQUE INDEX x ON t (v)"], at: scene.cursor) }
        #expect(error?.why.contains("CREATE UNIQUE INDEX x") == true)
        #expect(errorOf { try scene.target.finish(TableName(schema: nil, name: "t"), running: ["nonsense"], at: scene.cursor) }?.what.contains("nonsense") == true)
    }

    @Test("copies and proofs are kept as they are")
    func keepsState() throws {
        let scene = try RowScene(Self.schema)
        var copy = TableCopy(TableName(schema: "s \"x", name: "t'"), .merge, statementsAfter: ["CREATE INDEX \"a\\b\"\n\u{1}", "é"], statementsLast: [""])
        try scene.target.save(copy, at: scene.cursor, changesStream: false)
        #expect(try scene.copies() == [copy])
        (copy.state, copy.capture, copy.copiedThrough, copy.rows, copy.bytes, copy.expectedRows) = (.copying, 4, #"{"id":1}"#, 5, 6, 7)
        try scene.target.save(copy, at: scene.cursor, changesStream: true)
        var saved = try #require(try scene.copies().first)
        let started = try #require(saved.startedAt)
        // One that does not know when the copy began leaves that as it is.
        try scene.replica.target.execute("UPDATE tidemark_table_copy SET started_at = 'long ago'")
        copy.state = .done
        #expect(errorOf { try scene.target.begin(copy, of: CapturedTable(capture: 1, name: copy.table, columns: [], keyColumns: [], encoding: .storageClasses), at: scene.cursor) }?.retry == .moved)
        try scene.target.save(copy, at: scene.cursor, changesStream: false)
        saved = try #require(try scene.copies().first)
        #expect(saved.startedAt == "long ago" && saved.finishedAt != nil && started.hasSuffix("Z"))
        (saved.startedAt, saved.finishedAt) = (nil, nil)
        #expect(saved == copy)
        try scene.look()
        #expect(scene.cursor.revision == 1)

        var proof = TableProof(TableName(schema: nil, name: "t"))
        (proof.snapshot, proof.lastID, proof.comparedThrough) = ("12", 11, #"{"id":3}"#)
        (proof.rows, proof.differences, proof.repaired, proof.positions) = (1, 2, 3, 4)
        try scene.target.save(proof, ended: false)
        var found = try #require(try scene.target.proofs().first)
        #expect(found.startedAt != nil && found.finishedAt == nil)
        proof.startedAt = found.startedAt
        #expect(found == proof)
        try scene.target.save(proof, ended: true)
        found = try #require(try scene.target.proofs().first)
        #expect(found.finishedAt?.hasSuffix("Z") == true && found.startedAt == proof.startedAt)
        let administration = try SQLiteTargetAdministration(path: scene.replica.targetPath)
        #expect(try administration.proofs(of: "main") == [found] && administration.copies(of: "main").count == 1 && administration.copies(of: "x").isEmpty)
        try administration.expect([TableCopy(copy.table, .empty), TableCopy(TableName(schema: nil, name: "n"), .keep)], of: "main")
        let all = try scene.copies()
        #expect(all.map(\.table.name) == ["n", "t'"] && all.map(\.state) == [.done, .waiting] && all[1].existing == .empty)
    }
}
