import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Killed workers")
struct CrashTests {
    @Test("invariants 2 and 3: kill -9 at random moments of a bank workload never tears or loses a transfer")
    func killedWorker() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        try replica.onSource.run("insert into account select i, 100 from generate_series(1, 50) i")
        replica.follow()
        let transfers = Process()
        transfers.executableURL = URL(fileURLWithPath: "\(ScratchCluster.binaries())/pgbench")
        let script = FileManager.default.temporaryDirectory.appendingPathComponent("bank-\(UUID().uuidString).sql")
        try """
            \\set a random(1, 50)
            \\set b random(1, 50)
            begin;
            update account set balance = balance - 1 where id = least(:a, :b);
            update account set balance = balance + 1 where id = greatest(:a, :b);
            commit;
            """.write(to: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: script) }
        transfers.arguments = ["-n", "-c", "3", "-t", "1500", "-f", script.path, replica.source]
        transfers.standardOutput = FileHandle.nullDevice
        transfers.standardError = FileHandle.nullDevice
        try transfers.run()
        var random = SystemRandomNumberGenerator()
        var looks = 0
        while transfers.isRunning {
            let worker = Process()
            worker.executableURL = URL(fileURLWithPath: Replica.binary)
            worker.arguments = ["run", "--source", replica.source, "--target", replica.target]
            worker.standardError = FileHandle.nullDevice
            try worker.run()
            for _ in 0..<Int.random(in: 1...40, using: &random) {
                let total = try replica.onTarget.query("select sum(balance), count(*) from account")
                #expect(total[0, 0] == "5000" && total[0, 1] == "50")
                looks += 1
            }
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
        }
        #expect(transfers.terminationStatus == 0)
        #expect(looks > 0)
        replica.follow()
        try replica.expectEqual("account")
    }

    @Test("SIGTERM stops a running worker after the window at hand, with status 0")
    func gracefulStop() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        let worker = Process()
        worker.executableURL = URL(fileURLWithPath: Replica.binary)
        worker.arguments = ["run", "--source", replica.source, "--target", replica.target]
        try worker.run()
        try replica.onSource.run("insert into account values (1, 1)")
        let deadline = Date().addingTimeInterval(30)
        while try Replica.rows("account", replica.onTarget).isEmpty, Date() < deadline {}
        worker.terminate()
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0)
        try replica.expectEqual("account")
    }
}
