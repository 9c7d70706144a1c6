import Foundation
import Synchronization
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Waiting by the built binary, and by applications beside it.
@Suite("Waiting from outside", .ownThreads, .timeLimit(.minutes(5)))
struct WaitCommandTests {
    private static let schema = "create table account (id int primary key, balance int not null)"

    @Test("wait ends with 0 once the target has it, and with 1 and a reason in time where it has not")
    func exitStatus() throws {
        let replica = try Replica(Self.schema)
        #expect(replica.tidemark("wait").status == 0)
        try replica.onSource.run("insert into account values (1, 1)")
        let begun = Date()
        let late = replica.tidemark("wait", "--timeout", "1s")
        #expect(late.status == 1 && late.output.contains("up to change") && late.output.contains("tidemark status --pipeline main"), "\(late.output)")
        #expect(Date().timeIntervalSince(begun) < 15)
        let json = replica.tidemark("wait", "--timeout", "1s", "--json")
        #expect(json.status == 1 && json.output.contains("\"isThere\" : false") && json.output.contains("\"reason\""), "\(json.output)")
        let misspelt = replica.tidemark("wait", "--table", "public.nothing")
        #expect(misspelt.status == 1 && misspelt.output.contains("no table of the pipeline matches public.nothing"), "\(misspelt.output)")
        #expect(replica.tidemark("wait", "--timeout", "soon").status == 64)
        // A number is a place of SQLite's log.
        let number = replica.tidemark("wait", "--position", "12")
        #expect(number.status == 64 && number.output.contains("“12” is no position"), "\(number.output)")
        let position = try replica.onSource.query("select tidemark.position()")[0, 0] ?? ""
        #expect(replica.tidemark("wait", "--timeout", "1s", "--position", position).status == 1)
        replica.follow()
        #expect(replica.tidemark("wait", "--timeout", "1s", "--position", position).status == 0)
        #expect(replica.tidemark("wait").output.contains("the target has everything"))
        let nobody = Shell.run(Replica.binary, ["wait", "--pipeline", "nope", "--source", replica.source, "--target", replica.target])
        #expect(nobody.status == 1 && nobody.output.contains("not set up"), "\(nobody.output)")
    }

    @Test("setup --grant-wait lets a role wait at both ends, shows it first, and teardown takes it away")
    func rights() throws {
        let role = "app_\(UInt32.random(in: 0..<UInt32.max))"
        let replica = try Replica(Self.schema)
        let missing = replica.tidemark("setup", "--grant-wait", role)
        #expect(missing.status == 1 && missing.output.contains("there is no role \(role)"), "\(missing.output)")
        try replica.onSource.run("create role \(role)")
        defer { try? replica.onSource.run("drop role \(role)") }
        let plan = replica.tidemark("setup", "--grant-wait", role, "--plan")
        #expect(plan.output.contains("select tidemark.grant_wait('main', '\(role)')"), "\(plan.output.suffix(500))")
        #expect(try replica.onSource.query("select has_schema_privilege('\(role)', 'tidemark', 'USAGE')")[0, 0] == "f")
        let granted = replica.tidemark("setup", "--grant-wait", role)
        #expect(granted.status == 0 && granted.output.contains("at the source, \(role) may wait"), "\(granted.output)")
        // A later setup keeps it.
        #expect(replica.tidemark("setup").status == 0)
        replica.follow()
        let source = try PostgresSession(replica.source + " options='-c role=\(role)'")
        let target = try PostgresSession(replica.target + " options='-c role=\(role)'")
        try source.run("select tidemark.wait_for('main')")
        let position = try source.query("select tidemark.position()")[0, 0] ?? ""
        try target.query("select tidemark.wait_until('main', $1)", [.text(position)])
        let removal = replica.tidemark("teardown", "--plan")
        #expect(removal.output.contains("select tidemark.revoke_wait('main')"))
        #expect(replica.tidemark("teardown").status == 0)
        for session in [replica.onSource, replica.onTarget] {
            #expect(try session.query("select to_regnamespace('tidemark')")[0, 0] == nil)
        }
    }

    @Test("wait_for never returns early while workers are killed")
    func killedWorkers() throws {
        let replica = try Replica(Self.schema)
        let left = Mutex(4)
        let returned = Mutex(0)
        let failures = Mutex<[String]>([])
        let (source, target) = (replica.source, replica.target)
        for writer in 0..<4 {
            Thread.detachNewThread {
                do {
                    let (onSource, onTarget) = (try PostgresSession(source), try PostgresSession(target))
                    for round in 0..<60 {
                        let id = writer * 1_000 + round
                        try onSource.run("insert into public.account values (\(id), 1)")
                        try onSource.run("select tidemark.wait_for('main', '120 s')")
                        returned.withLock { $0 += 1 }
                        let found = try onTarget.query("select count(*) from public.account where id = \(id)")[0, 0]
                        if found != "1" { failures.withLock { $0.append("writer \(writer), round \(round): the row is not there") } }
                    }
                } catch {
                    failures.withLock { $0.append("writer \(writer): \(error)") }
                }
                left.withLock { $0 -= 1 }
            }
        }
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("wait-\(UUID().uuidString)")
        for round in 0... {
            guard left.withLock({ $0 > 0 }) else { break }
            let before = returned.withLock { $0 }
            let worker = try Shell.start(Replica.binary, ["run", "--wait", "synchronous", "--source", source, "--target", target], log: log)
            usleep(UInt32.random(in: 300_000...1_500_000))
            // On a slow machine one that has just begun would always be killed before it is of any use.
            while round % 2 == 1, returned.withLock({ $0 == before }), left.withLock({ $0 > 0 }) { usleep(10_000) }
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
        }
        #expect(failures.withLock { $0 } == [])
        replica.follow()
        try replica.expectEqual("account")
    }
}
