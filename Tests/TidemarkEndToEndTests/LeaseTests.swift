import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// A leader that is stopped, and the one after it.
@Suite("Leases of running processes")
struct LeaseTests {
    private static func start(_ replica: Replica, _ log: URL) throws -> Process {
        try Shell.start(Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
    }

    private static func log() -> URL { FileManager.default.temporaryDirectory.appendingPathComponent("lease-\(UUID().uuidString)") }

    private static func isStopped(_ process: Process) throws -> Bool {
        let tasks = "/proc/\(process.processIdentifier)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).allSatisfy { task in
            try String(contentsOfFile: "\(tasks)/\(task)/stat", encoding: .utf8).contains(") T ")
        }
    }

    /// What is over is over also where the test has failed.
    private static func end(_ processes: Process...) {
        for process in processes where process.isRunning {
            kill(process.processIdentifier, SIGCONT)
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }
    }

    @Test("a worker that is stopped inside a window keeps nobody waiting, and cannot write once it goes on")
    func stoppedInWindow() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        let (oldLog, newLog) = (Self.log(), Self.log())
        let old = try Self.start(replica, oldLog)
        defer { Self.end(old) }
        try replica.wait { try replica.onTarget.query("select 1 from tidemark.lease where holder is not null").count == 1 }
        // The window waits for a row of the target, with the cursor's row locked.
        try replica.onTarget.run("insert into account values (1, 1)")
        try replica.onSource.run("insert into account values (1, 1)")
        try replica.wait { try Replica.rows("account", try PostgresSession(replica.target, schema: "public")) == "(1,1)" }
        let holder = try PostgresSession(replica.target, schema: "public")
        try holder.run("begin; select * from account where id = 1 for update")
        try replica.onSource.run("update account set balance = 2 where id = 1; insert into account values (2, 2)")
        try replica.wait {
            try replica.onTarget.query(
                "select 1 from pg_stat_activity where datname = current_database() and application_name like 'tidemark: %' and wait_event_type = 'Lock'").count == 1
        }
        kill(old.processIdentifier, SIGSTOP)
        // Its threads stop one after the other.
        try replica.wait { try Self.isStopped(old) }
        try holder.run("rollback")
        let former = try replica.onTarget.query("select holder, epoch from tidemark.lease")
        let new = try Self.start(replica, newLog)
        defer { Self.end(new) }
        let begun = ContinuousClock.now
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(1,2)\n(2,2)" }
        #expect(ContinuousClock.now - begun < .seconds(15))
        let now = try replica.onTarget.query("select holder, epoch from tidemark.lease")
        #expect(now[0, 0] != former[0, 0] && now[0, 1] != former[0, 1], "\(now[0, 0] ?? "nobody") after \(former[0, 0] ?? "nobody")")
        kill(old.processIdentifier, SIGCONT)
        try replica.onSource.run("update account set balance = 3")
        old.waitUntilExit()
        #expect(old.terminationStatus == 1)
        let said = try String(contentsOf: oldLog, encoding: .utf8)
        #expect(said.contains("another process leads") || said.contains("another worker has taken"), "\(said)")
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(1,3)\n(2,3)" }
        new.terminate()
        new.waitUntilExit()
        let newSaid = try String(contentsOf: newLog, encoding: .utf8)
        #expect(new.terminationStatus == 0, "\(newSaid)")
        #expect(try replica.onTarget.query("select 1 from tidemark.lease where holder is not null").count == 0, "it was given back")
        try replica.expectEqual("account")
    }

    @Test("a run takes the lease from whoever has it; run --once leaves it alone")
    func byForce() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        let leases = try PostgresLeaseAdministration(replica.target)
        let service = try leases.acquire("main", by: "service", forMs: 600_000, force: true)
        replica.follow()
        #expect(try leases.lease(of: "main")?.holder == "service")
        let run = try Self.start(replica, Self.log())
        defer { Self.end(run) }
        try replica.wait { try leases.lease(of: "main")?.holder != "service" }
        #expect(try leases.renew(["main": service.epoch], by: "service", forMs: 600_000).isEmpty)
        run.terminate()
        run.waitUntilExit()
        #expect(try leases.acquire("main", by: "service", forMs: 1_000, force: false).holder == "service")
    }
}
