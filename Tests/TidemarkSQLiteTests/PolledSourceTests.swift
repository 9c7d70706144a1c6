import Foundation
import TidemarkCore
import Testing

@testable import TidemarkSQLite

@Suite struct PolledSourceTests {
    @Test("invariant 4: rows are read as capture writes them, every storage class, with nothing of tidemark's there", arguments: ["WAL", "DELETE"])
    func values(mode: String) throws {
        for isKeyed in [true, false] {
            let scene = try PolledScene("CREATE TABLE t (id INTEGER \(isKeyed ? "PRIMARY KEY" : ""), v, \"a \"\"b\" TEXT, r REAL, g AS (v || 1))", mode: mode)
            for (id, value) in RowCopyTests.values.enumerated() where RowCopyTests.spelled(value) != RowCopyTests.spelled(.real(-0.0)) {
                _ = try scene.replica.source.rows("INSERT INTO t VALUES (?1, ?2, ?2, ?2)", [.integer(Int64(id)), value])
            }
            let reader = try PolledReader(scene)
            #expect(try reader.table == scene.table())
            let logged = try scene.pages(reader.table, rows: .max).flatMap { page in
                page.changes.map { change in [change.key, change.image].compactMap { $0 }.map { String(decoding: page.bytes[$0], as: UTF8.self) }.joined() }
            }
            #expect(try reader.rows() == logged)
            let operation = isKeyed ? TidemarkCore.Operation.update : .insert
            #expect(try reader.pages { try reader.source.read(TablePart(reader.table), $0) }.allSatisfy { $0.changes.allSatisfy { $0.capture == 0 && $0.operation == operation } })
            try reader.replace()
            #expect(try scene.replica.isEqual())
            #expect(try scene.replica.source.rows("SELECT count(*) FROM sqlite_schema WHERE name LIKE 'tidemark%'") == [[.integer(0)]])
        }
    }

    @Test("a second pass writes nothing but its unit, and reads within bounded pages")
    func unchanged() throws {
        let scene = try PolledScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v, w)",
            rows: "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO t SELECT i, 'value ' || i, i * 0.5 FROM n")
        try scene.replica.target.execute("PRAGMA journal_mode = WAL")
        let reader = try PolledReader(scene)
        #expect(try reader.pages { try reader.source.read(TablePart(reader.table), $0) }.map(\.changes.count) == [16_384, 16_384, 7_232])
        #expect(try reader.source.size(of: reader.table).rows == 40_000)
        #expect(try reader.replace().counts == [40_000, 40_000, 0] && scene.replica.isEqual())
        try scene.replica.target.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        #expect(try reader.replace().counts == [40_000, 0, 0])
        let log = try FileManager.default.attributesOfItem(atPath: scene.replica.targetPath + "-wal")[.size] as? Int ?? .max
        // A few pages; all the rows are over a megabyte.
        #expect(log < 40_000)
    }

    @Test("what is held is one moment in WAL mode; in another one the application commits while rows are handed over", arguments: ["WAL", "DELETE", "TRUNCATE"])
    func moments(mode: String) throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", rows: "INSERT INTO t VALUES (1, zeroblob(5000000)), (2, zeroblob(5000000))", mode: mode)
        let writer = try SQLiteDatabase(path: scene.replica.sourcePath, mode: .readWrite, busyTimeoutMilliseconds: 0)
        let reader = try PolledReader(scene)
        try reader.source.hold([reader.table.name])
        var (keys, written) = ([String](), Int64(10))
        for _ in 0..<2 {
            try reader.source.read(TablePart(reader.table)) { page in
                keys += page.keys()
                try writer.execute("INSERT INTO t VALUES (\(written), 1)")
                written += 1
            }
        }
        reader.source.release()
        #expect(keys.prefix(2) == [#"{"id":1}"#, #"{"id":2}"#])
        #expect(mode == "WAL" ? keys.count == 4 : keys.contains(#"{"id":10}"#))
        #expect(try reader.rows().count == Int(written) - 8)
    }

    @Test("rows travel as the rule shapes them, in a whole pass, by what has changed, and by their keys", arguments: ["WAL", "DELETE"])
    func shaped(mode: String) throws {
        var shaping = TableShaping()
        shaping.filter = "region = 'EU' -- and no other"
        shaping.omitted = ["secret"]
        shaping.expressions = [.init(column: "name", sql: "upper(name)"), .init(column: "len", sql: "length(name)")]
        shaping.renamedColumns = ["id": "nr", "name": "shout"]
        shaping.target = "copy"
        let scene = try PolledScene(
            "CREATE TABLE t (name, id INTEGER PRIMARY KEY, region, secret, version INTEGER)",
            target: "CREATE TABLE copy (shout, nr INTEGER PRIMARY KEY, region, version INTEGER, len)",
            rows: "INSERT INTO t VALUES ('a', 1, 'EU', 's', 1), ('bb', 2, 'US', 's', 2), ('ccc', 3, 'EU', 's', 3)", mode: mode)
        let reader = try PolledReader(scene, shaping)
        #expect(reader.table.columns.map(\.name) == ["shout", "nr", "region", "version", "len"] && reader.table.keyColumns == ["nr"])
        func copied() throws -> [String] {
            try scene.replica.target.rows("SELECT nr || shout || len || region || version FROM copy ORDER BY nr").compactMap { $0[0].string }
        }
        try reader.replace()
        #expect(try copied() == ["1A1EU1", "3CCC3EU3"])
        #expect(try reader.rows() == [#"{"nr":1}{"shout":"A","nr":1,"region":"EU","version":1,"len":1}"#, #"{"nr":3}{"shout":"CCC","nr":3,"region":"EU","version":3,"len":3}"#])

        // One leaves the filter, one enters it, one is deleted.
        var reading = IncrementalReading(columns: ["version"])
        reading.strategy = .version
        try reader.follow(reading)
        try scene.replica.source.execute(
            "UPDATE t SET region = 'US', version = 4 WHERE id = 1; UPDATE t SET region = 'EU', version = 5 WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES ('dd', 4, 'EU', 's', 6)")
        #expect(try reader.follow(reading).counts == [3, 2, 1])
        #expect(try copied() == ["2BB2EU5", "3CCC3EU3", "4DD2EU6"])
        #expect(try reader.pages { try reader.source.keys(of: TablePart(reader.table, after: #"{"nr":2}"#), $0) }.flatMap { $0.keys() } == [#"{"nr":4}"#])
        try reader.deleteOthers(rows: 1)
        #expect(try copied() == ["2BB2EU5", "4DD2EU6"])
        #expect(try reader.source.key(in: TablePart(reader.table), afterRows: 2) == #"{"nr":2}"#)
    }

    @Test("what cannot be read is said with the table and what to type")
    func faults() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v, at); CREATE TABLE k (at)", rows: "INSERT INTO t VALUES (1, 1, 'yesterday'); INSERT INTO k VALUES (1)")
        let reader = try PolledReader(scene)
        func said(_ change: (inout IncrementalReading) -> Void, of table: CapturedTable? = nil) -> String? {
            var reading = IncrementalReading(columns: ["at"])
            change(&reading)
            let error = errorOf { _ = try reader.source.reach(of: table ?? reader.table, by: reading) }
            if let error { #expect(error.table?.name == table?.name.name ?? "t" && error.retry == .never && !error.description.contains("yesterday")) }
            return error?.description
        }
        #expect(said { $0.columns = ["when"] }?.contains("\"when\"") == true)
        #expect(said { _ in }?.contains("strategy: version") == true)
        #expect(said { $0.strategy = .timestamp }?.contains("overlap: off") == true)
        #expect(said { ($0.strategy, $0.overlapSeconds) = (.timestamp, 0) } == nil && said { $0.strategy = .version } == nil)
        #expect(said { ($0.strategy, $0.condition) = (.version, "v > 1); DELETE FROM t; --") }?.contains("condition:") == true)
        let keyless = try PolledReader(scene, of: "k")
        #expect(errorOf { _ = try keyless.source.reach(of: keyless.table, by: IncrementalReading(columns: ["at"])) }?.remedy.contains("mode: full") == true)

        var shaping = TableShaping()
        for sql in ["random() > 0", "v > (SELECT 1)", "nothing", "date('now') > at", "v > ?"] {
            shaping.filter = sql
            #expect(errorOf { _ = try PolledReader(scene, shaping) }?.table?.name == "t")
        }

        try scene.replica.source.execute("ALTER TABLE t ADD COLUMN w")
        #expect(errorOf { _ = try reader.rows() }?.retry == .later)
        try reader.reopen()
        #expect(try reader.rows().count == 1)
    }

    @Test("a file's identity is its place: a link is not followed, and a restored copy is the same; one put there meanwhile is opened anew")
    func identity() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY)", rows: "INSERT INTO t VALUES (1)", mode: "DELETE")
        let directory = scene.replica.directory.path
        #expect(try SQLitePolledSource(path: directory + "/.././\(scene.replica.directory.lastPathComponent)//source.db").identity() == "file:\(directory)/source.db")
        let link = directory + "/current.db"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: scene.replica.sourcePath)
        let linked = try SQLitePolledSource(path: link)
        let before = try linked.identity()
        _ = try linked.tables(TableSelection(), TableRules())
        try FileManager.default.copyItem(atPath: scene.replica.sourcePath, toPath: directory + "/next.db")
        try FileManager.default.removeItem(atPath: link)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: directory + "/next.db")
        #expect(errorOf { _ = try linked.tables(TableSelection(), TableRules()) }?.retry == .later)
        #expect(try SQLitePolledSource(path: link).identity() == before && before.hasSuffix("/current.db"))
    }

    @Test("a file and a directory that this user may only read are read; what is missing in WAL mode is said", .serialized, arguments: ["WAL", "DELETE"])
    func readOnly(mode: String) throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, v)", rows: "INSERT INTO t VALUES (1, 'a'), (2, 'b')", mode: mode)
        let directory = scene.replica.directory.appendingPathComponent("only").path
        let path = directory + "/source.db"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        try scene.replica.source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        try FileManager.default.copyItem(atPath: scene.replica.sourcePath, toPath: path)
        chmod(scene.replica.directory.path, 0o755)
        var application: SQLiteDatabase? = try SQLiteDatabase(path: path, mode: .readWrite)
        try application?.execute("PRAGMA journal_mode = \(mode); INSERT OR REPLACE INTO t VALUES (1, 'a'), (2, 'b')")
        chmod(path, 0o444)
        chmod(directory, 0o555)
        /// Only this thread's looks at files are another user's.
        func read() throws -> Int {
            _ = setFileUser(65_534)
            defer { _ = setFileUser(0) }
            let source = try SQLitePolledSource(path: path)
            let table = try #require(try source.tables(TableSelection(), TableRules()).first)
            var count = 0
            try source.read(TablePart(table)) { count += $0.changes.count }
            return count
        }
        #expect(try read() == 2)
        application = nil
        if mode == "WAL" {
            let said = errorOf { _ = try read() }
            #expect(said?.why.contains("source.db-shm") == true && said?.remedy.contains("Start the application") == true && said?.retry == .later)
        } else {
            #expect(try read() == 2)
        }
        chmod(directory, 0o777)
        #expect(try read() == 2)
    }

    private func setFileUser(_ user: UInt32) -> Int32 {
        typealias Function = @convention(c) (UInt32) -> Int32
        guard let symbol = dlsym(nil, "setfsuid") else { return -1 }
        return unsafeBitCast(symbol, to: Function.self)(user)
    }
}
