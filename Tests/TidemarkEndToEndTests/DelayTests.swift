import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The binary with a delay, and with a place to stop at.
@Suite("Delayed replica")
struct DelayTests {
    @Test("a change arrives once it is as old as the delay, and run --until stops just before a mistake")
    func delayed() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("delay-\(UUID().uuidString).log")
        defer { try? FileManager.default.removeItem(at: log) }
        let worker = try Shell.start(
            Replica.binary, ["run", "--source", replica.source, "--target", replica.target],
            environment: ["TIDEMARK_DELAY": "2s"], log: log)
        let written = Date()
        try replica.onSource.run("insert into account values (1, 100), (2, 100)")
        let status = replica.tidemark("status", "--delay", "2s")
        #expect(status.status == 0 && status.output.contains("delayed by 2 s on purpose"), "\(status.output)")
        try replica.wait { try Replica.rows("account", replica.onTarget).split(separator: "\n").count == 2 }
        #expect(Date().timeIntervalSince(written) >= 2)
        let refused = replica.tidemark("verify", "--delay", "2s")
        #expect(refused.status == 1 && refused.output.contains("--delay 0"), "\(refused.output)")
        // The worker marks where it may stop; from then on it is held up, as by an operator who has seen the mistake.
        try replica.onSource.run("insert into account values (3, 100)")
        let marks = "select count(*) from tidemark.tick where last_id >= (select max(id) from tidemark.data_changes)"
        try replica.wait { try replica.onSource.query(marks)[0, 0] != "0" }
        #expect(replica.tidemark("pause").status == 0)
        let paused = replica.tidemark("status", "--delay", "2s")
        #expect(paused.status == 0 && paused.output.contains("pipeline main: paused since"), "\(paused.output)")
        let once = replica.tidemark("run", "--once")
        #expect(once.status == 1 && once.output.contains("tidemark resume"), "\(once.output)")
        try replica.onSource.run("delete from account")
        let id = try replica.onSource.query("select min(id) from tidemark.data_changes where operation = 'D'")[0, 0] ?? ""
        let run = replica.tidemark("run", "--until", id)
        #expect(run.status == 0 && run.output.contains("stopped before change \(id), at change \((Int(id) ?? 0) - 1)"), "\(run.output)")
        #expect(try Replica.rows("account", replica.onTarget).split(separator: "\n").count == 3)
        #expect(worker.isRunning)
        worker.terminate()
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0)
        let said = try String(contentsOf: log, encoding: .utf8)
        #expect(said.components(separatedBy: "waiting for tidemark resume").count == 2, "\(said)")
        #expect(replica.tidemark("resume").status == 0)
        let again = replica.tidemark("run", "--once", "--until", id, "--json")
        #expect(again.status == 0 && again.output.contains("\"isReached\" : true"), "\(again.output)")
        replica.follow()
        #expect(try Replica.rows("account", replica.onTarget).isEmpty)
        let beyond = replica.tidemark("run", "--until", id)
        #expect(beyond.status == 1 && beyond.output.contains("beyond change \(id) already"), "\(beyond.output)")
    }

    @Test("delay: in a configuration is read, and one that is no time is wrong usage")
    func configuration() throws {
        let replica = try Replica("create table account (id int primary key, balance int not null)")
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("delay-\(UUID().uuidString).yaml")
        defer { try? FileManager.default.removeItem(at: file) }
        func status(_ delay: String) throws -> (status: Int32, output: String) {
            try "pipelines:\n  main:\n    source: \(replica.source)\n    target: \(replica.target)\n    delay: \(delay)\n"
                .write(to: file, atomically: true, encoding: .utf8)
            return Shell.run(Replica.binary, ["status", "--config", file.path])
        }
        let delayed = try status("30m")
        #expect(delayed.output.contains("delayed by 30 min on purpose"), "\(delayed.output)")
        let wrong = try status("soon")
        #expect(wrong.status == 64 && wrong.output.contains(StreamDelayForms.text), "\(wrong.output)")
        for arguments in [["run", "--delay", "soon"], ["run", "--until", "yesterday"]] {
            #expect(Shell.run(Replica.binary, arguments + ["--source", replica.source, "--target", replica.target]).status == 64)
        }
    }

    private enum StreamDelayForms { static let text = "a time (30m, 2h), or 0 for not at all" }
}
