import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Shaped pipelines, by their configuration")
struct ShapingTests {
    /// A file with one pipeline, and the commands that read it.
    private struct Shaped {
        let replica: Replica
        let file: String

        init(_ tables: String) throws {
            replica = try Replica("")
            file = FileManager.default.temporaryDirectory.path + "/tidemark-shaped-\(UUID().uuidString).yaml"
            let text = "pipelines:\n  shop:\n    source: \"\(replica.source)\"\n    target: \"\(replica.target)\"\n    create: true\n\(tables)"
            try text.write(toFile: file, atomically: true, encoding: .utf8)
        }

        func tidemark(_ command: String...) -> (status: Int32, output: String) { Shell.run(Replica.binary, command + ["--config", file]) }
    }

    private static let customer = """
            tables:
              - public.customer:
                  where: region = 'EU'
                  set: {email: md5(email)}
                  rename: {email: email_hash}
                  to: crm.client

        """

    @Test("kill -9 at random moments, rows that cross the border all the while: equal in the end, and nothing masked arrives")
    func killedWorker() throws {
        let shaped = try Shaped(Self.customer)
        let replica = shaped.replica
        try replica.onSource.run(
            """
            create table customer (id int primary key, region text, email text not null);
            create index on customer (region); create index on customer (email);
            insert into customer select i, case when i % 2 = 0 then 'EU' else 'US' end, 'secret' || i from generate_series(1, 2000) i
            """)
        let setup = shaped.tidemark("setup", "--create")
        #expect(setup.status == 0, "\(setup.output)")
        let script = FileManager.default.temporaryDirectory.appendingPathComponent("border-\(UUID().uuidString).sql")
        try """
            \\set a random(1, 2000)
            begin;
            update customer set region = case region when 'EU' then 'US' else 'EU' end, email = 'secret' || random() where id = :a;
            delete from customer where id = :a - 7;
            insert into customer values (:a - 7, 'EU', 'secret');
            commit;
            """.write(to: script, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: script) }
        let writes = Process()
        writes.executableURL = URL(fileURLWithPath: "\(ScratchCluster.binaries())/pgbench")
        // One client: two would meet at one id.
        writes.arguments = ["-n", "-c", "1", "-t", "3000", "-f", script.path, replica.source]
        writes.environment = ProcessInfo.processInfo.environment.merging(["PGOPTIONS": "-c search_path=public"]) { $1 }
        writes.standardOutput = FileHandle.nullDevice
        writes.standardError = FileHandle.nullDevice
        try writes.run()
        var rounds = 0
        repeat {
            let worker = Process()
            worker.executableURL = URL(fileURLWithPath: Replica.binary)
            worker.arguments = ["run", "--config", shaped.file]
            worker.standardError = FileHandle.nullDevice
            try worker.run()
            for _ in 0..<Int.random(in: 1...60) {
                #expect(try replica.onTarget.query("select count(*) from crm.client where region <> 'EU' or email_hash !~ '^[0-9a-f]{32}$'")[0, 0] == "0")
            }
            kill(worker.processIdentifier, SIGKILL)
            worker.waitUntilExit()
            rounds += 1
        } while writes.isRunning
        #expect(writes.terminationStatus == 0 && rounds > 0)
        let end = shaped.tidemark("run", "--once")
        #expect(end.status == 0, "\(end.output)")
        let expected = try Replica.rows("(select id, region, md5(email) as email_hash from customer where region = 'EU')", replica.onSource)
        #expect(try Replica.rows("crm.client", replica.onTarget) == expected && !expected.isEmpty)
        let verified = shaped.tidemark("verify")
        #expect(verified.status == 0, "\(verified.output)")
        let indexes = try replica.onTarget.query("select string_agg(indexdef, ';' order by indexdef) from pg_indexes where schemaname = 'crm'")[0, 0] ?? ""
        #expect(indexes.contains("(region)") && !indexes.contains("email"))
    }

    @Test("plan, check and status say what is shaped; without the configuration nothing is sent")
    func said() throws {
        let shaped = try Shaped(Self.customer)
        try shaped.replica.onSource.run("create table customer (id int primary key, region text, email text); insert into customer values (1, 'EU', 'secret'), (2, 'US', 'secret')")
        #expect(shaped.tidemark("setup", "--plan").output.contains("where: region = 'EU'"))
        #expect(shaped.tidemark("run", "--once", "--create").status == 0)
        #expect(shaped.tidemark("check").output.contains("to: crm.client"))
        let status = shaped.tidemark("status")
        #expect(status.output.contains("shaped  public.customer: where: region = 'EU'"), "\(status.output)")
        let report = shaped.tidemark("status", "--json").output
        #expect(report.contains("\"targetTable\"") && report.contains("crm.client"))
        try shaped.replica.onSource.run("insert into customer values (3, 'EU', 'secret')")
        let bare = shaped.replica.tidemark("run", "--once", "--pipeline", "shop")
        #expect(bare.status == 1 && bare.output.contains("tidemark copy --table public.customer --existing empty"), "\(bare.output)")
        #expect(try Replica.rows("crm.client", shaped.replica.onTarget) == "(1,EU,5ebe2294ecd0e0f08eab7690d2a6ee69)")
        try "pipelines:\n  shop:\n    source: \"\(shaped.replica.source)\"\n    target: \"\(shaped.replica.target)\"\n\(Self.customer.replacing("'EU'", with: "'US'"))"
            .write(toFile: shaped.file, atomically: true, encoding: .utf8)
        #expect(shaped.tidemark("run", "--once").status == 1)
        let copied = shaped.tidemark("copy", "--table", "public.customer", "--existing", "empty")
        #expect(copied.status == 0, "\(copied.output)")
        #expect(shaped.tidemark("run", "--once").status == 0)
        #expect(try Replica.rows("crm.client", shaped.replica.onTarget) == "(2,US,5ebe2294ecd0e0f08eab7690d2a6ee69)")
    }
}
