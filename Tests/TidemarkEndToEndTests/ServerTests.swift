import Foundation
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// Real servers under load, and without mercy.
@Suite("Servers", .serialized)
struct ServerTests {
    private static let account = "create table account (id int primary key, balance int not null)"

    @Test("the worker survives a crash of either server, says so once, and goes on")
    func crashes() throws {
        let (sourceServer, targetServer) = (ScratchCluster(), ScratchCluster())
        let replica = try Replica(Self.account, source: sourceServer, target: targetServer)
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(
            Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
        defer { worker.terminate() }
        // A crash before it has connected is none that it has seen.
        try replica.onSource.run("insert into account values (-1, 1)")
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(-1,1)" }
        for (round, server) in [targetServer, sourceServer, targetServer].enumerated() {
            server.crash()
            if server === targetServer {
                try PostgresSession(replica.source).run("insert into public.account values (\(round), 1)")
            }
            server.start()
            try PostgresSession(replica.source).run("insert into public.account values (\(round + 100), 1)")
            try replica.wait { try Replica.rows("account", PostgresSession(replica.target, schema: "public")).contains("(\(round + 100),1)") }
        }
        worker.terminate()
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0)
        try replica.expectEqual("account")
        let lines = try String(contentsOf: log, encoding: .utf8)
        #expect(lines.components(separatedBy: "trying again until it works").count == 4, "\(lines)")
        #expect(lines.components(separatedBy: "connected again").count == 4, "\(lines)")
    }

    @Test("a target that answers and refuses for a while is said once, and asked less and less often")
    func refusingTarget() throws {
        let server = ScratchCluster()
        let replica = try Replica(Self.account, target: server)
        try replica.onTarget.run("do $$ begin execute format('alter database %I set lock_timeout = 50', current_database()); end $$")
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(
            Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
        defer { worker.terminate() }
        try replica.onTarget.run("begin; lock table account in access exclusive mode")
        try replica.onSource.run("insert into account values (1, 1)")
        try replica.wait {
            let said = try String(contentsOfFile: "\(server.directory)/log", encoding: .utf8)
            return said.components(separatedBy: "due to lock timeout").count > 4
        }
        try replica.onTarget.run("rollback")
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(1,1)" }
        worker.terminate()
        worker.waitUntilExit()
        let lines = try String(contentsOf: log, encoding: .utf8)
        #expect(lines.components(separatedBy: "trying again until it works").count == 2, "\(lines)")
        #expect(lines.components(separatedBy: "connected again").count == 2, "\(lines)")
    }

    @Test("copy and stream under pgbench's TPC-B at full speed, then proof")
    func tpcB() throws {
        let replica = try Replica("")
        let pgbench = "\(ScratchCluster.binaries())/pgbench"
        #expect(Shell.run(pgbench, ["-i", "-q", "-s", "1", replica.source]).status == 0)
        let copied = Shell.run(
            "/bin/bash", ["-c", "set -o pipefail; '\(ScratchCluster.binaries())/pg_dump' -d '\(replica.source)' --schema-only -t 'pgbench_*' | psql -q '\(replica.target)'"])
        #expect(copied.status == 0, "\(copied.output)")
        #expect(replica.tidemark("setup").status == 0)
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(
            Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
        let load = Shell.run(pgbench, ["-n", "-c", "4", "-j", "2", "-t", "1000", replica.source])
        #expect(load.status == 0, "\(load.output)")
        worker.terminate()
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0)
        replica.follow()
        let proof = replica.tidemark("verify")
        #expect(proof.status == 0 && proof.output.components(separatedBy: " equal").count == 5, "\(proof.output)")
        try replica.expectEqual("pgbench_accounts", "pgbench_tellers", "pgbench_branches", "pgbench_history")
    }

    @Test("an idle writer, here or in another database of the server, delays nothing but its own changes")
    func idleWriters() throws {
        let replica = try Replica(Self.account)
        let here = try PostgresSession(replica.source)
        try here.run("begin; insert into public.account values (1, 1)")
        let elsewhere = try PostgresSession(ScratchCluster.shared.url("postgres"))
        try elsewhere.run("begin; select pg_current_xact_id()")
        try replica.onSource.run("insert into account values (2, 2)")
        replica.follow()
        #expect(try Replica.rows("account", replica.onTarget) == "(2,2)")
        let status = replica.tidemark("status")
        #expect(status.status == 0, "\(status.output)")
        try here.run("prepare transaction 'forgotten'")
        let waiting = replica.tidemark("status")
        #expect(waiting.output.contains("pruning waits for prepared transaction forgotten"), "\(waiting.output)")
        try here.run("commit prepared 'forgotten'")
        replica.follow()
        try replica.expectEqual("account")
        try elsewhere.run("rollback")
    }

    @Test("A4: a source in recovery is refused, and so is a standby as target")
    func standby() throws {
        let primary = ScratchCluster()
        let replica = try Replica(Self.account, source: primary, target: ScratchCluster.shared)
        primary.crash()
        _ = Shell.run("/bin/bash", ["-c", "touch '\(primary.directory)/data/standby.signal'"])
        primary.start()
        let refused = replica.tidemark("run", "--once")
        #expect(refused.status == 1)
        #expect(refused.output.contains("primary") || refused.output.contains("recovery"), "\(refused.output)")
        let check = replica.tidemark("check")
        #expect(check.status != 0 && check.output.contains("standby in recovery"), "\(check.output)")
    }
}
