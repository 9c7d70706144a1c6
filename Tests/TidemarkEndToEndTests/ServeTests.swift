import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Many pipelines under one process: the built binary, real databases, real signals.
@Suite("Service", .ownThreads, .timeLimit(.minutes(5)))
struct ServeTests {
    private static let schema = "create table account (id int primary key, balance int not null)"

    /// Databases of one pipeline, which the service itself sets up.
    struct Pair {
        let source: String
        let target: String
        let onSource: PostgresSession
        let onTarget: PostgresSession

        init(schema: String = ServeTests.schema, atTarget: String = "") throws {
            (source, target) = (try ScratchCluster.shared.database("source"), try ScratchCluster.shared.database("target"))
            (onSource, onTarget) = (try PostgresSession(source, schema: "public"), try PostgresSession(target, schema: "public"))
            try onSource.run(schema)
            try onTarget.run(schema + (atTarget.isEmpty ? "" : ";" + atTarget))
        }

        func yaml(_ name: String, _ more: String = "") -> String {
            "  \(name):\n    source: \(source)\n    target: \(target)\n" + (more.isEmpty ? "" : "    \(more)\n")
        }

        func isEqual() throws -> Bool { try Replica.rows("account", onSource) == Replica.rows("account", onTarget) }
    }

    /// A target whose sessions take what they are sent and answer nothing, until it is let go on.
    final class HangingTarget {
        private let admin: PostgresSession
        private let database: String
        private let backends: [Int32]

        init(_ pair: Pair) throws {
            admin = try PostgresSession(try ScratchCluster.shared.database("admin"), schema: "public")
            database = try #require(try pair.onTarget.query("select current_database()")[0, 0])
            // Sessions that would be opened meanwhile take the lease again, and keep it.
            try admin.run("alter database \(database) allow_connections false")
            let found = try pair.onTarget.query("select pid from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
            backends = try (0..<found.count).map { try #require(Int32(found[$0, 0] ?? "")) }
            backends.forEach { kill($0, SIGSTOP) }
        }

        func goOn() throws {
            backends.forEach { kill($0, SIGCONT) }
            try admin.run("alter database \(database) allow_connections true")
        }

        deinit { backends.forEach { kill($0, SIGCONT) } }
    }

    @Test("one pipeline that fails stands still and says why; the others go on, and it goes on once it is asked to")
    func isolation() throws {
        let (well, broken) = (try Pair(), try Pair(atTarget: "alter table account add check (balance < 1000)"))
        let served = try ServedPipelines(pipelines: well.yaml("well") + broken.yaml("broken"))
        try served.wait(for: "well", "health", "well")
        try served.wait(for: "broken", "health", "well")
        try broken.onSource.run("insert into account values (1, 5000)")
        try served.wait(for: "broken", "activity", "stopped")
        let failed = try served.pipeline("broken")
        #expect(failed["activity"] as? String == "stopped")
        #expect((failed["reason"] as? String)?.contains("account") == true, "\(failed)")
        try well.onSource.run("insert into account select i, i from generate_series(1, 1000) i")
        try ServedPipelines.wait("the other one follows") { try well.isEqual() }
        try served.wait(for: "well", "health", "well")
        let early = try served.request("POST", "/pipelines/well/run")
        #expect(early.status == 409, "\(early.text)")
        try broken.onTarget.run("alter table account drop constraint account_balance_check")
        #expect(try served.request("POST", "/pipelines/broken/run").status == 200)
        try ServedPipelines.wait("it goes on at the same change") { try broken.isEqual() }
        try served.wait(for: "broken", "health", "well")
        var error: [String: Any]?
        try ServedPipelines.wait("the error is over") {
            error = try served.pipeline("broken")["lastError"] as? [String: Any]
            return error?["resolvedAt"] is String
        }
        #expect(error?["kind"] as? String == "data" && (failed["lastError"] as? [String: Any])?["resolvedAt"] == nil, "\(String(describing: error))")
        #expect(try served.pipeline("broken")["failures"] as? Int == 0)
        #expect(served.terminate() == 0, "\(served.said)")
    }

    @Test("on-failure: retry goes on by itself once what failed is mended")
    func retries() throws {
        let pair = try Pair(atTarget: "alter table account add check (balance < 1000)")
        let served = try ServedPipelines(pipelines: pair.yaml("shop", "on-failure: retry"))
        try served.wait(for: "shop", "health", "well")
        try pair.onSource.run("insert into account values (1, 5000)")
        try served.wait(for: "shop", "health", "failed")
        try pair.onTarget.run("alter table account drop constraint account_balance_check")
        try ServedPipelines.wait("it goes on at the same change") { try pair.isEqual() }
        try served.wait(for: "shop", "health", "well")
        #expect(served.terminate() == 0)
    }

    @Test("on-failure: set-aside parks what fails and lets the rest flow, until it is retried over the API")
    func setsAside() throws {
        let pair = try Pair(atTarget: "alter table account add check (balance < 1000)")
        let served = try ServedPipelines(pipelines: pair.yaml("shop", "on-failure: set-aside"))
        try served.wait(for: "shop", "health", "well")
        // A change of a table whose copy is not complete is not parked.
        try served.waitUntilCopied("shop")
        try pair.onSource.run("insert into account values (1, 5000)")
        try pair.onSource.run("insert into account values (2, 20)")
        try served.wait(for: "shop", "health", "attention")
        try ServedPipelines.wait("the rest flows") { try Replica.rows("account", pair.onTarget) == "(2,20)" }
        let parked = try served.request("GET", "/pipelines/shop/parked")
        let items = (parked.object as? [String: Any])?["items"] as? [[String: Any]]
        let id = try #require(items?.first?["id"] as? Int, "\(parked.text)")
        #expect(items?.count == 1)
        let changes = try served.request("GET", "/pipelines/shop/parked/\(id)/changes")
        #expect(changes.text.contains("5000"), "\(changes.text)")
        let refused = try served.request("POST", "/pipelines/shop/parked/\(id)/retry")
        #expect(refused.status == 422 || refused.status == 409, "\(refused.text)")
        try pair.onTarget.run("alter table account drop constraint account_balance_check")
        #expect(try served.request("POST", "/pipelines/shop/parked/\(id)/retry").status == 200)
        try ServedPipelines.wait("it goes on at the same change") { try pair.isEqual() }
        try served.wait(for: "shop", "health", "well")
        #expect(try served.request("GET", "/pipelines/shop/parked-audit").text.contains("retried"))
        #expect(served.terminate() == 0)
    }

    /// Two services on one configuration, with the pipeline shop.
    private static func leaderAndStandby(_ pair: Pair, lease: String = "2s") throws -> (leader: ServedPipelines, standby: ServedPipelines) {
        let first = try ServedPipelines(pipelines: pair.yaml("shop"), lease: lease)
        try first.wait(for: "shop", "activity", "following")
        return try leaderAndStandby(first, try ServedPipelines(beside: first))
    }

    /// Which of two leads. On a machine that is busy for longer than a lease it may be the one that came later.
    private static func leaderAndStandby(_ one: ServedPipelines, _ other: ServedPipelines) throws -> (leader: ServedPipelines, standby: ServedPipelines) {
        func activity(_ served: ServedPipelines) throws -> String? { try served.pipeline("shop")["activity"] as? String }
        var found: (ServedPipelines, ServedPipelines)?
        try ServedPipelines.wait("one of two leads, and the other stands by", showing: { "\(one.said)\n---\n\(other.said)" }) {
            switch (try activity(one), try activity(other)) {
            case ("following", "standby"): found = (one, other)
            case ("standby", "following"): found = (other, one)
            default: break
            }
            return found != nil
        }
        return try #require(found)
    }

    @Test("of two services one leads; another takes over within seconds when it is killed, and at once when it is stopped")
    func takeover() throws {
        let pair = try Pair()
        let (first, second) = try Self.leaderAndStandby(pair)
        try pair.onSource.run("insert into account values (1, 1)")
        try ServedPipelines.wait("it arrives") { try pair.isEqual() }
        first.signal(SIGKILL)
        let killed = Date()
        try second.wait(for: "shop", "activity", "following")
        #expect(Date().timeIntervalSince(killed) < 10)
        try pair.onSource.run("insert into account values (2, 2)")
        try ServedPipelines.wait("it arrives through the other") { try pair.isEqual() }
        let (leader, standby) = try Self.leaderAndStandby(second, try ServedPipelines(beside: first))
        #expect(leader.terminate() == 0)
        let stopped = Date()
        try standby.wait(for: "shop", "activity", "following")
        // It was given back, and need not run out.
        #expect(Date().timeIntervalSince(stopped) < 10)
        #expect(standby.terminate() == 0)
    }

    @Test("a leader that was stopped for longer than its lease finds another one in its place, and stands by")
    func pausedLeader() throws {
        let pair = try Pair()
        // Longer than a busy machine keeps a leader from renewing it: whoever leads in the end has led all the time since.
        let (first, second) = try Self.leaderAndStandby(pair, lease: "6s")
        first.signal(SIGSTOP)
        try pair.onSource.run("insert into account select i, i from generate_series(1, 5000) i")
        try second.wait(for: "shop", "activity", "following")
        try ServedPipelines.wait("the other applies") { try pair.isEqual() }
        let epoch = try pair.onTarget.query("select epoch from tidemark.cursor")[0, 0]
        first.signal(SIGCONT)
        try first.wait(for: "shop", "activity", "standby")
        try pair.onSource.run("update account set balance = balance + 1")
        try ServedPipelines.wait("it goes on") { try pair.isEqual() }
        #expect(try pair.onTarget.query("select epoch from tidemark.cursor")[0, 0] == epoch, "the old leader took the pipeline back")
        #expect(first.terminate() == 0)
        #expect(second.terminate() == 0)
    }

    @Test("SIGHUP restarts only what was changed; a configuration with errors is refused, and the old one stays")
    func reload() throws {
        let (kept, changed, added) = (try Pair(), try Pair(), try Pair())
        let served = try ServedPipelines(pipelines: kept.yaml("kept") + changed.yaml("changed"))
        try served.wait(for: "kept", "activity", "following")
        try served.wait(for: "changed", "activity", "following")
        func epoch(_ pair: Pair) throws -> String? { try pair.onTarget.query("select epoch from tidemark.cursor")[0, 0] }
        let (keptEpoch, changedEpoch) = (try epoch(kept), try epoch(changed))
        try served.write(pipelines: kept.yaml("kept") + "  changed:\n    sorce: oops\n")
        served.signal(SIGHUP)
        try ServedPipelines.wait("the error is said") { served.said.contains("sorce") }
        #expect(served.said.contains("Did you mean “source”?") && served.said.contains("tidemark.yaml:"), "\(served.said)")
        #expect(try served.pipeline("changed")["activity"] as? String == "following")
        try served.write(pipelines: kept.yaml("kept") + changed.yaml("changed", "on-failure: retry") + added.yaml("added"))
        served.signal(SIGHUP)
        try ServedPipelines.wait("it is taken") { (try? served.pipeline("changed")["onFailure"] as? String) == "retry" }
        try served.wait(for: "added", "activity", "following")
        try served.wait(for: "changed", "activity", "following")
        #expect(try epoch(kept) == keptEpoch)
        #expect(try epoch(changed) != changedEpoch)
        try served.write(pipelines: kept.yaml("kept"))
        served.signal(SIGHUP)
        try ServedPipelines.wait("they are gone") { try served.request("GET", "/pipelines/added").status == 404 }
        try kept.onSource.run("insert into account values (1, 1)")
        try ServedPipelines.wait("it still follows") { try kept.isEqual() }
        #expect(served.terminate() == 0)
    }

    @Test("a pipeline that is removed and comes back while its former self still ends runs once, and is known")
    func comesBackWhileItEnds() throws {
        let (pair, other) = (try Pair(), try Pair())
        let served = try ServedPipelines(pipelines: pair.yaml("shop") + other.yaml("other"))
        for name in ["shop", "other"] { try served.wait(for: name, "health", "well") }
        func reload(_ pipelines: String, _ count: Int) throws {
            try served.write(pipelines: pipelines)
            served.signal(SIGHUP)
            try ServedPipelines.wait("it was read") { served.said.components(separatedBy: "configuration read").count == count + 1 }
        }
        // The window at hand waits for this.
        try pair.onTarget.run("begin; lock table account in access exclusive mode")
        try pair.onSource.run("insert into account values (1, 1)")
        try ServedPipelines.wait("it waits") {
            try other.onTarget.query("select from pg_locks where not granted and locktype = 'relation'").count > 0
        }
        try reload(other.yaml("other"), 1)
        try reload(pair.yaml("shop") + other.yaml("other"), 2)
        #expect(try served.request("GET", "/pipelines/shop").status == 200)
        try pair.onTarget.run("commit")
        try ServedPipelines.wait("its former self has ended") { served.said.components(separatedBy: "pipeline=shop [TidemarkPipeline] following").count == 3 }
        try ServedPipelines.wait("the window is applied") { try pair.isEqual() }
        try served.wait(for: "shop", "health", "well")
        #expect(served.terminate() == 0, "\(served.said)")
    }

    @Test("a lease that cannot be renewed is not shown as this process's, and the pipeline is not well, before it goes on by itself")
    func silentTarget() throws {
        let pair = try Pair()
        let served = try ServedPipelines(pipelines: pair.yaml("shop"))
        try served.wait(for: "shop", "health", "well")
        let hanging = try HangingTarget(pair)
        var lost: [String: Any] = [:]
        try ServedPipelines.wait("it says that the lease is lost") {
            lost = try served.pipeline("shop")
            return (lost["summary"] as? String)?.contains("lease") == true
        }
        #expect(lost["health"] as? String == "attention", "\(lost)")
        #expect((lost["lease"] as? [String: Any])?["isMine"] as? Bool == false, "\(lost)")
        try hanging.goOn()
        try served.wait(for: "shop", "health", "well")
        #expect((try served.pipeline("shop")["lease"] as? [String: Any])?["isMine"] as? Bool == true)
        #expect(served.terminate() == 0)
    }

    /// Takes a window that its target never answers, and is asked to stop.
    private static func hanging(_ pair: Pair, _ service: String) throws -> (ServedPipelines, HangingTarget) {
        let other = try Pair()
        let served = try ServedPipelines(service: service, pipelines: pair.yaml("shop") + other.yaml("other"))
        for name in ["shop", "other"] { try served.wait(for: name, "health", "well") }
        let target = try HangingTarget(pair)
        try pair.onSource.run("insert into account values (1, 1)")
        try ServedPipelines.wait("it says that the lease is lost") { (try served.pipeline("shop")["summary"] as? String)?.contains("lease") == true }
        served.signal(SIGTERM)
        try ServedPipelines.wait("it was heard") { served.said.contains("a second signal") }
        return (served, target)
    }

    @Test("a database that hangs keeps it from ending until it is asked a second time")
    func endsAtOnce() throws {
        let (served, target) = try Self.hanging(try Pair(), "  stop-within: 1h")
        defer { withExtendedLifetime(target) {} }
        #expect(served.terminate() == 1, "\(served.said)")
        #expect(served.said.contains("as a second signal came"), "\(served.said)")
    }

    @Test("a database that hangs is given up after stop-within, and the log says which pipeline that is about")
    func endsInTime() throws {
        let (served, target) = try Self.hanging(try Pair(), "  stop-within: 10s")
        defer { withExtendedLifetime(target) {} }
        served.process.waitUntilExit()
        #expect(served.process.terminationStatus == 1, "\(served.said)")
        #expect(served.said.contains("error tidemark: pipeline=shop [tidemark] the window at hand is given up: its target has not answered"), "\(served.said)")
        #expect(!served.said.contains("pipeline=other [tidemark]") && served.said.contains("as it had not ended within 10 s"), "\(served.said)")
    }

    @Test("a pipeline that failed and is no longer configured leaves its lease to others")
    func removedAfterFailure() throws {
        let (pair, other) = (try Pair(atTarget: "alter table account add check (balance < 1000)"), try Pair())
        let served = try ServedPipelines(pipelines: pair.yaml("shop") + other.yaml("other"))
        try served.wait(for: "shop", "health", "well")
        try pair.onSource.run("insert into account values (1, 5000)")
        try served.wait(for: "shop", "activity", "stopped")
        let leases = try PostgresEngine().leaseAdministration(pair.target)
        #expect(try leases.lease(of: "shop")?.isAlive == true)
        try served.write(pipelines: other.yaml("other"))
        served.signal(SIGHUP)
        try ServedPipelines.wait("it is given back") { try leases.lease(of: "shop")?.isAlive != true }
        #expect(served.terminate() == 0)
    }

    @Test("a service that is started while a database is away waits for it, and says so")
    func startsWithoutDatabase() throws {
        let cluster = ScratchCluster()
        let source = try cluster.database("source")
        let target = try ScratchCluster.shared.database("target")
        try PostgresSession(source, schema: "public").run(Self.schema)
        try PostgresSession(target, schema: "public").run(Self.schema)
        cluster.crash()
        let served = try ServedPipelines(pipelines: "  shop:\n    source: \(source)\n    target: \(target)\n")
        try served.wait(for: "shop", "health", "attention")
        #expect(try served.request("GET", "/health").status == 200)
        cluster.start()
        try served.wait(for: "shop", "health", "well")
        #expect(served.terminate() == 0)
        cluster.crash()
    }

    @Test("pause and resume over the API, a task that compares, and who did it in the audit log")
    func actions() throws {
        let pair = try Pair()
        let audit = FileManager.default.temporaryDirectory.appendingPathComponent("audit-\(UUID().uuidString)")
        let state = FileManager.default.temporaryDirectory.appendingPathComponent("state-\(UUID().uuidString)")
        let served = try ServedPipelines(service: "  audit-log: \(audit.path)\n  state: \(state.path)", pipelines: pair.yaml("shop"))
        try served.wait(for: "shop", "health", "well")
        #expect(try served.request("POST", "/pipelines/shop/pause").status == 200)
        try served.wait(for: "shop", "health", "paused")
        try pair.onSource.run("insert into account values (1, 1)")
        #expect(try served.request("POST", "/pipelines/shop/resume").status == 200)
        try served.wait(for: "shop", "health", "well")
        try ServedPipelines.wait("it arrives") { try pair.isEqual() }
        try pair.onTarget.run("update account set balance = 99")
        let created = try served.request("POST", "/sync/tasks", #"{"pipeline": "shop", "kind": "repair"}"#)
        #expect(created.status == 201, "\(created.text)")
        let id = try #require((created.object as? [String: Any])?["id"] as? String)
        try served.waitForTask(id)
        #expect(try pair.isEqual())
        #expect(served.terminate() == 0)
        let lines = try String(contentsOf: audit, encoding: .utf8)
        for action in ["pause", "resume", "task.create"] { #expect(lines.contains("\"action\":\"\(action)\""), "\(lines)") }
        // Tasks outlive the process.
        let again = try ServedPipelines(service: "  audit-log: \(audit.path)\n  state: \(state.path)", pipelines: pair.yaml("shop"))
        try again.wait(for: "shop", "health", "well")
        #expect(try again.request("GET", "/sync/tasks/\(id)").status == 200)
        #expect(try again.request("DELETE", "/sync/tasks/\(id)").status == 204)
        #expect(again.terminate() == 0)
    }

    @Test("a task that a database refuses for a moment tries again")
    func patientTask() throws {
        let pair = try Pair()
        let served = try ServedPipelines(pipelines: pair.yaml("shop"))
        try served.wait(for: "shop", "health", "well")
        try served.waitUntilCopied("shop")
        try pair.onTarget.run("insert into account values (9, 9)")
        let name = try #require(try pair.onTarget.query("select current_database()")[0, 0])
        let admin = try PostgresSession(try ScratchCluster.shared.database("admin"), schema: "public")
        try admin.run("alter database \(name) allow_connections false")
        let created = try served.request("POST", "/sync/tasks", #"{"pipeline": "shop", "kind": "repair"}"#)
        let id = try #require((created.object as? [String: Any])?["id"] as? String, "\(created.text)")
        try ServedPipelines.wait("it was refused", showing: { served.said }) { served.said.contains("the task tries again") }
        try admin.run("alter database \(name) allow_connections true")
        try served.waitForTask(id)
        #expect(try pair.isEqual())
        #expect(served.terminate() == 0)
    }
}
