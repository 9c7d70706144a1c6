import Foundation
import PostgresSQL
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Windows over a real server: sessions that begin, write, commit and roll back in any order.
@Suite("Windows of a real server")
struct WindowInterleavingTests {
    /// One session; its rows are tagged with the number of its transaction.
    private struct Writer {
        let session: PostgresSession
        var transaction: Int?
        var rows: [Int] = []
    }

    @Test("A1, A5: every committed change, stragglers beside pruning too, is delivered exactly once, in one window with its whole transaction", arguments: [1, 2, 3] as [UInt64])
    func exactlyOnce(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let url = try ScratchCluster.shared.database("windows")
        let administration = try PostgresSourceAdministration(url)
        try administration.session.run("create table public.t (id int primary key, tx int)")
        try administration.installLog()
        var cursor = try administration.startCursor(of: "main")
        _ = try administration.install(CaptureRequest(pipeline: "main"))
        var limits = ReadLimits()
        (limits.windowChangesMax, limits.pageChangesMax) = (20, 3)
        let source = try PostgresSource(url, limits: limits)
        var writers = try (0..<5).map { _ in Writer(session: try PostgresSession(url)) }
        var committed: [Int: [Int]] = [:]
        var delivered: [Int: [Int]] = [:]
        var (nextRow, nextTransaction) = (1, 1)

        func follow() throws {
            let windows = try source.windows(after: cursor, taking: TakenTables(TableSelection()))
            for (place, window) in windows.enumerated() {
                // Reading ahead, and this window once more, as after a page that did not fit by itself.
                if place + 1 < windows.count, Bool.random(using: &random) {
                    try source.read(windows[place + 1], captures: [1]) { _ in }
                }
                #expect(cursor.snapshot.isContained(in: window.end))
                var inWindow: [Int: [Int]] = [:]
                try source.read(window, captures: [1]) { page in
                    for change in page.changes {
                        let image = try #require(change.image.map { Data(page.bytes[$0]) })
                        let row = try #require(try JSONSerialization.jsonObject(with: image) as? [String: Int])
                        inWindow[row["tx"] ?? 0, default: []].append(row["id"] ?? 0)
                    }
                }
                for (transaction, rows) in inWindow {
                    #expect(rows == committed[transaction], "seed \(seed): transaction \(transaction) is not whole")
                    #expect(delivered.updateValue(rows, forKey: transaction) == nil, "seed \(seed): delivered twice")
                }
                (cursor.snapshot, cursor.witness) = (window.end, window.witness)
            }
            if Bool.random(using: &random) { try source.confirm(cursor, of: "main") }
        }

        for _ in 0..<400 {
            // Round the log's ring many times, so that segments are emptied beside those who still write.
            if Int.random(in: 0..<10, using: &random) == 0 {
                try administration.session.query(
                    "select setval('tidemark.data_changes_id_seq', last_value + $1) from tidemark.data_changes_id_seq",
                    [.text(String(Int.random(in: 50_000..<400_000, using: &random)))])
            }
            let place = Int.random(in: 0..<writers.count, using: &random)
            switch (writers[place].transaction, Int.random(in: 0..<10, using: &random)) {
            case (nil, _):
                try writers[place].session.run("begin")
                (writers[place].transaction, writers[place].rows) = (nextTransaction, [])
                nextTransaction += 1
            case (let transaction?, 0...6):
                try writers[place].session.run("insert into public.t values (\(nextRow), \(transaction))")
                writers[place].rows.append(nextRow)
                nextRow += 1
            case (let transaction?, 7...8):
                // Known before it is committed: the worker may look at any time after.
                if !writers[place].rows.isEmpty { committed[transaction] = writers[place].rows }
                try writers[place].session.run("commit")
                writers[place].transaction = nil
            default:
                try writers[place].session.run("rollback")
                writers[place].transaction = nil
            }
            if Int.random(in: 0..<12, using: &random) == 0 { try follow() }
        }
        for writer in writers where writer.transaction != nil { try writer.session.run("rollback") }
        try follow()
        #expect(delivered == committed, "seed \(seed)")
        #expect(committed.count > 20)
    }
}
