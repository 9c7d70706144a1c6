import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres
@testable import TidemarkSQLite

/// One source, many targets, each a pipeline of its own.
@Suite("Fan-out", .ownThreads, .timeLimit(.minutes(5)))
struct FanOutTests {
    @Test("of eight targets one is down: the others do not notice, the log is kept for it, and it catches up")
    func oneIsDown() throws {
        let source = try ScratchCluster.shared.database("source")
        let away = ScratchCluster()
        let schema = "create table account (id int primary key, balance int not null)"
        let onSource = try PostgresSession(source, schema: "public")
        try onSource.run(schema)
        // Half of them other servers' databases, half files; with modes and failure policies of their own.
        var targets: [(name: String, address: String, more: String)] = []
        for number in 1...8 {
            let address: String
            if number == 1 {
                address = try away.database("away")
            } else if number <= 4 {
                address = try ScratchCluster.shared.database("target")
            } else {
                address = "sqlite:" + FileManager.default.temporaryDirectory.path + "/fan-\(UUID().uuidString).db"
            }
            if number <= 4 {
                try PostgresSession(address, schema: "public").run(schema)
            } else {
                try SQLiteDatabase(path: String(address.dropFirst(7)), mode: .create).execute(schema)
            }
            targets.append(("t\(number)", address, number == 2 ? "wait: synchronous" : number == 5 ? "on-failure: retry" : ""))
        }
        func rows(_ address: String) throws -> Int {
            let sql = "select count(*) from account"
            if address.hasPrefix("sqlite:") {
                return Int(try SQLiteDatabase(path: String(address.dropFirst(7)), mode: .readOnly, busyTimeoutMilliseconds: 30_000).rows(sql)[0][0].integer ?? -1)
            }
            return Int(try PostgresSession(address, schema: "public").query(sql)[0, 0] ?? "") ?? -1
        }
        let pipelines = targets.map { "  \($0.name):\n    source: \(source)\n    target: \($0.address)\n" + ($0.more.isEmpty ? "" : "    \($0.more)\n") }
        let served = try ServedPipelines(pipelines: pipelines.joined())
        for target in targets { try served.wait(for: target.name, "health", "well") }
        try onSource.run("insert into account select i, 0 from generate_series(1, 100) i")
        for target in targets { try ServedPipelines.wait("\(target.name) has the first rows") { try rows(target.address) == 100 } }
        away.crash()
        // What the others need for a row, one at a time, while one is down.
        var slowest = 0.0
        for row in 101...120 {
            try onSource.run("insert into account values (\(row), 0)")
            let begun = Date()
            for target in targets.dropFirst() { try ServedPipelines.wait("\(target.name) has row \(row)") { try rows(target.address) == row } }
            slowest = max(slowest, Date().timeIntervalSince(begun))
        }
        #expect(slowest < 10, "\(slowest) s")
        try onSource.run("select tidemark.wait_for(array['t2'], '30 s')")
        let failure = try #require(throws: PostgresFailure.self) { try onSource.run("select tidemark.wait_for(array['t2', 't1'], '300 ms')") }
        #expect(failure.sqlState == "TM001" && failure.message.contains("pipeline t1"), "\(failure)")
        try served.wait(for: "t1", "health", "attention")
        // The source says for whom it keeps its log, and keeps it.
        try ServedPipelines.wait("the status of another one names it") {
            let status = Shell.run(Shell.tidemark, ["status", "--config", served.configuration.path, "--pipeline", "t3"])
            return status.output.contains("pruning waits for pipeline t1")
        }
        #expect(try onSource.query("select count(distinct d.id) >= 20 from tidemark.data_changes d where d.operation <> 'B' and d.capture <> 0")[0, 0] == "t")
        away.start()
        try ServedPipelines.wait("it catches up") { (try? rows(targets[0].address)) == 120 }
        try onSource.run("select tidemark.wait_for(array['t1', 't2'], '60 s')")
        try served.wait(for: "t1", "health", "well")
        #expect(try served.pipeline("t2")["status"].map { "\($0)" }?.contains("synchronous") == true)
        #expect(served.terminate() == 0, "\(served.said)")
    }
}
