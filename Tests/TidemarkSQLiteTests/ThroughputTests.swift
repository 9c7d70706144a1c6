import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Measures, in a release build: TIDEMARK_MEASURE=500000 swift test -c release -Xswiftc -enable-testing …
@Suite struct ThroughputTests {
    static let rows = ProcessInfo.processInfo.environment["TIDEMARK_MEASURE"].flatMap { Int($0) } ?? 0

    @Test(.enabled(if: rows > 0)) func againstSQLiteItself() throws {
        let replica = try Replica(
            "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT)")
        let series = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(Self.rows))"
        for round in ["insert", "update"] {
            let values = "i, i * 7919, 'name of row ' || i, i * 0.1, 'some more text of ordinary length: ' || (i % 1000)"
            try replica.source.execute(
                round == "insert" ? "\(series) INSERT INTO t SELECT \(values) FROM n" : "UPDATE t SET a = a + 1, b = b || '!'")
            let plainPath = replica.directory.appendingPathComponent("plain.db").path
            let plain = try SQLiteDatabase(path: plainPath, mode: .create)
            try plain.execute("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL, d TEXT)")
            try plain.execute("ATTACH '\(replica.sourcePath)' AS s")
            let baseline = try ContinuousClock().measure {
                try plain.execute(
                    """
                    BEGIN; INSERT INTO main.t SELECT * FROM s.t WHERE true ON CONFLICT (id) DO UPDATE
                    SET a = excluded.a, b = excluded.b, c = excluded.c, d = excluded.d; COMMIT
                    """)
            }
            let window = try #require(try replica.windows().first)
            var pages: [ChangePage] = []
            let source = try replica.openSource()
            let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
            let reading = try ContinuousClock().measure {
                try source.read(window, captures: tables.keys.sorted()) { pages.append($0) }
            }
            let applying = try ContinuousClock().measure { try replica.apply(window, pages: pages, tables: tables) }
            print("\(round): SQLite \(baseline), reading \(reading), applying \(applying), applying/SQLite \(baseline / applying), all \(baseline / (applying + reading))")
            #expect(try replica.target.rows("SELECT count(*), sum(a) FROM t") == replica.source.rows("SELECT count(*), sum(a) FROM t"))
        }
    }
}
