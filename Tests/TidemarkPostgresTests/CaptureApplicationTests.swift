import Foundation
import PostgresSQL
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// Capture never breaks the application. BREAKS, section E.
@Suite("PostgreSQL capture: the application goes on")
struct CaptureApplicationTests {
    /// A role of its own for a test, with rights on nothing but what the test grants.
    static func role(_ name: String, in scene: CaptureScene, options: String = "login") throws -> String {
        let role = "tidemark_\(name)"
        try scene.run(
            """
            do $$ begin if exists (select from pg_roles where rolname = '\(role)') then drop owned by \(role); drop role \(role); end if; end $$;
            create role \(role) \(options)
            """)
        return role
    }

    @Test("E1: an application without rights writes; its lastval() is refused, not wrong", arguments: ["statement", "row"])
    func lastval(kind: String) throws {
        let scene = try CaptureScene("create table t (id serial primary key, v text); grant all on t, t_id_seq to public", attached: "t", kind: kind)
        let application = try scene.connect(as: try Self.role("e1_\(kind)", in: scene))
        try application.run("insert into t (v) values ('a'); update t set v = 'b'; delete from t")
        try application.run("insert into t (v) values ('a')")
        #expect(CaptureScene.failure(of: "select lastval()", in: application) == "42501")
        #expect(try application.query("select currval('t_id_seq')")[0, 0] == "2")
        try scene.expectReplay("t")
        for forbidden in [
            "table tidemark.data_changes", "insert into tidemark.data_changes values (1)", "select tidemark.attach('t')", "select nextval('tidemark.data_changes_id_seq')",
            "select tidemark.foreign_changes()", "create temp table z (id int); create trigger z after insert on z for each row execute function tidemark.capture_1()",
        ] {
            #expect(CaptureScene.failure(of: forbidden, in: application) == "42501", "\(forbidden)")
        }
    }

    @Test("E2: the owner of a partitioned table, without rights on tidemark, creates and attaches partitions")
    func ownerOfPartitions() throws {
        let scene = try CaptureScene("create table p (id int, k int, primary key (k, id)) partition by list (k)")
        let role = try Self.role("e2", in: scene)
        try scene.run("grant create on schema public to \(role); alter table p owner to \(role)")
        try scene.attach("p")
        let owner = try scene.connect(as: role)
        try owner.run("create table p1 partition of p for values in (1); create table p2 (id int not null, k int not null); alter table p attach partition p2 for values in (2)")
        try owner.run("insert into p values (1, 1), (2, 2); update p set k = 2 where id = 1")
        try scene.expectReplay("p")
        let forged = "create table z (id int); create trigger z after insert on z for each row execute function tidemark.capture_1()"
        #expect(CaptureScene.failure(of: forged, in: owner) == "42501")
    }

    @Test("E2: a trigger on a table of somebody's own writes nothing to the log")
    func forgedTrigger() throws {
        let scene = try CaptureScene("create table t (id int primary key); create table z (id int primary key)", attached: "t", kind: "row")
        try scene.run("create trigger z after insert or update or delete on z for each row execute function tidemark.capture_1(); insert into z values (1); delete from z")
        #expect(try scene.value("select count(*) from tidemark.data_changes") == "0")
    }

    @Test("E5: a captured change can be prepared", arguments: ["statement", "row"])
    func prepared(kind: String) throws {
        let scene = try CaptureScene("create table t (id int primary key)", attached: "t", kind: kind)
        try scene.run("begin; insert into t values (1); savepoint s; insert into t values (2); prepare transaction 'tidemark_\(kind)_1'")
        try scene.run("begin; insert into t values (3); prepare transaction 'tidemark_\(kind)_2'")
        try scene.run("commit prepared 'tidemark_\(kind)_1'")
        try scene.run("rollback prepared 'tidemark_\(kind)_2'")
        #expect(try scene.log("t").count == 2)
        try scene.expectReplay("t")
    }

    @Test("E5: unrelated serializable transactions both commit", arguments: ["statement", "row"], [1, 400])
    func serializable(kind: String, rows: Int) throws {
        let scene = try CaptureScene("create table t (id int primary key); insert into t select generate_series(10000, 19999); analyze t", attached: "t", kind: kind)
        let (one, other) = (try scene.connect(), try scene.connect())
        try one.run("begin isolation level serializable; insert into t select generate_series(1, \(rows))")
        try other.run("begin isolation level serializable; insert into t select generate_series(30001, 30000 + \(rows))")
        try one.run("commit")
        #expect(throws: Never.self) { try other.run("commit") }
    }

    @Test("E5: the application's DDL works, and the change of shape is a mark in the log", arguments: ["statement", "row"], [
        "alter table t alter v type varchar(9)", "alter table t drop v", "alter table t rename v to w", "alter table t add x int",
        "alter table t drop constraint t_pkey, drop id", "alter table t rename to t2", "create schema s; alter table t set schema s",
    ])
    func applicationDDL(kind: String, ddl: String) throws {
        let scene = try CaptureScene("create table t (id int primary key, v text)", attached: "t", kind: kind)
        try scene.run("begin; insert into t values (1); \(ddl); commit")
        let table = try #require(try scene.value("select relation::regclass from tidemark.capture"))
        _ = CaptureScene.failure(of: "insert into \(table) default values", in: scene.session)
        try scene.run("delete from \(table)")
        #expect(try scene.value("select string_agg(operation, '' order by id) from tidemark.data_changes")?.hasPrefix("IX") == true)
        #expect(try scene.value("select bool_and(operation = 'X') from tidemark.data_changes where id > (select min(id) from tidemark.data_changes)") == "t")
        try scene.run("drop table \(table)")
    }

    @Test("E5: truncate and alter directly after an insert, in one transaction")
    func noPendingEvents() throws {
        let scene = try CaptureScene("create table t (id int primary key)", attached: "t")
        try scene.run("begin; insert into t values (1); truncate t; insert into t values (2); commit")
        try scene.expectReplay("t")
        try scene.run("begin; insert into t values (3); alter table t add v int; commit")
        #expect(try scene.log("t").count == 4)
    }

    @Test("replica role: writers are not captured by default, and are where capture fires always", arguments: ["statement", "row"])
    func replicaRole(kind: String) throws {
        let scene = try CaptureScene("create table t (id int primary key)", attached: "t", kind: kind)
        let writer = try scene.connect()
        try writer.run("set session_replication_role = replica; insert into t values (1)")
        #expect(try scene.log("t") == [])
        try scene.run("truncate t")
        #expect(try scene.value("select tidemark.attach('t', null, true)") == "2")
        #expect(try scene.value("select tidemark.attach('t')") == "2", "what is not said stays as it is")
        #expect(try scene.value("select bool_and(tgenabled = 'A') from pg_trigger where tgname like 'tidemark%'") == "t")
        try writer.run("insert into t values (2)")
        try scene.run("insert into t values (3)")
        #expect(try scene.log("t").count == 3)
        // tidemark's own applying session, and one that only says that it is.
        try writer.run("select set_config('tidemark.applying', '1', false); insert into t values (4); truncate t; set session_replication_role = origin")
        #expect(try scene.log("t").count == 3)
        try writer.run("insert into t values (5)")
        #expect(try scene.log("t").count == 4)
        #expect(try scene.foreignChange() == nil)
        try scene.run("alter table t enable trigger tidemark_truncate")
        #expect(try scene.foreignChange() != nil)
        #expect(try scene.value("select tidemark.attach('t', null, false)") == "3")
        #expect(try scene.value("select bool_and(tgenabled = 'O') from pg_trigger where tgname like 'tidemark%'") == "t")
    }

    @Test("replica role: partitions that come later fire always, too")
    func replicaRolePartitions() throws {
        let scene = try CaptureScene("create table p (id int primary key) partition by range (id); create table p1 partition of p for values from (0) to (9)")
        try scene.run("select tidemark.attach('p', replica_role => true)")
        try scene.run("begin; create table p2 partition of p for values from (10) to (19); select tidemark.attach('p'); commit")
        #expect(try scene.foreignChange() == nil)
        try scene.run("set session_replication_role = replica; insert into p values (1), (11); update p set id = id + 1; truncate p2; insert into p values (12)")
        try scene.expectReplay("p")
        #expect(try scene.log("p").count == 8)
    }

    @Test("an installer that is no superuser, with BYPASSRLS and rights on the tables, is enough")
    func plainInstaller() throws {
        let scene = try CaptureScene("create table t (id int primary key, v text)")
        let url = try ScratchCluster.shared.database("installer")
        let role = try Self.role("installer", in: scene, options: "login bypassrls")
        let admin = try CaptureScene.connect(url)
        try admin.run(
            """
            create table t (id int primary key, v text); alter table t enable row level security; alter table t force row level security;
            create policy p on t using (true); grant select, trigger on t to \(role); grant all on t to public;
            do $$ begin execute format('grant create on database %I to \(role)', current_database()); end $$
            """)
        let installer = try CaptureScene.connect(url.replacing("user=postgres", with: "user=\(role)"))
        try installer.run(PostgresSQL.install)
        try installer.run("select tidemark.attach('t')")
        try installer.run(PostgresSQL.install)
        #expect(try installer.query("select count(*) from tidemark.foreign_changes()")[0, 0] == "0")
        try admin.run("insert into t values (1, 'a'); update t set v = 'b'")
        #expect(try installer.query("select string_agg(image, ' ' order by id) from tidemark.data_changes")[0, 0] == #"{"id":1,"v":"a"} {"id":1,"v":"b"}"#)
        #expect(try admin.query("select bool_and(p.proowner::regrole::text = '\(role)') from pg_proc p where pronamespace = 'tidemark'::regnamespace")[0, 0] == "t")
        // Row security would hide rows from an owner without the attribute.
        try admin.run("alter role \(role) nobypassrls")
        #expect(CaptureScene.failure(of: "select tidemark.attach('t')", in: installer) == "P0001")
    }

    @Test("what is installed is removed without a trace")
    func uninstall() throws {
        let schema = CaptureTableTests.everything
        let scene = try CaptureScene(schema)
        try scene.run("drop schema tidemark cascade; drop schema replay cascade")
        let before = try Self.dump(scene.url)
        try scene.run(PostgresSQL.install)
        for table in ["keyed", "\"Odd \"\"Names\"\".x\"", "p", "par", "chi", "wholes"] { try scene.attach(table) }
        try scene.run("create table dropped (id int primary key); select tidemark.attach('dropped'); drop table dropped")
        try scene.run("insert into keyed (v) values ('x'); insert into p values (1, 1, 'a')")
        try scene.run("delete from keyed; delete from p; alter table keyed alter id restart; create table p9 partition of p for values in (9); drop table p9")
        try Self.psql(scene.url, PostgresSQL.uninstall)
        #expect(try Self.dump(scene.url) == before)
    }

    /// Runs a script as a DBA does: each statement in a transaction of its own, or none where the script commits.
    static func psql(_ url: String, _ script: String) throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString).sql")
        try script.write(to: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: file) }
        let run = Shell.run("/usr/bin/env", ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", file.path])
        #expect(run.status == 0, "\(run.output)")
    }

    static func dump(_ url: String) throws -> String {
        let dump = Shell.run("/usr/bin/env", ["pg_dump", "-d", url])
        #expect(dump.status == 0, "\(dump.output)")
        // The server draws a random word for each dump.
        return dump.output.split(separator: "\n").filter { !$0.hasPrefix("\\restrict") && !$0.hasPrefix("\\unrestrict") }.joined(separator: "\n")
    }
}
