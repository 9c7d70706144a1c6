import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Measures, in a release build: TIDEMARK_MEASURE=1000000 swift test -c release -Xswiftc -enable-testing --filter RowThroughput
@Suite(.serialized) struct RowThroughputTests {
    static let schema = "PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b TEXT, r REAL, n INTEGER)"

    static func filled(_ rows: Int, both: Bool = false) throws -> Replica {
        let replica = try Replica(schema, setUp: false)
        for database in both ? [replica.source, replica.target] : [replica.source] {
            try database.execute(
                """
                WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < \(rows))
                INSERT INTO t SELECT i, 'name of row ' || i, 'some more text of ordinary length: ' || (i % 1000), i * 0.1, i * 7919 FROM n
                """)
        }
        try replica.setUp()
        return replica
    }

    @Test("a copy in native form against INSERT … SELECT through ATTACH", .enabled(if: ThroughputTests.rows > 0))
    func nativeCopy() throws {
        let replica = try Self.filled(ThroughputTests.rows)
        var ratios: [Double] = []
        for round in 0..<3 {
            let plain = try SQLiteDatabase(path: replica.directory.appendingPathComponent("plain\(round).db").path, mode: .create)
            try plain.execute("\(Self.schema); ATTACH '\(replica.sourcePath)' AS s")
            // With a column list and a condition SQLite reads and writes rows; without, it moves them unread.
            let baseline = try ContinuousClock().measure {
                try plain.execute("BEGIN; INSERT INTO main.t (id, a, b, r, n) SELECT id, a, b, r, n FROM s.t WHERE true; COMMIT")
            }
            let moved = try ContinuousClock().measure {
                try plain.execute("DELETE FROM main.t; BEGIN; INSERT INTO main.t SELECT * FROM s.t; COMMIT")
            }
            try replica.target.execute("DELETE FROM t; PRAGMA wal_checkpoint(TRUNCATE)")
            let target = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main")
            let cursor = try SQLiteTarget(path: replica.targetPath, pipeline: "main").takeOver(worker: "test")
            let slot = Slot()
            let path = replica.sourcePath
            let time = try ContinuousClock().measure {
                let source = try SQLiteRowSource(path: path)
                let table = try #require(try source.hold([]).tables.first)
                source.release()
                let form = try target.form(of: table, from: SQLiteEngine().name)
                Thread.detachNewThread {
                    do {
                        let source = try SQLiteRowSource(path: path)
                        _ = try source.hold([])
                        try source.read(TablePart(table), as: form) { slot.put($0) }
                    } catch { Issue.record(error) }
                    slot.put(nil)
                }
                #expect(try target.load(table, as: form, order: .paged, at: cursor, saving: nil) { slot.take() } == Int64(ThroughputTests.rows))
            }
            let reading = try ContinuousClock().measure {
                let source = try SQLiteRowSource(path: path)
                let table = try #require(try source.hold([]).tables.first)
                try source.read(TablePart(table), as: try target.form(of: table, from: SQLiteEngine().name)) { _ in }
            }
            ratios.append(baseline / time)
            print("copy: SQLite \(baseline), pages moved \(moved), tidemark \(time), SQLite/tidemark \(baseline / time), reading alone \(reading)")
        }
        let memory = try String(contentsOfFile: "/proc/self/status", encoding: .utf8).split(separator: "\n").first { $0.hasPrefix("VmHWM") }
        print("copy: highest memory of the whole process \(memory ?? "?")")
        #expect(ratios.max() ?? 0 > 0.3)
        #expect(try replica.isEqual())
    }

    @Test("digests of both sides", .enabled(if: ThroughputTests.rows > 0))
    func digests() throws {
        let replica = try Self.filled(ThroughputTests.rows, both: true)
        let source = try SQLiteRowSource(path: replica.sourcePath)
        let table = try #require(try source.hold([]).tables.first)
        for buckets in [1, 1024] {
            let counting = try ContinuousClock().measure { _ = try replica.source.rows("SELECT count(*), sum(length(a)) FROM t") }
            let time = try ContinuousClock().measure { _ = try source.digests(of: TablePart(table), buckets: buckets) }
            let changes = try ContinuousClock().measure { try source.read(TablePart(table), as: .changes) { _ in } }
            print("digests in \(buckets) buckets: \(time), a plain aggregate \(counting), as changes \(changes)")
            #expect(time < .seconds(3))
        }
        let cursor = try SQLiteTarget(path: replica.targetPath, pipeline: "main").takeOver(worker: "test")
        let reader = try SQLiteTargetReader(path: replica.targetPath, pipeline: "main")
        try reader.hold([table], at: cursor)
        var pages: [ChangePage] = []
        try source.read(TablePart(table), as: .changes) { if case .changes(let page) = $0 { pages.append(page) } }
        var found = 0
        let comparing = try ContinuousClock().measure { for page in pages { found += try reader.compare(page, of: table).count } }
        #expect(found == 0)
        var next = pages.makeIterator()
        let extras = try ContinuousClock().measure {
            try reader.extras(TablePart(table), besides: { next.next() }) { Issue.record("\($0)") }
        }
        let key = try ContinuousClock().measure { _ = try source.key(in: TablePart(table), afterRows: ThroughputTests.rows / 2) }
        print("comparing \(comparing), extras \(extras), a key in the middle \(key)")
        let target = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main")
        let cursorNow = try SQLiteTarget(path: replica.targetPath, pipeline: "main").cursor()
        reader.release()
        next = pages.makeIterator()
        let merging = try ContinuousClock().measure {
            _ = try target.load(table, as: .changes, order: .paged, at: cursorNow, saving: nil) { next.next().map(RowPage.changes) }
        }
        print("merging as changes \(merging)")
    }

    /// One page ahead.
    private final class Slot: @unchecked Sendable {
        // @unchecked: what is below is only touched under the condition's lock.
        private let condition = NSCondition()
        private var page: RowPage??

        func put(_ next: RowPage?) {
            condition.withLock {
                while page != nil { condition.wait() }
                page = .some(next)
                condition.signal()
            }
        }

        func take() -> RowPage? {
            condition.withLock {
                while page == nil { condition.wait() }
                defer {
                    page = nil
                    condition.signal()
                }
                return page ?? nil
            }
        }
    }
}
