import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("PostgreSQL to PostgreSQL")
struct ReplicationTests {
    private static let twoTables = """
        create table account (id int primary key, balance int not null);
        create table entry (account int, amount int);
        """

    @Test("inserts, updates, deletes, key changes, whole rows and truncation arrive")
    func operations() throws {
        let replica = try Replica(Self.twoTables)
        try replica.onSource.run(
            """
            insert into account select i, 0 from generate_series(1, 500) i;
            update account set id = id + 1000 where id <= 20;
            update account set balance = id;
            delete from account where id between 100 and 150;
            insert into entry select i % 5, 1 from generate_series(1, 50) i;
            delete from entry where ctid in (select ctid from entry where account = 1 limit 3);
            update entry set amount = 2 where account = 2
            """)
        replica.follow()
        try replica.expectEqual("account", "entry")
        try replica.onSource.run("truncate account, entry; insert into account values (7, 7); insert into entry values (7, 7)")
        replica.follow()
        try replica.expectEqual("account", "entry")
        #expect(try Replica.rows("account", replica.onTarget) == "(7,7)")
    }

    @Test("invariant 4: values arrive bit for bit from a session with hostile settings")
    func values() throws {
        let replica = try Replica(
            """
            create extension hstore; create extension citext;
            create type mood as enum ('sad', 'o"k'); create domain small as int check (value < 100);
            create type pair as (a int, b text);
            create table v (id int primary key, n numeric, f float8, r real, i interval, d date, ts timestamptz,
              b bytea, j json, jb jsonb, a int[], ta text[], h hstore, ci citext, m mood, s small, p pair,
              c char(5), t text, rg daterange, da date[], mo money, x xml, u uuid, big bigint)
            """)
        try replica.onSource.run(
            """
            set extra_float_digits = 0; set intervalstyle = sql_standard; set datestyle = 'SQL, DMY';
            set bytea_output = escape; set timezone = 'Asia/Kolkata'; set search_path = pg_temp, public;
            insert into v values
             (1, 1.500, 0.1::float8 + 0.2, 0.1, '-1 year 2 days -3:04:05.678', '2020-02-01', '2020-02-03 04:05:06.789+00',
              '\\x00ff5c27', 'null', 'null', '[0:1]={5,6}', array['a"b', null, 'c\\d', ''], 'k=>"v,w", n=>NULL', 'Abc', 'o"k', 7,
              row(1, 'x,"y'), 'ab', e'q''\\\\ "\\t\\x01', '[2020-02-01,2020-03-04)', array['2020-02-01'::date], 12.34, '<a>b</a>',
              '00000000-0000-0000-0000-00000000000a', 9223372036854775807),
             (2, 'NaN', 'NaN', '-infinity', null, '-infinity', 'infinity', '', '{"a":1, "a":2 }', '{"a": 1.0}', '{}', '{}', '', '', 'sad', null,
              row(null, null), '', '', 'empty', '{}', null, null, null, -9223372036854775808),
             (3, ('1' || repeat('0', 400) || '.5')::numeric, '-0', '1e-40', '0', '0044-03-15 BC', '0001-01-01 BC', null, ' [1] ', '[]', null, null, null,
              null, null, null, null, null, null, null, null, null, null, null, null)
            """)
        replica.follow()
        try replica.expectEqual("v")
    }

    @Test("invariant 1: a lower id that commits after a higher one was applied is not lost")
    func outOfOrderCommit() throws {
        let replica = try Replica(Self.twoTables)
        let late = try PostgresSession(replica.source)
        try late.run("begin; insert into public.account values (1, 1)")
        try replica.onSource.run("insert into account values (2, 2)")
        replica.follow()
        #expect(try Replica.rows("account", replica.onTarget) == "(2,2)")
        try late.run("commit")
        replica.follow()
        try replica.expectEqual("account")
    }

    @Test("a transaction that commits after the worker looked does not wait for the next change")
    func lateCommit() throws {
        let quiet = ScratchCluster()
        let replica = try Replica(Self.twoTables, source: quiet, target: .shared)
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).log")
        let worker = try Shell.start(
            Replica.binary, ["run", "--source", replica.source, "--target", replica.target], log: log)
        defer { worker.terminate() }
        try replica.onSource.run("insert into account values (1, 1)")
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(1,1)" }
        // Open long enough for the worker to find nothing and to settle at that.
        try replica.onSource.run("begin; insert into account values (2, 2); select pg_sleep(0.5); commit")
        try replica.wait { try Replica.rows("account", replica.onTarget) == "(1,1)\n(2,2)" }
    }

    @Test("A3: a target restored from a backup is refused once the log was pruned, also beside a straggler")
    func restoredTarget() throws {
        let replica = try Replica(Self.twoTables)
        let straggler = try PostgresSession(replica.source)
        try straggler.run("begin; insert into public.account values (1, 1)")
        try replica.onSource.run("insert into account select i, i from generate_series(10, 20) i")
        replica.follow()
        let backup = try replica.onTarget.query("select snapshot, witness, last_id from tidemark.cursor")
        try replica.onSource.run("insert into account select i, i from generate_series(30, 40) i")
        replica.follow()
        try straggler.run("commit")
        replica.follow()
        replica.follow()
        try replica.onTarget.query(
            "update tidemark.cursor set snapshot = $1, witness = $2, last_id = $3",
            (0..<3).map { .text(backup[0, $0] ?? "") })
        try replica.onTarget.run("delete from account where id >= 30 or id = 1")
        let refused = replica.tidemark("run", "--once")
        #expect(refused.status == 1 && refused.output.contains("was rewound"), "\(refused.output)")
    }

    @Test("a schema tidemark of the user's is neither adopted nor dropped")
    func foreignSchema() throws {
        let replica = try Replica("")
        for session in [replica.onSource, replica.onTarget] {
            try session.run("create table t (id int primary key); create schema tidemark; create table tidemark.orders (id int)")
        }
        for command in ["setup", "teardown"] {
            let result = replica.tidemark(command)
            #expect(command == "teardown" || result.status == 1, "\(result.output)")
            for session in [replica.onSource, replica.onTarget] {
                #expect(try session.query("select from tidemark.orders").count == 0)
            }
        }
        try replica.onSource.run("insert into t values (1)")
    }

    @Test("--capture and --capture-replica-role reach the triggers, and stay for the next setup")
    func captureOptions() throws {
        let replica = try Replica(Self.twoTables)
        let kinds = { try replica.onSource.query("select string_agg(distinct kind, ',') from tidemark.capture where retired_at is null")[0, 0] }
        #expect(try kinds() == "row")
        #expect(replica.tidemark("setup", "--capture", "statement", "--capture-replica-role").status == 0)
        #expect(replica.tidemark("setup").status == 0)
        #expect(try kinds() == "statement")
        try replica.onSource.run(
            "set session_replication_role = replica; insert into account values (1, 1); set session_replication_role = origin")
        replica.follow()
        #expect(try Replica.rows("account", replica.onTarget) == "(1,1)")
    }

    @Test("A2, A3: a source whose witness is gone is refused")
    func witnessGone() throws {
        let replica = try Replica(Self.twoTables)
        try replica.onSource.run("insert into account values (1, 1)")
        replica.follow()
        try replica.onSource.run("delete from tidemark.tick; insert into account values (2, 2)")
        let refused = replica.tidemark("run", "--once")
        #expect(refused.status == 1)
        #expect(refused.output.contains("was rewound"))
        #expect(try Replica.rows("account", replica.onTarget) == "(1,1)")
    }

    @Test("a target's own constraint stops at that change, names it, and nothing is lost")
    func constraintOfTheTarget() throws {
        let replica = try Replica(Self.twoTables)
        try replica.onTarget.run("alter table account add constraint positive check (balance > 0)")
        try replica.onSource.run("insert into account values (1, 1), (2, -2), (3, 3)")
        let stopped = replica.tidemark("run", "--once")
        #expect(stopped.status == 1)
        #expect(stopped.output.contains("table public.account, key {\"id\":2}, change 2"))
        #expect(stopped.output.contains("positive"))
        #expect(try Replica.rows("account", replica.onTarget).isEmpty)
        try replica.onTarget.run("alter table account drop constraint positive")
        replica.follow()
        try replica.expectEqual("account")
    }

    @Test("a column that the target lacks stops the pipeline with the statement to type")
    func columnMissing() throws {
        let replica = try Replica(Self.twoTables)
        try replica.onTarget.run("alter table account drop column balance")
        try replica.onSource.run("insert into account values (1, 1)")
        let stopped = replica.tidemark("run", "--once")
        #expect(stopped.status == 1)
        #expect(stopped.output.contains("alter table \"public\".\"account\" add column \"balance\""))
        try replica.onTarget.run("alter table account add column balance int")
        replica.follow()
        try replica.expectEqual("account")
    }

    @Test("invariant 3: a worker that was taken over cannot move the cursor")
    func takenOver() throws {
        let replica = try Replica(Self.twoTables)
        let first = try PostgresTarget(replica.target, pipeline: "main")
        let second = try PostgresTarget(replica.target, pipeline: "main")
        let stale = try first.takeOver(worker: "first")
        let fresh = try second.takeOver(worker: "second")
        #expect(fresh.epoch == stale.epoch + 1)
        try replica.onSource.run("insert into account values (1, 1)")
        let source = try PostgresSource(replica.source)
        let window = try #require(try source.windows(after: stale, taking: TakenTables(TableSelection())).first)
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        #expect(throws: TidemarkError.self) {
            try first.apply(window, tables: tables, moving: stale, order: .paged, nextPage: { nil })
        }
    }

    @Test("invariant 8: after teardown both databases dump as they did before setup")
    func teardownLeavesNoTrace() throws {
        let replica = try Replica(Self.twoTables)
        try replica.onSource.run("insert into account values (1, 1)")
        replica.follow()
        #expect(replica.tidemark("teardown").status == 0)
        for (url, session) in [(replica.source, replica.onSource), (replica.target, replica.onTarget)] {
            #expect(try session.query("select from pg_namespace where nspname = 'tidemark'").count == 0)
            let dump = Shell.run("\(ScratchCluster.binaries())/pg_dump", ["--schema-only", "-d", url]).output
            #expect(!dump.lowercased().contains("tidemark") && dump.contains("CREATE TABLE public.account"))
        }
        try replica.onSource.run("insert into account values (2, 2)")
    }

    @Test("errors say what to type", arguments: [["run", "--once"], ["setup"], ["teardown"]])
    func unreachable(command: [String]) {
        let url = "postgresql://nobody:hunter2@/none?host=/nonexistent"
        let failed = Shell.run(Replica.binary, command + ["--source", url, "--target", url + "&port=1"])
        #expect(failed.status == 1)
        #expect(!failed.output.contains("hunter2"))
        let usage = Shell.run(Replica.binary, ["run"])
        #expect(usage.status == 64)
        #expect(usage.output.contains("--source"))
    }
}
