import Foundation
import Testing
import TidemarkSQLite
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The cap of the log as an operator meets it, and the ways out that are typed.
@Suite("Cap of the log, end to end")
struct LogLimitTests {
    private static let table = "create table t (id bigint primary key, v text)"
    private static let filling = "insert into t select i, 'x' from generate_series(%, % + 19999) i"

    /// More than a log of 1 MB holds, from this id on.
    private static func fill(_ replica: Replica, from id: Int) throws {
        try replica.onSource.run(filling.replacingOccurrences(of: "%", with: String(id)))
    }

    private static func report(_ output: String) throws -> [String: Any] {
        try #require(try (JSONSerialization.jsonObject(with: Data(output.utf8)) as? [[String: Any]])?.first)
    }

    @Test("drop: the pipeline that was given up refuses, the other goes on and the log shrinks, and the way out works")
    func dropped() throws {
        let replica = try Replica(Self.table)
        let otherTarget = try ScratchCluster.shared.database("other")
        let onOther = try PostgresSession(otherTarget, schema: "public")
        try onOther.run(Self.table)
        func other(_ command: String...) -> (status: Int32, output: String) {
            Shell.run(Replica.binary, command + ["--source", replica.source, "--target", otherTarget, "--pipeline", "other"])
        }
        #expect(other("setup", "--max-log-size", "1MB", "--at-max-log-size", "drop").status == 0)
        try replica.onSource.run("insert into t values (-5000, 'seen by both')")
        #expect(other("run", "--once").status == 0)
        try replica.onSource.run("insert into t select -i, 'seen by main' from generate_series(1, 1000) i")
        // The second run says what the first has applied.
        for _ in 0..<2 { replica.follow() }
        try Self.fill(replica, from: 1)
        for refused in [other("run", "--once"), other("copy"), other("verify")] {
            #expect(refused.status == 1 && refused.output.contains("the pipeline was given up (pipeline other)"), "\(refused.output)")
            #expect(refused.output.contains("tidemark setup --pipeline other"), "\(refused.output)")
        }
        let blocked = other("status")
        #expect(blocked.status == 1 && blocked.output.contains("pipeline other: blocked") && blocked.output.contains("GIVEN UP at"), "\(blocked.output)")
        let report = try Self.report(other("status", "--json").output)
        #expect(report["lostAt"] is String && report["atMaxLogSize"] as? String == "drop" && report["logMaxBytes"] as? Int == 1 << 20)
        let check = replica.tidemark("check")
        #expect(check.status == 2 && check.output.contains("problem: source pipeline other was given up at"), "\(check.output)")
        let main = replica.tidemark("run", "--once")
        #expect(main.status == 0 && main.output.contains("warning") && main.output.contains("pipeline other was given up"), "\(main.output)")
        try replica.expectEqual("t")
        // Writers leave the segments, and the log becomes short.
        for segment in 1...3 {
            try replica.onSource.run("select setval('tidemark.data_changes_id_seq', \(segment << 18)); insert into t values (\(segment << 18), 'on')")
            replica.follow()
        }
        replica.follow()
        #expect(try Self.report(replica.tidemark("status", "--json").output)["logBytes"] as? Int ?? .max < 1 << 20)
        // What the refusals said.
        let setup = other("setup")
        #expect(setup.status == 0 && setup.output.contains("begins anew"), "\(setup.output)")
        #expect(other("copy").status == 1)
        #expect(other("copy", "--existing", "empty").status == 0)
        try replica.onSource.run("insert into t values (0, 'after')")
        #expect(other("run", "--once").status == 0)
        #expect(other("verify").status == 0)
        #expect(try Replica.rows("t", onOther) == Replica.rows("t", PostgresSession(replica.source, schema: "public")))
        #expect(other("status").output.contains("pipeline other: current"))
    }

    @Test("drop, with nobody left: capture has stopped, setup of the one that was given up makes room and begins again")
    func droppedLast() throws {
        let replica = try Replica(Self.table)
        #expect(replica.tidemark("setup", "--max-log-size", "1MB", "--at-max-log-size", "drop").status == 0)
        for round in 0..<3 { try Self.fill(replica, from: round * 20_000 + 1) }
        let status = replica.tidemark("status")
        #expect(status.output.contains("capture STOPPED at") && status.output.contains("GIVEN UP at"), "\(status.output)")
        let setup = replica.tidemark("setup")
        #expect(setup.status == 0, "\(setup.output)")
        #expect(replica.tidemark("copy", "--existing", "empty").status == 0)
        try replica.onSource.run("insert into t values (0, 'after')")
        replica.follow()
        try replica.expectEqual("t")
        #expect(replica.tidemark("verify").status == 0)
        #expect(replica.tidemark("check").output.contains("given up") == false)
    }

    @Test("stop: nothing is lost silently: the tables are held, setup begins again, verify --repair brings what was not logged")
    func stopped() throws {
        let replica = try Replica(Self.table)
        #expect(replica.tidemark("setup", "--max-log-size", "1MB", "--at-max-log-size", "stop").status == 0)
        try replica.onSource.run("insert into t values (-1, 'before')")
        try Self.fill(replica, from: 1)
        try replica.onSource.run("insert into t values (-2, 'not logged'); update t set v = 'changed' where id % 1000 = 0; delete from t where id = 7")
        // What was logged before is applied; then it stops.
        let held = replica.tidemark("run")
        #expect(try Replica.rows("t", replica.onTarget) == "(-1,before)", "\(held.output)")
        #expect(try replica.onSource.query("select last_id from tidemark.pipeline")[0, 0].flatMap { Int($0) } ?? 0 > 0)
        #expect(held.status == 1 && held.output.contains("capture was stopped at") && held.output.contains("tidemark setup"), "\(held.output)")
        let status = replica.tidemark("status")
        #expect(status.status == 1 && status.output.contains("capture STOPPED at"), "\(status.output)")
        #expect(try Self.report(replica.tidemark("status", "--json").output)["captureStoppedAt"] is String)
        let check = replica.tidemark("check")
        #expect(check.status == 2 && check.output.contains("capture was stopped at") && check.output.contains("--max-log-size"), "\(check.output)")
        let refused = replica.tidemark("setup")
        #expect(refused.status == 1 && refused.output.contains("the change log still holds") && refused.output.contains("--max-log-size"), "\(refused.output)")
        let setup = replica.tidemark("setup", "--max-log-size", "1GB")
        #expect(setup.status == 0 && setup.output.contains("verify --table TABLE --repair"), "\(setup.output)")
        #expect(replica.tidemark("run", "--once").status == 1)
        let repair = replica.tidemark("verify", "--repair")
        #expect(repair.status == 0, "\(repair.output)")
        try replica.onSource.run("insert into t values (-3, 'logged again')")
        replica.follow()
        try replica.expectEqual("t")
        #expect(replica.tidemark("verify").status == 0)
    }

    @Test("status says what is kept, what the cap is, and when it will be reached; nothing of the kind where the log does not grow")
    func forecast() throws {
        let replica = try Replica(Self.table)
        let setup = replica.tidemark("setup", "--retain", "90m", "--max-log-size", "16MB")
        #expect(setup.status == 0, "\(setup.output)")
        try Self.fill(replica, from: 1)
        // Half an hour passes.
        try replica.onSource.run(
            """
            update tidemark.tick set written_at = clock_timestamp() - interval '30 minutes', high_id = 1;
            update tidemark.data_changes set changed_at = clock_timestamp() - interval '30 minutes'
            """)
        let growing = replica.tidemark("status")
        #expect(growing.output.contains(" of 16.0 MB (at it: warn), full in about ") && growing.output.contains("kept for 90 min on purpose"), "\(growing.output)")
        let report = try Self.report(replica.tidemark("status", "--json").output)
        let seconds = try #require(report["logFullInSeconds"] as? Double)
        let bytes = Double(try #require(report["logBytes"] as? Int))
        #expect(abs(seconds / ((Double(16 << 20) - bytes) / bytes * 1800) - 1) < 0.05)
        #expect(report["retainSeconds"] as? Int == 5400 && report["retainBytes"] == nil && report["lostAt"] == nil)
        #expect(replica.tidemark("setup", "--retain", "0").status == 0)
        for _ in 0..<2 { replica.follow() }
        let idle = replica.tidemark("status")
        #expect(idle.status == 0 && !idle.output.contains("full in") && !idle.output.contains("on purpose"), "\(idle.output)")
        #expect(try Self.report(replica.tidemark("status", "--json").output)["logFullInSeconds"] == nil)
        // What is not named stays.
        #expect(replica.tidemark("setup", "--max-log-size", "2MB").status == 0)
        let check = replica.tidemark("check")
        #expect(check.status == 2 && check.output.contains("of max-log-size 2.0 MB"), "\(check.output)")
        #expect(replica.tidemark("setup", "--max-log-size", "0").status == 0)
        #expect(replica.tidemark("status").output.contains("at it:") == false)
    }

    @Test("--retain: a target restored from a backup of that time goes on by itself, and without it is refused", arguments: ["1h", "1GB", "0"])
    func restoredTarget(retain: String) throws {
        let replica = try Replica(Self.table)
        let file = FileManager.default.temporaryDirectory.path + "/tidemark-retain-\(UUID().uuidString).db"
        try SQLiteDatabase(path: file, mode: .create).execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        func tidemark(_ command: String...) -> (status: Int32, output: String) {
            Shell.run(Replica.binary, command + ["--source", replica.source, "--target", "sqlite:\(file)"])
        }
        // The only pipeline: what it has applied, nobody else needs.
        #expect(replica.tidemark("teardown").status == 0)
        #expect(tidemark("setup", "--retain", retain).status == 0)
        func write(inSegment segment: Int) throws {
            try replica.onSource.run("select setval('tidemark.data_changes_id_seq', \(segment << 18 + 1)); insert into t values (\(segment), 'x')")
            for _ in 0..<2 { #expect(tidemark("run", "--once").status == 0) }
        }
        try write(inSegment: 0)
        try FileManager.default.copyItem(atPath: file, toPath: file + ".backup")
        for segment in 1...3 { try write(inSegment: segment) }
        try FileManager.default.removeItem(atPath: file)
        try FileManager.default.moveItem(atPath: file + ".backup", toPath: file)
        let run = tidemark("run", "--once")
        guard retain != "0" else {
            #expect(run.status == 1 && run.output.contains("the target was restored"), "\(run.output)")
            return
        }
        #expect(run.status == 0, "\(run.output)")
        #expect(tidemark("verify").status == 0)
        #expect(try SQLiteDatabase(path: file, mode: .readOnly).rows("SELECT count(*) FROM t") == [[.integer(4)]])
        try write(inSegment: 4)
        #expect(tidemark("verify").status == 0)
    }

    @Test("setup --plan shows what will be set, and sets nothing")
    func plan() throws {
        let replica = try Replica(Self.table)
        let plan = replica.tidemark("setup", "--plan", "--retain", "10GB", "--max-log-size", "20GB", "--at-max-log-size", "drop")
        #expect(plan.status == 0 && plan.output.contains("set retain_seconds = null, retain_bytes = 10737418240"), "\(plan.output.suffix(2000))")
        #expect(plan.output.contains("insert into tidemark.log_limit (max_bytes, policy) values (21474836480, 'drop')"))
        #expect(replica.tidemark("status").output.contains("at it:") == false)
    }

    @Test("SQLite: drop and its way out, stop and its way out")
    func sqlite() throws {
        let base = FileManager.default.temporaryDirectory.path + "/tidemark-limit-\(UUID().uuidString)"
        for side in ["source", "main", "other"] {
            try SQLiteDatabase(path: "\(base)-\(side).db", mode: .create)
                .execute("PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        }
        let source = try SQLiteDatabase(path: "\(base)-source.db", mode: .readWrite)
        func tidemark(_ pipeline: String, _ command: String...) -> (status: Int32, output: String) {
            Shell.run(
                Replica.binary,
                command + ["--source", "sqlite:\(base)-source.db", "--target", "sqlite:\(base)-\(pipeline).db", "--pipeline", pipeline])
        }
        func fill() throws {
            try source.execute("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t (v) SELECT 'row ' || i FROM n")
        }
        for pipeline in ["main", "other"] { #expect(tidemark(pipeline, "run", "--once").status == 0) }
        #expect(tidemark("main", "setup", "--max-log-size", "100KB", "--at-max-log-size", "drop").status == 0)
        try fill()
        for _ in 0..<2 { #expect(tidemark("main", "run", "--once").status == 0) }
        for command in ["run", "copy", "verify"] {
            let refused = tidemark("other", command)
            #expect(refused.status == 1 && refused.output.contains("the pipeline was given up (pipeline other)"), "\(refused.output)")
        }
        #expect(tidemark("other", "status").output.contains("GIVEN UP at"))
        #expect(tidemark("main", "check").output.contains("pipeline other was given up at"))
        #expect(tidemark("other", "setup").status == 0)
        #expect(tidemark("other", "copy", "--existing", "empty").status == 0)
        #expect(tidemark("other", "run", "--once").status == 0)
        #expect(tidemark("other", "verify").status == 0)
        #expect(tidemark("main", "setup", "--at-max-log-size", "stop").status == 0)
        try fill()
        #expect(tidemark("main", "run", "--once").status == 0)
        // This one says what that applied, and then capture stops.
        _ = tidemark("main", "run", "--once")
        try fill()
        let held = tidemark("main", "run", "--once")
        #expect(held.status == 1 && held.output.contains("capture was stopped at"), "\(held.output)")
        #expect(tidemark("main", "status").output.contains("capture STOPPED at"))
        // The other one applies what there is, which makes room.
        _ = tidemark("other", "run", "--once")
        let setup = tidemark("other", "setup")
        #expect(setup.status == 0, "\(setup.output)")
        for pipeline in ["main", "other"] {
            let repair = tidemark(pipeline, "verify", "--repair")
            #expect(repair.status == 0, "\(repair.output)")
        }
        #expect(tidemark("main", "setup", "--max-log-size", "0").status == 0)
        try fill()
        for pipeline in ["main", "other"] {
            #expect(tidemark(pipeline, "run", "--once").status == 0)
            let equal = tidemark(pipeline, "verify")
            #expect(equal.status == 0, "\(equal.output)")
        }
    }
}
