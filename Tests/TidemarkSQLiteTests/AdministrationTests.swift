import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

@Suite struct AdministrationTests {
    private static let schema = """
        CREATE TABLE t (id INTEGER PRIMARY KEY, v UNIQUE); CREATE TABLE k (a, b); CREATE TABLE "odd ""name" (x TEXT PRIMARY KEY NOT NULL);
        CREATE VIRTUAL TABLE f USING fts5(body); CREATE TRIGGER app AFTER INSERT ON t BEGIN SELECT 1; END;
        INSERT INTO t VALUES (1, 'a');
        """

    private static func dump(_ database: SQLiteDatabase) throws -> [[SQLiteValue]] {
        try database.rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid")
    }

    @Test("invariant 8: teardown leaves no trace in either file, and a second one finds nothing to do")
    func teardown() throws {
        let replica = try Replica(Self.schema, setUp: false)
        let before = (try Self.dump(replica.source), try Self.dump(replica.target))
        try replica.setUp()
        try replica.source.execute("INSERT INTO t VALUES (2, 'b'); REPLACE INTO t VALUES (3, 'b'); INSERT INTO k VALUES (1, 2)")
        try replica.replicate()
        replica.crash()
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        let planned = try source.planRemoval(of: "main")
        #expect(planned.contains { $0.sql.contains("DROP TRIGGER") } && planned.contains { $0.sql.contains("data_changes") })
        for _ in 0..<2 {
            try source.remove("main")
            try target.remove("main")
            #expect(try Self.dump(replica.source) == before.0)
            #expect(try Self.dump(replica.target) == before.1)
        }
        #expect(try source.planRemoval(of: "main").isEmpty && target.planRemoval(of: "main").isEmpty)
        try replica.source.execute("INSERT INTO t VALUES (4, 'c')")
    }

    @Test("invariant 8: the plan is what setup does")
    func plan() throws {
        let replica = try Replica(Self.schema, setUp: false)
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        let request = CaptureRequest(pipeline: "main")
        let before = try Self.dump(replica.source)
        let planned = try source.planInstall(request)
        let plannedTarget = try target.planInstall()
        #expect(try Self.dump(replica.source) == before)
        #expect((planned + plannedTarget).allSatisfy { !$0.lock.isEmpty })
        let other = try Replica(Self.schema, setUp: false)
        for statement in planned { try other.source.execute(statement.sql) }
        for statement in plannedTarget { try other.target.execute(statement.sql) }
        try replica.setUp()
        #expect(try Self.dump(other.source) == Self.dump(replica.source))
        #expect(try Self.dump(other.target) == Self.dump(replica.target))
        #expect(try source.planInstall(request).isEmpty && target.planInstall().isEmpty)
    }

    @Test("setup twice is a no-op, and so is its plan")
    func twice() throws {
        let replica = try Replica(Self.schema)
        try replica.source.execute("INSERT INTO t VALUES (2, 'b')")
        let before = (try Self.dump(replica.source), try replica.source.rows("SELECT * FROM tidemark_capture"))
        let version = try replica.source.rows("PRAGMA schema_version")
        try replica.setUp()
        #expect(try Self.dump(replica.source) == before.0)
        #expect(try replica.source.rows("SELECT * FROM tidemark_capture") == before.1)
        #expect(try replica.source.rows("PRAGMA schema_version") == version)
        #expect(try SQLiteTargetAdministration(path: replica.targetPath).cursor(of: "main")?.cursor.snapshot == .change(0))
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test func requestsAreRecordedAndSelect() throws {
        let replica = try Replica(Self.schema, setUp: false)
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        #expect(try source.recordedRequest(of: "main") == nil)
        let request = CaptureRequest(
            pipeline: "main", selection: TableSelection(include: [TablePattern("t"), TablePattern("k")], exclude: [TablePattern("x*")]),
            kind: .row, capturesReplicaRole: true)
        let captured = try source.install(request)
        #expect(captured.map(\.name.name) == ["k", "t"] && captured.map(\.keyColumns) == [[], ["id"]])
        #expect(try source.recordedRequest(of: "main") == request)
        // A second pipeline adds its tables, and takes only those away again.
        _ = try source.install(CaptureRequest(pipeline: "b", selection: TableSelection(include: [TablePattern("odd*"), TablePattern("t")])))
        func tables() throws -> [String] { try CaptureRegistry(source.database).current().map(\.table).sorted() }
        #expect(try tables() == ["k", "odd \"name", "t"])
        #expect(try source.planRemoval(of: "b").count == 6)
        try source.remove("b")
        #expect(try tables() == ["k", "t"] && source.recordedRequest(of: "b") == nil)
        _ = try source.install(CaptureRequest(pipeline: "main", selection: TableSelection(include: [TablePattern("t")])))
        #expect(try tables() == ["t"])
        #expect(errorOf { _ = try source.install(CaptureRequest(pipeline: "c", requiresKey: true)) }?.table?.name == "k")
        #expect(errorOf { _ = try source.install(CaptureRequest(pipeline: "c", kind: .statement)) } != nil)
        #expect(errorOf { _ = try source.install(CaptureRequest(pipeline: "c", selection: TableSelection(include: [TablePattern("no")]))) } != nil)
    }

    @Test("invariant 8: a target's tables are made, brought up to date and removed as the plans say")
    func targetTables() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY)", setUp: false)
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        func names() throws -> [String] {
            try replica.target.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'tidemark%' ORDER BY name").compactMap { $0[0].string }
        }
        // As an earlier version left it.
        try replica.target.execute(
            """
            CREATE TABLE tidemark_cursor (pipeline TEXT PRIMARY KEY NOT NULL, source TEXT NOT NULL, snapshot TEXT NOT NULL, witness TEXT NOT NULL,
                last_id INTEGER NOT NULL, epoch INTEGER NOT NULL, worker TEXT, applied_at TEXT, failure TEXT);
            INSERT INTO tidemark_cursor (pipeline, source, snapshot, witness, last_id, epoch) VALUES ('main', 's', '5', 'w', 5, 2)
            """)
        let plan = try target.planInstall()
        #expect(plan.first?.sql.contains("ADD COLUMN revision") == true && plan.count == 26)
        #expect(try target.copies(of: "main").isEmpty && target.proofs(of: "main").isEmpty)
        for _ in 0..<2 { try target.install() }
        #expect(try target.planInstall().isEmpty)
        #expect(try names() == [
            "tidemark_conflict", "tidemark_cursor", "tidemark_parked", "tidemark_parked_audit", "tidemark_parked_audit_table", "tidemark_parked_capture",
            "tidemark_parked_change", "tidemark_parked_column", "tidemark_repair", "tidemark_role", "tidemark_shared_table", "tidemark_sync_unit", "tidemark_table_copy",
            "tidemark_table_proof", "tidemark_tombstone",
        ])
        let cursor = try #require(try target.cursor(of: "main")).cursor
        #expect(cursor.revision == 0 && cursor.epoch == 2 && cursor.lastID == 5)
        try target.place(cursor, of: "second")
        let table = TableName(schema: nil, name: "t")
        for pipeline in ["main", "second"] {
            try target.expect([TableCopy(table, .refuse)], of: pipeline)
            let rows = try SQLiteRowTarget(path: replica.targetPath, pipeline: pipeline)
            try rows.save(TableProof(table), ended: true)
            let captured = CapturedTable(capture: 1, name: table, columns: [CapturedColumn(name: "id", type: "INTEGER")], keyColumns: ["id"], encoding: .storageClasses)
            let stream = try SQLiteTarget(path: replica.targetPath, pipeline: pipeline)
            var parked = SplitPage(applied: ChangePage())
            parked.parked.append(id: 9, capture: 1, operation: .delete, key: nil, image: nil)
            parked.places = [ParkedPlace(owner: .new(0), isWaiting: false, holdsTable: true)]
            let fault = ParkedFault(transaction: "9", table: table, key: nil, changeID: 9, reason: "")
            var pages = [parked][...]
            let window = Window(start: .change(5), end: .change(9), witness: "w9", afterID: 5, throughID: 9)
            _ = try stream.apply(
                window, tables: [1: captured], moving: try #require(try target.cursor(of: pipeline)).cursor, order: .paged, parking: [fault],
                nextPage: { pages.popFirst() })
            try SQLitePolledTarget(path: replica.targetPath, pipeline: pipeline).save(
                SyncUnit(table, .full), epoch: try #require(try target.cursor(of: pipeline)).cursor.epoch)
            try rows.repair([RowDifference(.extra, key: "{}")], of: captured, with: ChangePage(), at: try #require(try target.cursor(of: pipeline)).cursor)
        }
        #expect(try target.planRemoval(of: "main").allSatisfy { $0.sql.hasPrefix("DELETE FROM") && $0.sql.hasSuffix("'main'") })
        try target.remove("main")
        let others = ["tidemark_role", "tidemark_conflict", "tidemark_shared_table", "tidemark_tombstone"]
        for name in try names() where !others.contains(name) {
            #expect(try replica.target.rows("SELECT pipeline FROM \(name)") == [[.string("second")]], "\(name)")
        }
        #expect(try target.planRemoval(of: "second").count == 15)
        try target.remove("second")
        #expect(try names().isEmpty && target.planRemoval(of: "second").isEmpty)
        #expect(errorOf { _ = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main") }?.remedy.contains("tidemark setup") == true)
    }

    @Test func checkSaysWhatItShould() throws {
        let replica = try Replica(Self.schema)
        try replica.source.execute("CREATE TRIGGER later AFTER UPDATE ON t BEGIN SELECT 1; END; CREATE TABLE fresh (id INTEGER PRIMARY KEY)")
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        let found = try source.check(CaptureRequest(pipeline: "main"))
        func has(_ text: String, _ table: String? = nil) -> Bool { found.contains { $0.what.contains(text) && $0.table?.name == table } }
        #expect(has("no key", "k") && has("virtual table", "f") && has("INSERT OR FAIL", "t") && has("not captured", "fresh"))
        #expect(has("journal mode") && has("total_changes") && has("DROP COLUMN"))
        #expect(!has("INSERT OR FAIL", "k") && found.allSatisfy { !$0.remedy.isEmpty })
        let target = try SQLiteTargetAdministration(path: replica.targetPath)
        #expect(try target.check(try source.tables(TableSelection(exclude: [TablePattern("fresh")]))).isEmpty)
        try replica.target.execute("DROP TABLE k; ALTER TABLE t ADD COLUMN own NOT NULL DEFAULT 1; DROP TABLE \"odd \"\"name\"; CREATE TABLE \"odd \"\"name\" (x INTEGER)")
        let problems = try target.check(try source.tables(TableSelection(exclude: [TablePattern("fresh")])))
        #expect(Set(problems.compactMap(\.table?.name)) == ["k", "odd \"name"])
    }

    @Test func statusCountsWhatIsPending() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        try replica.source.execute("INSERT INTO t VALUES (1), (2)")
        try replica.replicate()
        try replica.source.execute("INSERT INTO t VALUES (3), (4), (5); UPDATE data_changes SET changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-1 hour') WHERE id = 3")
        let status = try source.status(of: "main", at: replica.cursor, settledThrough: [:])
        #expect(status.lastID == 5 && status.pendingChanges == 3 && status.obstacle == nil && status.logBytes > 0)
        #expect(abs((status.pendingSeconds ?? 0) - 3600) < 60)
        #expect(try SQLiteTargetAdministration(path: replica.targetPath).cursor(of: "main")?.worker == "test")
    }

    @Test func foreignTablesAndFilesAreRefused() throws {
        let replica = try Replica("CREATE TABLE data_changes (mine); CREATE TABLE tidemark_notes (id INTEGER PRIMARY KEY)", setUp: false)
        let source = try SQLiteSourceAdministration(path: replica.sourcePath)
        #expect(errorOf { try source.installLog() }?.why.contains("data_changes") == true)
        #expect(try source.tables(TableSelection()).map(\.name.name) == ["tidemark_notes"])
        let engine = SQLiteEngine()
        #expect(engine.accepts("sqlite:a.db") && !engine.accepts("postgresql://x"))
        for path in ["sqlite:/nowhere/x.db", "sqlite::memory:", "sqlite:"] {
            #expect(errorOf { _ = try engine.target(path, pipeline: "main") }?.remedy.isEmpty == false)
        }
        #expect(errorOf { _ = try engine.source("sqlite:\(replica.sourcePath)") }?.remedy.contains("tidemark setup") == true)
        let text = replica.directory.appendingPathComponent("text.db").path
        try "no database, but long enough to be looked at as one".write(toFile: text, atomically: true, encoding: .utf8)
        #expect(errorOf { _ = try engine.source("sqlite:\(text)") }?.retry == .never)
        let wide = replica.directory.appendingPathComponent("wide.db").path
        try SQLiteDatabase(path: wide, mode: .create).execute("PRAGMA encoding = 'UTF-16'; CREATE TABLE t (a)")
        #expect(errorOf { _ = try engine.sourceAdministration("sqlite:\(wide)") }?.why.contains("UTF-16") == true)
    }

    @Test func aBusyTargetIsTriedAgainLater() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        try replica.source.execute("INSERT INTO t VALUES (1)")
        let target = try replica.openTarget()
        target.setBusyTimeout(milliseconds: 1)
        try replica.target.execute("BEGIN IMMEDIATE")
        #expect(errorOf { try replica.replicate() }?.retry == .later)
        try replica.target.execute("ROLLBACK; PRAGMA max_page_count = 1")
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test func aFullTargetIsNamed() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, zeroblob(200000))")
        let target = try replica.openTarget()
        try target.limitPages()
        let error = try #require(errorOf { try replica.replicate() })
        // A running worker goes on once somebody has freed space.
        #expect(error.retry == .later && error.remedy.contains("disk is full") && error.changeID == 2)
        #expect(try replica.target.rows("SELECT snapshot FROM tidemark_cursor") == [[.string("0")]])
        replica.crash()
        try replica.replicate()
        #expect(try replica.isEqual())
    }
}

extension SQLiteTarget {
    fileprivate func setBusyTimeout(milliseconds: Int32) { database.setBusyTimeout(milliseconds: milliseconds) }
    fileprivate func limitPages() throws { try database.execute("PRAGMA max_page_count = 20") }
}
