import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What is set aside of a shaped table, in a target that calls it otherwise.
@Suite struct ShapedParkingTests {
    private static func scene() throws -> Replica {
        let replica = try Replica(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, region)", target: "CREATE TABLE u (nr INTEGER PRIMARY KEY, v); CREATE TABLE t (id)")
        replica.rules = TableRules { shaping in
            (shaping.filter, shaping.omitted, shaping.renamedColumns, shaping.target) = ("region = 'EU'", ["region"], ["id": "nr"], "u")
        }
        return replica
    }

    /// Sets a whole window aside.
    private static func park(_ sql: String, in replica: Replica) throws {
        try replica.source.execute(sql)
        let window = try #require(try replica.windows().last)
        let source = try replica.openSource()
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        var parts: [SplitPage] = []
        try source.read(window, captures: tables.keys.sorted()) { page in
            var part = SplitPage(applied: ChangePage())
            part.parked = page
            part.places = page.changes.map { _ in ParkedPlace(owner: .new(0), isWaiting: false, holdsTable: false) }
            parts.append(part)
        }
        let fault = ParkedFault(transaction: "1", table: TableName(schema: nil, name: "t"), key: nil, changeID: nil, reason: "asked for")
        var next = parts.makeIterator()
        _ = try replica.openTarget().apply(
            window, tables: tables, moving: try #require(replica.cursor), order: .paged, parking: [fault], nextPage: { next.next() })
    }

    @Test("parked changes are shown, and applied later, where the pipeline has the table")
    func settled() throws {
        let replica = try Self.scene()
        try Self.park("INSERT INTO t VALUES (1, 'a', 'EU'), (2, 'b', 'US'), (3, 'c', 'EU')", in: replica)
        let administration = try SQLiteTargetAdministration(path: replica.targetPath)
        let parked = try #require(try administration.parked(of: "main").transactions.first)
        #expect(parked.tables == [TableName(schema: nil, name: "t")])
        try replica.target.execute("INSERT INTO u VALUES (3, 'old')")
        let changes = try administration.parkedChanges(of: "main", parked.id, after: 0, limit: 10)
        #expect(changes.map(\.key) == [#"{"nr":1}"#, #"{"nr":2}"#, #"{"nr":3}"#])
        #expect(changes.map(\.image) == [#"{"nr":1,"v":"a"}"#, nil, #"{"nr":3,"v":"c"}"#])
        #expect(changes.map(\.targetRow) == [nil, nil, #"{"nr":3,"v":"old"}"#])
        _ = try replica.openTarget().settle(ParkedSettlement(.retried, [parked.id], by: "test"))
        #expect(try Replica.rows(replica.target, "u") == [#"{"nr":1,"v":"a"}"#: 1, #"{"nr":3,"v":"c"}"#: 1])
    }

    @Test("what is kept of a table is what it is now, once nothing of its former shape is parked")
    func reshaped() throws {
        let replica = try Self.scene()
        try Self.park("INSERT INTO t VALUES (1, 'a', 'EU')", in: replica)
        _ = try replica.openTarget().settle(ParkedSettlement(.skipped, [1], by: "test"))
        replica.crash()
        replica.rules = TableRules()
        try replica.target.execute("DROP TABLE t; CREATE TABLE t (id INTEGER PRIMARY KEY, v, region)")
        try Self.park("INSERT INTO t VALUES (2, 'b', 'US')", in: replica)
        let parked = try #require(try SQLiteTargetAdministration(path: replica.targetPath).parked(of: "main").transactions.first)
        _ = try replica.openTarget().settle(ParkedSettlement(.retried, [parked.id], by: "test"))
        #expect(try Replica.rows(replica.target, "t") == [#"{"id":2,"v":"b","region":"US"}"#: 1])
    }

    @Test("setup gives an older version's tables what they lack, and until then they can be read")
    func upgraded() throws {
        let replica = try Self.scene()
        try Self.park("INSERT INTO t VALUES (1, 'a', 'EU')", in: replica)
        try replica.target.execute(
            "ALTER TABLE tidemark_parked_capture DROP COLUMN target_name; ALTER TABLE tidemark_parked_capture DROP COLUMN target_schema")
        let administration = try SQLiteTargetAdministration(path: replica.targetPath)
        #expect(try administration.parkedChanges(of: "main", 1, after: 0, limit: 10).count == 1)
        #expect(try administration.planInstall().map(\.sql).filter { $0.hasPrefix("ALTER TABLE tidemark_parked_capture ADD COLUMN") }.count == 2)
        try administration.install()
        #expect(try administration.planInstall().isEmpty)
    }
}
