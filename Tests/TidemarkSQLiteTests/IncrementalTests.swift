import TidemarkCore
import Testing

@testable import TidemarkSQLite

/// Reading by what has changed.
@Suite struct IncrementalTests {
    struct Way: Sendable, CustomTestStringConvertible {
        var name: String
        var columns: [String]
        var strategy: IncrementalReading.Strategy?
        /// The type of `at`, and its value as SQL over a moment in seconds since 1970.
        var type: String
        var value: String
        var overlap = Int64(60)
        var testDescription: String { name }
    }

    static let ways = [
        Way(name: "ISO", columns: ["at"], type: "TEXT", value: "strftime('%Y-%m-%dT%H:%M:%SZ', {}, 'unixepoch')"),
        Way(name: "ISO with fractions", columns: ["at"], type: "DATETIME", value: "strftime('%Y-%m-%d %H:%M:%S', {}, 'unixepoch') || CASE {} % 3 WHEN 0 THEN '' ELSE '.' || ({} % 10) END"),
        Way(name: "ISO to the minute, with an id", columns: ["at", "id"], type: "", value: "strftime('%Y-%m-%d %H:%M', {}, 'unixepoch')", overlap: 120),
        Way(name: "days", columns: ["at"], type: "DATE", value: "date({}, 'unixepoch')"),
        Way(name: "seconds", columns: ["at"], type: "INTEGER", value: "{}"),
        Way(name: "milliseconds", columns: ["at"], strategy: .timestamp, type: "", value: "{} * 1000 + {} % 7"),
        Way(name: "Julian days", columns: ["at"], type: "REAL", value: "julianday({}, 'unixepoch')"),
        Way(name: "version", columns: ["n"], strategy: .version, type: "", value: "{}"),
        Way(name: "version by its values", columns: ["n"], type: "", value: "{}"),
        Way(name: "version and id", columns: ["n", "id"], type: "", value: "{}"),
    ]

    /// Writers whose clocks go before and after by less than the overlap, and now and then write no time at all.
    @Test("after any history, the rows that came and changed are the source's, and after a look at the keys all are", arguments: ways, ["WAL", "DELETE"])
    func histories(_ way: Way, mode: String) throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, at \(way.type), n INTEGER, v, u UNIQUE); CREATE INDEX at ON t (at)"
        let scene = try PolledScene(schema, mode: mode)
        var reading = IncrementalReading(columns: way.columns)
        (reading.strategy, reading.overlapSeconds) = (way.strategy, way.overlap)
        let reader = try PolledReader(scene)
        var random = SplitMix(state: UInt64(way.name.utf8.reduce(0) { Int($0) * 31 % 9973 + Int($1) }))
        var (clock, version) = (1_795_000_000, 1)
        for round in 0..<25 {
            for _ in 0..<Int.random(in: 0...6, using: &random) {
                clock += Int.random(in: 0...90, using: &random)
                try scene.replica.source.execute("BEGIN")
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    let moment = clock - Int.random(in: 0..<55, using: &random)
                    let at = Int.random(in: 0..<12, using: &random) == 0 ? "NULL" : way.value.replacing("{}", with: "\(moment)")
                    let (id, v) = (Int.random(in: 0..<30, using: &random), Int.random(in: 0..<1000, using: &random))
                    let isKept = Int.random(in: 0..<5, using: &random) > 0
                    let row = "\(id), \(at), \(version), \(v), \(v % 40)"
                    try scene.replica.source.execute(isKept ? "INSERT OR REPLACE INTO t VALUES (\(row))" : "DELETE FROM t WHERE id = \(id)")
                }
                try scene.replica.source.execute("COMMIT")
                version += 1
            }
            // Deleted rows may hold unique values that others have now.
            try reader.deleteOthers(rows: 4)
            try reader.follow(reading)
            #expect(try scene.replica.isEqual(), "round \(round)")
            if round % 6 == 5 { try reader.reopen() }
        }
        let unit = try scene.unit()
        let again = try reader.follow(reading)
        #expect(again.rowsWritten == 0 && again.mark == unit.mark)
    }

    @Test("a number that grows with each row finds those that came, and does not look at others")
    func autoIncrement() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v)")
        let reader = try PolledReader(scene)
        let reading = IncrementalReading(columns: ["id"])
        #expect(try reader.follow(reading).mark == nil)
        try scene.replica.source.execute("INSERT INTO t (v) VALUES (1), (2), (3)")
        #expect(try reader.follow(reading).counts == [3, 3, 0])
        try scene.replica.source.execute("UPDATE t SET v = 9 WHERE id = 1; INSERT INTO t (v) VALUES (4), (5)")
        let unit = try reader.follow(reading)
        #expect(unit.counts == [3, 2, 0] && unit.mark?.json == #"{"id":5}"#)
        #expect(try scene.replica.target.rows("SELECT v FROM t ORDER BY id").map { $0[0].integer } == [1, 2, 3, 4, 5])
    }

    @Test("a late row is found as far as the overlap goes, one with the same time always, and rows without a time are read each time")
    func lateRows() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT, v)", rows: "INSERT INTO t VALUES (1, '2026-01-01 12:00:00.500', 0), (2, NULL, 0)")
        let reader = try PolledReader(scene)
        var reading = IncrementalReading(columns: ["AT"])
        #expect(try reader.follow(reading).counts == [2, 2, 0])
        try scene.replica.source.execute("INSERT INTO t VALUES (3, '2026-01-01 11:59:00', 0), (4, '2026-01-01 11:58:59', 0), (5, '2026-01-01 12:00:00.500', 0)")
        // 1, 2, 3 and 5.
        #expect(try reader.follow(reading).counts == [4, 2, 0])
        try scene.replica.source.execute("UPDATE t SET v = 1 WHERE id IN (2, 5)")
        reading.overlapSeconds = 0
        #expect(try reader.follow(reading).counts == [3, 2, 0])
        #expect(try scene.replica.target.rows("SELECT id FROM t WHERE v = 1").count == 2)

        let empty = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, at TEXT)", rows: "INSERT INTO t VALUES (1, NULL)")
        let unset = try PolledReader(empty)
        #expect(try unset.follow(reading).counts == [1, 1, 0])
        try empty.replica.source.execute("INSERT INTO t VALUES (2, '2026-01-01 12:00:00')")
        #expect(try unset.follow(reading).counts == [2, 1, 0] && empty.replica.isEqual())
    }

    @Test("start and condition leave rows out; rows behind the mark are found by an index")
    func bounds() throws {
        let scene = try PolledScene(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n, v TEXT); CREATE INDEX n ON t (n)",
            rows: "INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'a'), (3, 30, 'b'), (4, 40, 'a'), (5, NULL, 'b')")
        let reader = try PolledReader(scene)
        var reading = IncrementalReading(columns: ["n"])
        (reading.start, reading.condition) = ("20", "v = 'a' -- those")
        #expect(try reader.follow(reading).counts == [2, 2, 0])
        #expect(try scene.replica.target.rows("SELECT id FROM t").map { $0[0].integer } == [2, 4])
        let rows = try TableRows(reader.table, in: scene.replica.source, role: .source)
        let marks = try MarkColumns(reading, of: rows)
        let range = try #require(try marks.range(after: ChangeMark(json: #"{"n":20}"#), through: ChangeMark(json: #"{"n":40}"#)))
        for (sql, values) in [(marks.highest, []), ("SELECT * FROM t WHERE \(range.sql) ORDER BY \(marks.order)", range.values)] {
            let plan = try scene.replica.source.rows("EXPLAIN QUERY PLAN \(sql)", values).compactMap { $0[3].string }
            #expect(plan.allSatisfy { $0.contains("INDEX n") }, "\(plan)")
        }
        let other = errorOf { _ = try marks.range(after: ChangeMark(json: #"{"at":1}"#), through: ChangeMark(json: #"{"n":40}"#)) }
        #expect(other?.why.contains("by: names n") == true && other?.remedy.contains("sync_unit") == true)
    }

    @Test("a pass that is killed in the middle leaves the target as it was, and the next one reads the same again")
    func killed() throws {
        let scene = try PolledScene("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)", rows: "INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)")
        let reader = try PolledReader(scene)
        let reading = IncrementalReading(columns: ["n"])
        try reader.follow(reading)
        let before = try scene.unit()
        try scene.replica.source.execute("UPDATE t SET n = n + 10; INSERT INTO t VALUES (4, 20)")
        // Its files are closed with the transaction open, as the system does for a process that is gone.
        var worker: SQLiteDatabase? = try SQLiteDatabase(path: scene.replica.targetPath, mode: .readWrite)
        try worker?.execute("BEGIN IMMEDIATE; UPDATE t SET n = n + 10; UPDATE tidemark_sync_unit SET mark = '{\"n\":20}'")
        worker = nil
        #expect(try scene.unit() == before)
        try reader.reopen()
        let after = try reader.follow(reading)
        #expect(after.counts == [4, 4, 0] && after.mark?.json == #"{"n":20}"#)
        #expect(try scene.replica.isEqual())
    }

    @Test("moments are gone back in as they are written", arguments: [
        (SQLiteValue.string("2026-03-01"), SQLiteValue.string("2026-02-28")), (.string("2026-03-01 00:00"), .string("2026-02-28 23:59")),
        (.string("2026-03-01T00:00:30.25Z"), .string("2026-02-28T23:59:30")), (.string("2024-03-01 00:00:10"), .string("2024-02-29 23:59:10")),
        (.integer(1_795_000_000), .integer(1_794_999_940)), (.integer(1_795_000_000_123), .integer(1_794_999_940_123)), (.real(1_795_000_000.5), .real(1_794_999_940.5)),
        (.integer(1_795_000_000_000_001), .integer(1_794_999_940_000_001)), (.integer(2_461_367), .real(2_461_367 - 60.0 / 86_400)),
    ])
    func times(_ value: SQLiteValue, _ earlier: SQLiteValue) { #expect(MarkTime.earlier(value, bySeconds: 60) == earlier) }

    @Test("what is no moment, or sorts otherwise than moments do, is not gone back in", arguments: [
        SQLiteValue.null, .blob([1]), .string(""), .string("12:00"), .string("2026-02-30"), .string("2026-01-01T00:00:00+02:00"), .string("2026-01-01T00:00:00-0500"),
        .integer(0), .integer(20_261_122), .integer(-1_795_000_000), .real(.infinity), .text([0xff]),
    ])
    func noTimes(_ value: SQLiteValue) { #expect(MarkTime.earlier(value, bySeconds: 60) == nil) }
}
