import Foundation
import Testing
import TidemarkPostgres
import TidemarkSQLite
import TidemarkTestSupport

/// Copy, proof and repair as an operator types them.
@Suite("Copy and proof")
struct CopyAndProofTests {
    private static let orders = "create table orders (id bigint primary key, customer text not null, total numeric(12,2))"

    private static func fill(_ session: PostgresSession, _ count: Int) throws {
        try session.run("\(orders); insert into orders select i, 'customer ' || i % 1000, i * 0.25 from generate_series(1, \(count)) i")
    }

    @Test("run --create alone takes two databases, one of them full, to a verified replica")
    func runAlone() throws {
        let replica = try Replica("")
        try Self.fill(replica.onSource, 5000)
        try replica.onSource.run("create index on orders (customer); create table note (body text); insert into note values ('a'), ('a')")
        let run = replica.tidemark("run", "--once", "--create")
        #expect(run.status == 0, "\(run.output)")
        #expect(run.output.contains("copied table public.orders: 5000 rows"))
        #expect(run.output.contains("verified table public.orders: 5000 rows are equal"))
        try replica.expectEqual("orders", "note")
        #expect(try replica.onTarget.query("select from pg_indexes where tablename = 'orders'").count == 2)
        let status = replica.tidemark("status")
        #expect(status.status == 0 && status.output.contains("2 of 2 tables equal"), "\(status.output)")
        try replica.onSource.run("insert into orders values (0, 'late', 1)")
        replica.follow()
        try replica.expectEqual("orders")
        #expect(replica.tidemark("teardown").status == 0)
        #expect(try replica.onTarget.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
    }

    @Test("a worker killed in the middle of a copy, again and again, loses nothing and copies nothing twice")
    func killedCopy() throws {
        let replica = try Replica("")
        try Self.fill(replica.onSource, 400_000)
        try replica.onTarget.run(Self.orders)
        #expect(replica.tidemark("setup").status == 0)
        var random = SeededRandom(seed: 11)
        for round in 0..<6 {
            let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
            let worker = try Shell.start(Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
            let end = Date().addingTimeInterval(Double.random(in: 0.05...0.5, using: &random))
            while Date() < end {
                try replica.onSource.run(
                    """
                    update orders set total = -total where id = \(Int.random(in: 1...400_000, using: &random));
                    delete from orders where id = \(Int.random(in: 1...400_000, using: &random));
                    insert into orders values (\(500_000 + Int.random(in: 1...400_000, using: &random)), 'r\(round)', 1) on conflict do nothing
                    """)
            }
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
        }
        replica.follow()
        try replica.expectEqual("orders")
        let proof = replica.tidemark("verify", "--json")
        #expect(proof.status == 0, "\(proof.output)")
    }

    @Test("a refused copy goes on once the operator has chosen", arguments: [["--existing", "empty"], ["--existing", "merge"], ["--no-copy"]])
    func chosenAfterRefusal(choice: [String]) throws {
        let replica = try Replica("")
        try Self.fill(replica.onSource, 10)
        try replica.onTarget.run("\(Self.orders); insert into orders values (3, 'old', 0), (11, 'own', 0)")
        let refused = replica.tidemark("run", "--once")
        #expect(refused.status == 1 && refused.output.contains(choice.joined(separator: " ")), "\(refused.output)")
        let chosen = Shell.run(Replica.binary, ["run", "--once"] + choice + ["--source", replica.source, "--target", replica.target])
        #expect(chosen.status == 0, "\(chosen.output)")
        let rows = ["empty": 10, "merge": 11, "--no-copy": 2][choice.last ?? ""]
        #expect(try replica.onTarget.query("select from orders").count == rows)
    }

    @Test("F2: a tree that the target's role has to respect is copied at once, also after a stop in the middle")
    func treeWithoutReplicaRole() throws {
        let replica = try Replica("")
        let tree = "create table node (id int primary key, parent int references node (id), v int)"
        try replica.onSource.run("\(tree); insert into node select 200001 - i, case when i > 1 then 200002 - i end, 0 from generate_series(1, 200000) i")
        let database = try replica.onTarget.query("select quote_ident(current_database())")[0, 0] ?? ""
        try replica.onTarget.run(
            """
            \(tree); create role tidemark_plain login bypassrls;
            grant create, temporary on database \(database) to tidemark_plain; grant all on node to tidemark_plain
            """)
        let target = replica.target + " user=tidemark_plain"
        #expect(Shell.run(Replica.binary, ["setup", "--source", replica.source, "--target", target]).status == 0)
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(Replica.binary, ["run", "--source", replica.source, "--target", target], log: log)
        try replica.wait { try replica.onTarget.query("select from pg_stat_activity where usename = 'tidemark_plain'").count > 1 }
        worker.terminate()
        worker.waitUntilExit()
        try replica.onSource.run("update node set v = 1 where id % 1000 = 0; insert into node values (300000, 1, 1)")
        let run = Shell.run(Replica.binary, ["run", "--once", "--source", replica.source, "--target", target])
        #expect(run.status == 0, "\(run.output)")
        try replica.expectEqual("node")
        try replica.onTarget.run("drop owned by tidemark_plain cascade; drop role tidemark_plain")
    }

    @Test("columns may have any name: those that tidemark's own statements use, and quoted ones")
    func columnNames() throws {
        let names = ["r", "t", "x", "hash", "bucket", "key", "image", "tidemark_row", "line", "\"a \"\"b\"", "id"]
        for key in names {
            let replica = try Replica("")
            let table = "create table c (\(names.map { "\($0) int" }.joined(separator: ", ")), primary key (\(key)))"
            try replica.onSource.run("\(table); insert into c select \(names.map { _ in "i" }.joined(separator: ", ")) from generate_series(1, 9) i")
            try replica.onTarget.run(table)
            let run = replica.tidemark("run", "--once")
            #expect(run.status == 0, "\(key): \(run.output)")
            try replica.onTarget.run("update c set hash = 0 where \(key) = 3; delete from c where \(key) = 4")
            #expect(replica.tidemark("verify").status == 2)
            let repaired = replica.tidemark("verify", "--repair")
            #expect(repaired.status == 0, "\(key): \(repaired.output)")
            let part = Shell.run(
                Replica.binary, ["copy", "--table", "c", "--after", "2", "--through", "5", "--source", replica.source, "--target", replica.target])
            #expect(part.status == 0, "\(key): \(part.output)")
            try replica.expectEqual("c")
        }
    }

    private struct Verified: Decodable {
        struct Difference: Decodable {
            let kind: String
            let key: String
            let columns: [String]
        }
        let table: String
        let isEqual: Bool
        let missing: Int
        let extra: Int
        let different: Int
        let listed: [Difference]
    }

    @Test("verify says what differs, with status 2; a plan changes nothing; repair mends it, with status 0")
    func verifyAndRepair() throws {
        let replica = try Replica(Self.orders)
        try replica.onSource.run("insert into orders select i, 'c', 1 from generate_series(1, 1000) i")
        replica.follow()
        #expect(replica.tidemark("verify").status == 0)
        try replica.onTarget.run(
            "delete from orders where id = 7; update orders set total = 1.01, customer = 'd' where id = 8; insert into orders values (-1, 'x', null)")
        let found = Shell.run(
            "/bin/bash", ["-c", "'\(Replica.binary)' verify --json --source '\(replica.source)' --target '\(replica.target)' 2>/dev/null"])
        #expect(found.status == 2)
        let table = try #require(try JSONDecoder().decode([Verified].self, from: Data(found.output.utf8)).first)
        #expect(!table.isEqual && table.missing == 1 && table.extra == 1 && table.different == 1)
        #expect(table.listed.first { $0.kind == "different" }?.columns == ["customer", "total"])
        #expect(table.listed.first { $0.kind == "missing" }?.key == #"{"id":"7"}"#)
        #expect(replica.tidemark("status").output.contains("DIFFER"))
        let plan = replica.tidemark("verify", "--repair", "--plan")
        #expect(plan.status == 2 && plan.output.contains("insert into \"public\".\"orders\""))
        #expect(try replica.onTarget.query("select from orders where id = 7").count == 0)
        let repaired = replica.tidemark("verify", "--repair")
        #expect(repaired.status == 0 && repaired.output.contains("repaired"), "\(repaired.output)")
        try replica.expectEqual("orders")
        #expect(try replica.onTarget.query("select from tidemark.repair").count == 3)
    }

    @Test("a continuous proof goes on until it is stopped, and status shows the last", arguments: [
        ["verify", "--continuous"], ["run", "--verify-continuously"],
    ])
    func continuous(command: [String]) throws {
        let replica = try Replica(Self.orders)
        try replica.onSource.run("insert into orders select i, 'c', 1 from generate_series(1, 1000) i")
        replica.follow()
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let proving = try Shell.start(
            Replica.binary, command + ["--max-rate", "100000", "--source", replica.source, "--target", replica.target], log: log)
        defer { proving.terminate() }
        try replica.wait { try replica.onTarget.query("select from tidemark.table_proof where is_finished").count == 1 }
        proving.terminate()
        proving.waitUntilExit()
        #expect(proving.terminationStatus == 0)
        #expect(replica.tidemark("status").output.contains("1 of 1 tables equal"))
    }

    @Test("a wrong table, key, condition or combination is a clear error", arguments: [
        (["copy", "--table", "nosuch", "--existing", "empty"], Int32(1), "no table of the pipeline matches nosuch"),
        (["copy", "--table", "orders"], 1, "--existing empty"),
        (["copy", "--table", "orders", "--where", "nosuch > 1"], 1, "nosuch"),
        (["copy", "--table", "orders", "--after", "x"], 1, "orders"),
        (["copy", "--table", "orders", "--after", "{\"wrong\": 1}"], 64, "id"),
        (["copy", "--where", "id = 1"], 64, "--table"),
        (["copy", "--table", "orders", "--where", "id = 1", "--existing", "empty"], 64, "--existing"),
        (["copy", "--existing", "keep"], 64, "--no-copy"),
        (["copy", "--jobs", "0"], 64, "--jobs"),
        (["run", "--no-copy", "--existing", "merge"], 64, "--no-copy"),
        (["verify", "--table", "nosuch"], 1, "nosuch"),
        (["verify", "--plan"], 64, "--repair"),
        (["verify", "--continuous", "--resume"], 64, "--continuous"),
        (["verify", "--max-rate", "0"], 64, "--max-rate"),
    ])
    func wrongArguments(command: [String], status: Int32, says: String) throws {
        let replica = try Replica(Self.orders)
        try replica.onSource.run("insert into orders values (1, 'a', 1)")
        replica.follow()
        let result = Shell.run(Replica.binary, command + ["--source", replica.source, "--target", replica.target])
        #expect(result.status == status && result.output.contains(says), "\(result.output)")
        // The table is as it was, and still in the stream.
        try replica.onSource.run("update orders set total = 2")
        replica.follow()
        try replica.expectEqual("orders")
    }
}
