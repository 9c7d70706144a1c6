import Foundation
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// Tables that are read, as an operator has them read.
@Suite("Sync")
struct SyncTests {
    private static let orders = "create table orders (id bigint primary key, customer text not null, changed bigint)"

    /// A file with one pipeline between two databases.
    private static func configuration(_ replica: Replica, source: String? = nil, _ tables: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.path + "/tidemark-\(UUID().uuidString).yaml"
        try """
        pipelines:
          shop:
            source: "\(source ?? replica.source)"
            target: "\(replica.target)"
            tables:
        \(tables)
        """.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    private static func tidemark(_ arguments: String...) -> (status: Int32, output: String) { Shell.run(Replica.binary, arguments) }

    private static func filled(_ count: Int) throws -> Replica {
        let replica = try Replica("")
        for session in [replica.onSource, replica.onTarget] { try session.run(orders) }
        try replica.onSource.run("insert into orders select i, 'customer ' || i % 1000, i from generate_series(1, \(count)) i")
        return replica
    }

    @Test("two lines keep a table in step, by a role that may only read; nothing is at the source")
    func readOnlyRole() throws {
        let replica = try Self.filled(500)
        let role = "tidemark_reader_\(UInt32.random(in: 0 ... .max))"
        try replica.onSource.run("create role \(role) login; grant select on orders to \(role); create table secret (id int primary key)")
        defer { try? replica.onSource.run("drop owned by \(role) cascade; drop role \(role)") }
        let file = try Self.configuration(
            replica, source: replica.source + " user=\(role)",
            """
                  - public.orders:
                      mode: incremental
                      by: changed
                      deletes: 1s
            """)
        let check = Self.tidemark("check", "--config", file)
        #expect(check.status == 0, "\(check.output)")
        let plan = Self.tidemark("setup", "--plan", "--config", file)
        #expect(plan.status == 0 && plan.output.contains("-- on the target") && !plan.output.contains("-- on the source"), "\(plan.output)")
        let setup = Self.tidemark("setup", "--config", file)
        #expect(setup.status == 0 && setup.output.contains("nothing is installed at the source"), "\(setup.output)")
        let first = Self.tidemark("run", "--once", "--config", file)
        #expect(first.status == 0 && first.output.contains("read 500 rows of table public.orders (incremental): 500 written, 0 deleted"), "\(first.output)")
        try replica.onSource.run("update orders set customer = 'x', changed = 1000 + id where id < 6; delete from orders where id = 9; select pg_sleep(1.1)")
        let sync = Self.tidemark("sync", "--table", "public.orders", "--config", file, "--json")
        #expect(sync.status == 0 && sync.output.contains("\"rowsDeleted\" : 1") && sync.output.contains("\"rowsWritten\" : 5"), "\(sync.output)")
        try replica.expectEqual("orders")
        #expect(try replica.onSource.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
        #expect(try replica.onSource.query("select from pg_trigger where not tgisinternal").count == 0)
        let status = Self.tidemark("status", "--config", file)
        #expect(status.status == 0 && status.output.contains("read    public.orders (incremental, every 10 s): done"), "\(status.output)")
        for refused in [["verify"], ["copy"], ["switchover"]] {
            let run = Shell.run(Replica.binary, refused + ["--config", file])
            #expect(run.status != 0 && (run.output.contains("tidemark sync") || run.output.contains("mode:")), "\(run.output)")
        }
        #expect(Self.tidemark("teardown", "--config", file).status == 0)
        #expect(try replica.onTarget.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
    }

    @Test("a process killed again and again goes on where it was, in every mode", arguments: ["full", "skip-completed", "incremental"])
    func killed(mode: String) throws {
        let replica = try Self.filled(60_000)
        let file = try Self.configuration(
            replica,
            """
                  - public.orders:
                      mode: \(mode)
                      batch: 1000
                      \(mode == "incremental" ? "by: changed" : "every: 1h")
            """)
        #expect(Self.tidemark("setup", "--config", file).status == 0)
        var random = SeededRandom(seed: 7)
        var places: [Int] = []
        for _ in 0..<6 {
            let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
            let worker = try Shell.start(Replica.binary, ["run", "--config", file], log: log)
            let before = places.last ?? 0
            try replica.wait {
                let found = try replica.onTarget.query("select rows_done, state from tidemark.sync_unit")
                return found.count > 0 && ((Int(found[0, 0] ?? "") ?? 0) > before || found[0, 1] == "done" || mode == "full" && found[0, 1] == "running")
            }
            // Somewhere in the next batches.
            try replica.onSource.run("select pg_sleep(\(Double.random(in: 0...0.05, using: &random)))")
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
            places.append(Int(try replica.onTarget.query("select rows_done from tidemark.sync_unit")[0, 0] ?? "") ?? 0)
        }
        #expect(places == places.sorted() || mode == "full", "\(places)")
        let end = Self.tidemark("run", "--once", "--config", file)
        #expect(end.status == 0, "\(end.output)")
        try replica.expectEqual("orders")
        if mode == "skip-completed" {
            #expect(try replica.onTarget.query("select rows_done, rows_written from tidemark.sync_unit")[0, 0] == "60000")
        }
    }

    @Test("SIGTERM ends it after the batch at hand, with status 0; a table that fails is said, with status 1")
    func stopsAndFailures() throws {
        let replica = try Self.filled(100)
        try replica.onSource.run("create table other (id int primary key); insert into other values (1)")
        let file = try Self.configuration(
            replica,
            """
                  - public.*:
                      mode: full
                      on-error: skip
            """)
        let failing = Self.tidemark("run", "--once", "--config", file)
        #expect(failing.status == 1 && failing.output.contains("table public.other FAILED"), "\(failing.output)")
        try replica.expectEqual("orders")
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(Replica.binary, ["run", "--config", file], log: log)
        try replica.onTarget.run("create table other (id int primary key)")
        try replica.onSource.run("insert into orders values (1000, 'late', 0)")
        let sync = Self.tidemark("sync", "--config", file)
        #expect(sync.status == 0, "\(sync.output)")
        try replica.expectEqual("orders", "other")
        worker.terminate()
        worker.waitUntilExit()
        #expect(worker.terminationStatus == 0, "\((try? String(contentsOf: log, encoding: .utf8)) ?? "")")
    }

    @Test("--mode without a file reads every table; a wrong word is wrong usage")
    func flags() throws {
        let replica = try Self.filled(20)
        let run = replica.tidemark("run", "--once", "--mode", "full")
        #expect(run.status == 0 && run.output.contains("read 20 rows of table public.orders (full)"), "\(run.output)")
        try replica.expectEqual("orders")
        #expect(replica.tidemark("sync", "--mode", "incremental").status == 64)
        #expect(replica.tidemark("sync").status == 64)
        // Who forgets it is told so, and captures nothing.
        let forgotten = replica.tidemark("run", "--once")
        #expect(forgotten.status == 1 && forgotten.output.contains("--mode"), "\(forgotten.output)")
        #expect(try replica.onSource.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
    }
}
