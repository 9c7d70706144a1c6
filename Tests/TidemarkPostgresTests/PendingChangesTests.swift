import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What waits in the log, where it is too much to be counted.
@Suite("Pending changes of PostgreSQL")
struct PendingChangesTests {
    @Test("a few are counted, many are estimated by their ids, and the oldest is the oldest", arguments: [100, 100_000] as [Int64])
    func counted(countedMax: Int64) throws {
        let url = try ScratchCluster.shared.database("source")
        let session = try PostgresSession(url)
        try session.run("create table public.t (id int primary key, v int)")
        let administration = try PostgresSourceAdministration(url)
        try administration.installLog()
        let start = try administration.startCursor(of: "main")
        _ = try administration.install(CaptureRequest(pipeline: "main"))
        for transaction in 0..<5 { try session.run("insert into public.t select \(transaction) * 1000 + i, 0 from generate_series(1, 1000) i") }
        try session.run("update tidemark.data_changes set changed_at = clock_timestamp() - interval '1 hour' where id = (select min(id) from tidemark.data_changes)")
        var log = LogStatus(session: try PostgresSession(url))
        log.countedMax = countedMax
        let status = try log.read("main", at: start, settledThrough: [:])
        #expect(status.pendingChanges == 5_000)
        #expect(try #require(status.pendingSeconds) > 3_500)
        #expect(try #require(status.pendingBytes) > status.logBytes / 2)
        let transactions = try #require(status.pendingTransactions)
        #expect(countedMax == 100 ? transactions >= 1 : transactions == 5)
    }
}
