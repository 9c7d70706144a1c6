import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Random histories of a shaped table: after every round the target holds what SQLite itself makes of the source's rows.
@Suite struct ShapingHistoryTests {
    /// Of the schemas of `HistoryTests`, as they are shaped.
    static let targets = [
        #"CREATE TABLE r ("the id" INTEGER PRIMARY KEY, u, v TEXT, s)"#,
        #"CREATE TABLE r ("the id" INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE, v, s)"#,
        #"CREATE TABLE r ("the id" TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, u, v, s)"#,
        #"CREATE TABLE r ("the id" NOT NULL, u NOT NULL, v, s, PRIMARY KEY ("the id", u)) WITHOUT ROWID"#,
        #"CREATE TABLE r ("the id" INT PRIMARY KEY NOT NULL, u TEXT, v ANY, s TEXT) STRICT"#,
        #"CREATE TABLE r ("the id", u, v, s)"#,
        #"CREATE TABLE r ("the id", u, v, s)"#,
        #"CREATE TABLE r ("the id" INTEGER PRIMARY KEY, u, v, s, g)"#,
        #"CREATE TABLE r ("the id" INTEGER PRIMARY KEY, u, v, s)"#,
        #"CREATE TABLE r ("the id" TEXT PRIMARY KEY NOT NULL, u, v, s)"#,
    ]
    private static let filter = "coalesce(w, 0) <> 4 and u is not 'a' and t.id <> '3' -- or so"
    private static let set = (v: "coalesce(w, v)", s: "hex(u) || typeof(w)")
    private static let rules = TableRules { shaping in
        (shaping.filter, shaping.omitted, shaping.renamedColumns, shaping.target) = (filter, ["W"], ["ID": "the id"], "crm.r")
        shaping.set("V", set.v)
        shaping.set("s", set.s)
    }

    /// What SQLite puts into a table like the target's.
    private static func expected(_ replica: Replica, _ schema: Int) throws -> [String: Int] {
        let like = try SQLiteDatabase(path: ":memory:", mode: .create)
        try like.execute(targets[schema])
        try like.execute("ATTACH \(SQLiteIdentifier.literal(replica.sourcePath)) AS source")
        let further = schema == 7 ? ("g", "g, ") : ("", "")
        try like.execute(
            """
            INSERT INTO r ("the id", u, v, s\(further.0.isEmpty ? "" : ", g")) SELECT id, u, \(set.v), \(set.s)\(further.1.isEmpty ? "" : ", g")
            FROM source.t AS t WHERE (\(filter)
            )
            """)
        return try Replica.rows(like, "r")
    }

    @Test(arguments: Array(HistoryTests.schemas.indices), Array(HistoryTests.applications.indices))
    func targetEqualsShapedSource(schema: Int, application: Int) throws {
        for history in 0..<max(1, HistoryTests.histories / 8) {
            var random = SplitMix(state: UInt64(3_000_000 + schema * 100_000 + application * 1000 + history))
            let app = HistoryTests.applications[application]
            let replica = try Replica("PRAGMA journal_mode = WAL; \(HistoryTests.schemas[schema]); \(app)", target: Self.targets[schema])
            replica.source.limitTriggerDepth()
            replica.rules = Self.rules
            replica.limits.pageChangesMax = history % 2 == 0 ? 3 : 1000
            replica.limits.tickEveryChanges = 20
            try replica.source.execute("PRAGMA synchronous = OFF; PRAGMA recursive_triggers = \(application % 2 == 0 ? "ON" : "OFF")")
            for round in 0..<9 {
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    // A conflict is part of the history.
                    try? replica.source.execute(HistoryTests.statement(&random, keyless: schema == 5 || schema == 6))
                    // It may have left a savepoint open.
                    if replica.source.isInTransaction { try replica.source.execute("COMMIT") }
                }
                for window in try replica.windows() {
                    if round % 3 == 2 {
                        try replica.apply(window, order: .staged)
                    } else {
                        try replica.apply(window)
                    }
                }
                try replica.replicate()
                #expect(try Replica.rows(replica.target, "r") == Self.expected(replica, schema), "history \(history), round \(round)")
            }
            try Self.expectEqualByVerify(replica)
            try Self.expectEqualByCopy(replica, schema)
        }
    }

    private static func expectEqualByVerify(_ replica: Replica) throws {
        let source = try SQLiteRowSource(path: replica.sourcePath)
        try source.shape(rules)
        let position = try source.hold([])
        let table = try #require(position.tables.last)
        let target = try SQLiteTargetReader(path: replica.targetPath, pipeline: "main")
        try target.hold([table], at: try #require(replica.cursor))
        #expect(try source.keyOrder(of: table) == target.keyOrder(of: table))
        #expect(try source.digests(of: TablePart(table), buckets: 8) == target.digests(of: TablePart(table), buckets: 8))
        var keys: [String] = []
        try source.list(TablePart(table), buckets: 1, chosen: [0]) { keys.append($0.key) }
        guard !table.keyColumns.isEmpty else { return }
        #expect(try source.columnHashes(of: table, keys: keys) == target.columnHashes(of: table, keys: keys))
    }

    private static func expectEqualByCopy(_ replica: Replica, _ schema: Int) throws {
        let source = try SQLiteRowSource(path: replica.sourcePath)
        try source.shape(rules)
        let position = try source.hold([])
        let table = try #require(position.tables.last)
        let cursor = try #require(replica.cursor)
        let target = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main")
        for form in [try target.form(of: table, from: SQLiteEngine().name), .changes] {
            try replica.target.execute("DELETE FROM r")
            var parts = [TablePart(table)]
            if let middle = try source.key(in: parts[0], afterRows: 2) {
                parts = [TablePart(table, after: middle), TablePart(table, through: middle)]
            }
            for part in parts {
                var pages: [RowPage] = []
                try source.read(part, as: form) { pages.append($0) }
                var next = pages.makeIterator()
                _ = try target.load(table, as: form, order: .paged, at: cursor, saving: nil) { next.next() }
            }
            #expect(try Replica.rows(replica.target, "r") == expected(replica, schema), "\(form)")
        }
    }
}
