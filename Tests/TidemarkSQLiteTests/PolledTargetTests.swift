import TidemarkCore
import Testing

@testable import TidemarkSQLite

@Suite struct PolledTargetTests {
    static let schemas = [
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE, v, w TEXT)",
        "CREATE TABLE t (id INTEGER NOT NULL, u, v, w TEXT, PRIMARY KEY (w, id)) WITHOUT ROWID; CREATE UNIQUE INDEX x ON t (u) WHERE v > 1",
        "CREATE TABLE t (id TEXT COLLATE NOCASE NOT NULL PRIMARY KEY, u, v, w TEXT, g AS (v || w) STORED)",
        "CREATE TABLE t (id, u, v, w TEXT)",
        "CREATE TABLE t (id, u, v UNIQUE, w TEXT, g AS (v + 1))",
    ]

    @Test("a replaced table is the source's after any history of both, and nothing is written a second time", arguments: schemas.indices)
    func replaceHistories(_ index: Int) throws {
        let scene = try PolledScene(Self.schemas[index])
        var random = SplitMix(state: UInt64(index) + 11)
        for round in 0..<40 {
            for database in [scene.replica.source, scene.replica.target] {
                try database.execute("BEGIN")
                for _ in 0..<Int.random(in: 0...12, using: &random) {
                    let (id, value) = (Int.random(in: 0..<12, using: &random), Int.random(in: 0..<20, using: &random))
                    let statement = [
                        "INSERT OR REPLACE INTO t (id, u, v, w) VALUES (\(id), \(value), \(value % 7), 'w\(value % 3)')",
                        "UPDATE OR IGNORE t SET u = \(value), v = \(value % 5) + 0.5 WHERE id = \(id)",
                        "UPDATE OR IGNORE t SET id = \(value) WHERE id = \(id)", "DELETE FROM t WHERE id = \(id) OR u = \(value)",
                        "UPDATE OR IGNORE t SET v = x'0\(value % 9)' WHERE id = \(id)",
                    ][Int.random(in: 0..<5, using: &random)]
                    try database.execute(statement)
                }
                try database.execute("COMMIT")
            }
            try scene.replace(rows: Int.random(in: 1...5, using: &random))
            #expect(try scene.replica.isEqual(), "round \(round)")
            let again = try scene.replace()
            #expect(again.rowsWritten == 0 && again.rowsDeleted == 0)
        }
    }

    @Test("invariant 4: rows that differ in nothing but a storage class, or a sign, are written, and no others", arguments: [true, false])
    func storageClasses(isKeyed: Bool) throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER \(isKeyed ? "PRIMARY KEY" : ""), v, w BLOB)")
        let values: [(SQLiteValue, SQLiteValue)] = [
            (.integer(1), .real(1)), (.integer(1), .string("1")), (.string("1"), .blob([0x31])), (.real(0), .integer(0)), (.null, .string("")),
            (.null, .blob([])), (.text([0x61, 0]), .string("a")), (.text([0xC3]), .blob([0xC3])),
        ]
        for (id, pair) in values.enumerated() {
            _ = try scene.replica.source.rows("INSERT INTO t VALUES (?, ?, 1)", [.integer(Int64(id)), pair.0])
            _ = try scene.replica.target.rows("INSERT INTO t VALUES (?, ?, 1)", [.integer(Int64(id)), pair.1])
        }
        for value in RowCopyTests.values {
            for database in [scene.replica.source, scene.replica.target] { _ = try database.rows("INSERT INTO t (id, v, w) VALUES ((SELECT max(id) + 1 FROM t), ?, ?)", [value, value]) }
        }
        let done = try PolledReader(scene).replace()
        #expect(done.counts == [Int64(values.count + RowCopyTests.values.count), Int64(values.count), isKeyed ? 0 : Int64(values.count)])
        let all = "SELECT * FROM t ORDER BY id"
        #expect(try scene.replica.target.rows(all).map { $0.map(RowCopyTests.spelled) } == scene.replica.source.rows(all).map { $0.map(RowCopyTests.spelled) })
    }

    @Test("rows that exchange a unique value, with each other and with one that is gone, keep what only the target has", arguments: [true, false])
    func exchanges(hasOwn: Bool) throws {
        let scene = try PolledScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)",
            target: "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE\(hasOwn ? ", note" : ""))")
        try scene.replica.source.execute("INSERT INTO t VALUES (1, 'b'), (2, 'c'), (4, 'a')")
        try scene.replica.target.execute("INSERT INTO t (id, name) VALUES (1, 'a'), (2, 'x'), (3, 'b'), (5, 'c')")
        if hasOwn { try scene.replica.target.execute("UPDATE t SET note = 'mine'") }
        guard hasOwn else {
            try scene.replace()
            #expect(try scene.replica.isEqual())
            return
        }
        // 1 gives up what 4 takes, and takes what is with 3, which is gone.
        #expect(try scene.replace().counts == [3, 3, 2])
        #expect(try scene.replica.target.rows("SELECT id, name, note FROM t ORDER BY id").map { $0.map { $0.string ?? "" } } == [
            ["", "b", "mine"], ["", "c", "mine"], ["", "a", ""],
        ])
        // A ring can be met only by removing rows.
        try scene.replica.source.execute("UPDATE t SET name = 'q' WHERE id = 1; UPDATE t SET name = 'b' WHERE id = 2; UPDATE t SET name = 'c' WHERE id = 1")
        let said = errorOf { try scene.replace() }
        #expect(said?.retry == .never && said?.key == #"{"id":1}"# && said?.table?.name == "t" && said?.remedy.contains("unique index") == true)
        #expect(try scene.unit().counts == [3, 3, 2])
    }

    @Test("a batch writes and deletes what differs, in one transaction with its unit")
    func applies() throws {
        let scene = try PolledScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE, w)",
            rows: "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1), (4, 'd', 1)")
        let table = try scene.table()
        try scene.replica.target.execute("INSERT INTO t VALUES (1, 'b', 1), (2, 'a', 1), (3, 'c', 1), (7, 'z', 1)")
        let pages = try scene.pages(table, deletes: [#"{"id":7}"#, #"{"id":8}"#])
        #expect(try scene.apply(pages, table).counts == [6, 3, 1])
        #expect(try scene.replica.isEqual() && scene.unit().counts == [6, 3, 1])
        #expect(try scene.apply(pages, table).counts == [6, 0, 0])

        // The last change of a row counts, also where it is what stands here.
        try scene.replica.source.execute("UPDATE t SET w = 2 WHERE id = 1")
        let changed = try scene.pages(table, where: "id = 1")
        try scene.replica.source.execute("UPDATE t SET w = 1 WHERE id = 1")
        #expect(try scene.apply(changed + scene.pages(table, where: "id = 1"), table).counts[0] == 2)
        #expect(try scene.replica.isEqual())

        // Nothing stays of a transaction that ends in the middle.
        let before = try scene.unit()
        try scene.replica.source.execute("UPDATE t SET w = 9")
        var next = try scene.pages(table).makeIterator()
        var isFirst = true
        #expect(errorOf {
            _ = try scene.target.apply(SyncUnit(table.name, .incremental), of: table, epoch: scene.epoch) {
                if isFirst { isFirst = false } else { throw TidemarkError("the source went away", why: "a test", remedy: "None.", retry: .later) }
                return next.next()
            }
        }?.retry == .later)
        #expect(try scene.replica.target.rows("SELECT sum(w) FROM t") == [[.integer(4)]] && scene.unit() == before)
    }

    @Test("a unique value of a row that is not among those that are written is said with both")
    func clash() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE)", rows: "INSERT INTO t VALUES (1, 'a')")
        try scene.replica.target.execute("INSERT INTO t VALUES (2, 'a')")
        let table = try scene.table()
        let said = errorOf { try scene.apply(scene.pages(table), table) }
        #expect(said?.key == #"{"id":1}"# && said?.why.contains("t.v") == true && said?.changeID == nil)
        #expect(said?.remedy.contains("batch:") == true && said?.isAboutData == true && said?.retry == .never)
    }

    @Test("rows of a part that the source has no more are deleted, and only those")
    func deletesOthers() throws {
        for schema in ["CREATE TABLE t (id INTEGER PRIMARY KEY, v)", "CREATE TABLE t (id INT NOT NULL PRIMARY KEY, v) WITHOUT ROWID"] {
            let scene = try PolledScene(schema, rows: "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO t SELECT i, i FROM n")
            try scene.replace()
            try scene.replica.source.execute("DELETE FROM t WHERE id % 10 = 0; INSERT INTO t VALUES (60, 60)")
            let table = try scene.table()
            let middle = try #require(try scene.target.key(in: TablePart(table), afterRows: 25))
            #expect(middle == #"{"id":25}"#)
            #expect(try scene.target.key(in: TablePart(table, after: middle), afterRows: 25) == nil)
            var deleted: [Int64] = []
            for part in [TablePart(table, through: middle), TablePart(table, after: middle)] {
                var next = try scene.pages(table, where: part.after == nil ? "id <= 25" : "id > 25").makeIterator()
                deleted.append(try scene.target.deleteOthers(SyncUnit(table.name, .incremental), in: part, epoch: scene.epoch) { next.next() }.rowsDeleted)
            }
            #expect(deleted == [2, 3])
            #expect(try scene.replica.target.rows("SELECT count(*), max(id) FROM t") == [[.integer(45), .integer(49)]])
        }
    }

    @Test("triggers and foreign keys of the target hold still, and the application's connection keeps its own")
    func holdsStill() throws {
        let scene = try PolledScene(
            "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE)",
            target: """
                CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p REFERENCES p ON DELETE CASCADE); CREATE TABLE seen (id);
                CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO seen VALUES (NEW.id); END
                """, rows: "INSERT INTO p VALUES (1); INSERT INTO t VALUES (1, 1), (2, 1)")
        try scene.replace()
        #expect(try scene.replica.isEqual() && scene.replica.target.rows("SELECT count(*) FROM seen") == [[.integer(0)]])
    }

    @Test("a table has another name here, and its columns have; what does not fit is said with the table and what to type")
    func namesAndFaults() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", target: "CREATE TABLE T2 (nr INTEGER PRIMARY KEY, V INTEGER)")
        var table = try scene.table()
        table.targetName = TableName(schema: nil, name: "t2")
        table.columns[0].name = "nr"
        table.keyColumns = ["nr"]
        var page = ChangePage()
        func add(_ key: String, _ image: String) {
            Array(key.utf8).withUnsafeBytes { key in
                Array(image.utf8).withUnsafeBytes { page.append(id: 1, capture: 0, operation: .update, key: key, image: $0) }
            }
        }
        add(#"{"nr":1}"#, #"{"nr":1,"v":5}"#)
        #expect(try scene.apply([page], table).table.name == "t")
        #expect(try scene.replica.target.rows("SELECT nr, v FROM t2") == [[.integer(1), .integer(5)]])
        add(#"{"nr":2}"#, #"{"nr":2,"v":"7"}"#)
        let fault = errorOf { try scene.apply([page], table) }
        #expect(fault?.key == #"{"nr":2}"# && fault?.why.contains("\"v\"") == true && fault?.isAboutData == true)

        table.targetName = TableName(schema: nil, name: "none")
        #expect(errorOf { try scene.apply([], table) }?.what == "the target lacks a table")
        table.targetName = TableName(schema: nil, name: "t2")
        table.keyColumns = []
        let keyless = errorOf { try scene.apply([], table) }
        #expect(keyless?.remedy.contains("mode: full") == true && keyless?.table?.name == "t")
        #expect(errorOf { _ = try scene.target.deleteOthers(SyncUnit(table.name, .full), in: TablePart(table), epoch: scene.epoch) { nil } }?.remedy == keyless?.remedy)
    }

    @Test("units are kept as they are, forgotten, and gone with the pipeline")
    func units() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        #expect(try scene.target.units().isEmpty)
        var unit = SyncUnit(TableName(schema: "public", name: "a\"b"), .incremental)
        (unit.state, unit.rowsDone, unit.rowsTotal, unit.rowsWritten, unit.rowsDeleted) = (.failed, 1, 2, 3, 4)
        (unit.doneThrough, unit.mark, unit.nextMark) = (#"{"id":1}"#, ChangeMark(json: #"{"at":1}"#), ChangeMark(json: #"{"at":2}"#))
        (unit.nextMarkHorizon, unit.startedAt, unit.finishedAt, unit.deletesAt) = ("77", "2026-01-02T03:04:05.678Z", "x", "y")
        (unit.failure, unit.failures) = ("why", 5)
        let other = SyncUnit(TableName(schema: nil, name: "t"), .skipCompleted)
        for _ in 0..<2 { for unit in [unit, other] { try scene.target.save(unit, epoch: scene.epoch) } }
        #expect(try scene.target.units() == [other, unit])
        #expect(try SQLitePolledTarget(path: scene.replica.targetPath, pipeline: "second").units().isEmpty)
        try scene.target.forget([other.table, TableName(schema: nil, name: "none")], epoch: scene.epoch)
        #expect(try scene.target.units() == [unit])
        try SQLiteTargetAdministration(path: scene.replica.targetPath).remove("main")
        #expect(try scene.replica.target.rows("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tidemark%'") == [[.integer(0)]])
    }

    @Test("a worker that was taken over writes nothing more, and a target set up before says what to type")
    func epochs() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY)", rows: "INSERT INTO t VALUES (1)")
        let table = try scene.table()
        _ = try SQLiteTarget(path: scene.replica.targetPath, pipeline: "main").takeOver(worker: "another")
        let unit = SyncUnit(table.name, .full)
        var read = 0
        let attempts: [() throws -> Void] = [
            { try scene.target.save(unit, epoch: scene.epoch) }, { try scene.target.forget([table.name], epoch: scene.epoch) },
            { _ = try scene.target.apply(unit, of: table, epoch: scene.epoch) { read += 1; return nil } },
            { try scene.replace() },
            { _ = try scene.target.deleteOthers(unit, in: TablePart(table), epoch: scene.epoch) { read += 1; return nil } },
        ]
        for attempt in attempts { #expect(errorOf(attempt)?.retry == .takenOver) }
        #expect(try read == 0 && scene.target.units().isEmpty && scene.replica.target.rows("SELECT * FROM t").isEmpty)

        try scene.replica.target.execute("DROP TABLE tidemark_sync_unit")
        #expect(errorOf { _ = try SQLitePolledTarget(path: scene.replica.targetPath, pipeline: "main") }?.remedy.contains("tidemark setup") == true)
        let administration = try SQLiteTargetAdministration(path: scene.replica.targetPath)
        #expect(try administration.planInstall().contains { $0.sql.contains("tidemark_sync_unit") })
        try administration.install()
        #expect(try SQLitePolledTarget(path: scene.replica.targetPath, pipeline: "main").units().isEmpty)
    }

    @Test("rows of the other engine are compared as they would be written", arguments: [true, false])
    func typedText(isKeyed: Bool) throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, n TEXT, b BLOB, r REAL)", target: isKeyed ? nil : "CREATE TABLE t (id INTEGER, n TEXT, b BLOB, r REAL)")
        var typed = TypedPage(
            columns: [("id", "bigint"), ("n", "numeric(20,2)"), ("b", "bytea"), ("r", "double precision")], key: isKeyed ? ["id"] : [])
        typed.table.capture = 0
        var page = ChangePage()
        for id in [1, 2, 2] where isKeyed == false || page.changes.count < 2 {
            Array(#"{"id":\#(id)}"#.utf8).withUnsafeBytes { key in
                Array(#"{"id":\#(id),"n":1.50,"b":"\\x00ff","r":0.5}"#.utf8).withUnsafeBytes {
                    page.append(id: 1, capture: 0, operation: isKeyed ? .update : .insert, key: isKeyed ? key : nil, image: $0)
                }
            }
        }
        try scene.replica.target.execute("INSERT INTO t VALUES (1, '1.50', x'00ff', 0.5), (3, '', x'', 1)")
        var next = [page].makeIterator()
        let done = try scene.target.replace(SyncUnit(typed.table.name, .full), of: typed.table, epoch: scene.epoch) { next.next() }
        #expect(done.counts == (isKeyed ? [2, 1, 1] : [3, 2, 1]))
        #expect(try scene.replica.target.rows("SELECT id, n, hex(b), r FROM t ORDER BY id").count == (isKeyed ? 2 : 3))
        #expect(try scene.replica.target.rows("SELECT DISTINCT n, hex(b), r FROM t") == [[.string("1.50"), .string("00FF"), .real(0.5)]])
    }
}
