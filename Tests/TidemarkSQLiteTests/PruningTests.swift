import Foundation
import Synchronization
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// The life of the log in a file that an application writes all the while.
@Suite struct PruningTests {
    /// On a quiet machine 50 ms are enough in both. Here other tests keep the disk busy, which every transaction waits for.
    @Test(
        "issue 4: an application that waits a moment for a lock never waits in vain while a large backlog is removed",
        arguments: [("WAL", 2000), ("DELETE", 5000)])
    func besideWriter(journal: String, busyTimeoutMs: Int) throws {
        let replica = try Replica("PRAGMA journal_mode = \(journal); CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) INSERT INTO t SELECT i, 'row ' || i FROM n")
        let end = try replica.lastChange()
        let writer = try ApplicationWriter(replica.sourcePath, busyTimeoutMs: busyTimeoutMs)
        let source = try replica.openSource()
        // Each round ends after a while, or where the application is too busy.
        while let error = errorOf({ try source.confirm(end, of: "main") }) {
            #expect(error.retry == .later)
        }
        let (written, refused) = writer.stop()
        #expect(written > 0 && refused == [])
        #expect(try replica.source.rows("SELECT min(id) FROM data_changes") == [[.integer(end.lastApplied)]])
    }

    @Test("issue 4: under steady writes the file stays as large as a few rounds of the log", arguments: ["WAL", "DELETE"])
    func steadySize(journal: String) throws {
        let replica = try Replica("PRAGMA journal_mode = \(journal); CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        replica.limits.confirmEveryMs = 0
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, 'row ' || i FROM n")
        var pages: [Int64] = []
        for _ in 0..<25 {
            try replica.source.execute("UPDATE t SET v = v || '.'")
            try replica.replicate()
            pages.append(try replica.source.rows("PRAGMA page_count")[0][0].integer ?? 0)
        }
        #expect(try replica.isEqual())
        // Freed pages are used again: what grows is the table alone.
        #expect(pages[24] < pages[2] * 3 / 2, "\(pages)")
    }

    @Test("issue 4: a writer that keeps the lock is not waited for, and nothing is lost by it")
    func givesUp() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        try replica.source.execute("INSERT INTO t VALUES (1), (2), (3)")
        let end = try replica.lastChange()
        let source = try replica.openSource()
        try replica.source.execute("BEGIN IMMEDIATE")
        #expect(errorOf { try source.confirm(end, of: "main") }?.retry == .later)
        try replica.source.execute("COMMIT")
        try source.confirm(end, of: "main")
        #expect(try replica.source.rows("SELECT id FROM data_changes") == [[.integer(3)]])
    }

    @Test("issue 4: a reader in rollback-journal mode postpones pruning, and others may read meanwhile")
    func besideReader() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        try replica.source.execute("INSERT INTO t VALUES (1), (2), (3)")
        let end = try replica.lastChange()
        let source = try replica.openSource()
        let reader = try replica.source.prepare("SELECT id FROM t")
        #expect(try reader.step())
        #expect(errorOf { try source.confirm(end, of: "main") }?.retry == .later)
        let other = try SQLiteDatabase(path: replica.sourcePath, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try other.rows("SELECT count(*) FROM data_changes") == [[.integer(3)]])
        reader.reset()
        try source.confirm(end, of: "main")
        #expect(try other.rows("SELECT count(*) FROM data_changes") == [[.integer(1)]])
    }
}

extension Replica {
    /// The place behind everything that is in the log.
    fileprivate func lastChange() throws -> Cursor {
        let row = try source.rows("SELECT id, token FROM data_changes ORDER BY id DESC LIMIT 1")[0]
        return Cursor(
            source: try openSource().identity(), snapshot: .change(row[0].integer ?? 0), witness: row[1].string ?? "",
            lastID: row[0].integer ?? 0, epoch: 1)
    }
}

/// An application that writes one row after the other, on a thread of its own, until it is stopped.
private final class ApplicationWriter: Sendable {
    private struct State {
        var isStopping = false
        var written = 0
        var refused: [String] = []
    }

    private let state = Mutex(State())
    private let ended = DispatchSemaphore(value: 0)

    init(_ path: String, busyTimeoutMs: Int) throws {
        Thread.detachNewThread { [self] in
            do {
                let database = try SQLiteDatabase(path: path, mode: .readWrite)
                // SQLite's own way of waiting, as applications have it.
                try database.execute("PRAGMA busy_timeout = \(busyTimeoutMs)")
                var id = 1_000_000
                while !state.withLock({ $0.isStopping }) {
                    id += 1
                    do {
                        try database.execute("INSERT INTO t VALUES (\(id), 'written beside')")
                        state.withLock { $0.written += 1 }
                    } catch {
                        state.withLock { $0.refused.append("\(error)") }
                    }
                }
            } catch {
                state.withLock { $0.refused.append("\(error)") }
            }
            ended.signal()
        }
    }

    func stop() -> (written: Int, refused: [String]) {
        state.withLock { $0.isStopping = true }
        ended.wait()
        return state.withLock { ($0.written, $0.refused) }
    }
}
