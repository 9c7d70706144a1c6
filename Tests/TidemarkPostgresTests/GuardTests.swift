import Foundation
import PostgresSQL
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What the guard of PostgreSQL tables refuses, what it lets pass, and whom it waits for.
@Suite("PostgreSQL: the guard")
struct GuardTests {
    private let url: String
    private let session: PostgresSession
    private let roles: PostgresRoleAdministration
    private let replica = Standing(.replica, epoch: 1, cause: .setup)

    init() throws {
        url = try ScratchCluster.shared.database("guard")
        session = try PostgresSession(url)
        try session.run(PostgresSQL.target)
        try session.run(
            """
            set search_path = public;
            create table plain (id int primary key, v int); insert into plain values (1, 1);
            create table root (id int, v int) partition by range (id);
            create table part partition of root for values from (0) to (10);
            create table sub partition of root for values from (10) to (20) partition by list (v);
            create table leaf partition of sub for values in (1);
            create table parent (id int); create table child () inherits (parent); insert into child values (1);
            create table above (id int primary key); create table below (id int references above on delete cascade);
            insert into above values (1); insert into below values (1)
            """)
        roles = try PostgresRoleAdministration(url, side: "target")
    }

    private func names(_ tables: String...) -> [TableName] { tables.map { TableName(schema: "public", name: $0) } }

    private func raise(waitMs: Int = 5_000) throws {
        try roles.raiseGuard(on: names("plain", "root", "child", "below"), of: "main", noting: replica, waitMs: waitMs)
    }

    private func login(_ user: String) -> String {
        url.split(separator: " ").map { $0.hasPrefix("user=") ? "user=\(user)" : String($0) }.joined(separator: " ")
    }

    private static let writes = [
        "insert into plain values (2, 2)", "update plain set v = 3", "delete from plain where false", "truncate plain",
        "insert into plain values (1, 1) on conflict do nothing", "insert into root values (1, 1)", "insert into part values (1, 1)",
        "insert into leaf values (11, 1)", "truncate part", "truncate root", "update sub set v = 1", "delete from parent",
        "truncate parent", "insert into child values (2)", "delete from above", "with w as (insert into plain values (5, 5)) select 1",
        "merge into plain using (values (1)) s (i) on id = s.i when matched then delete",
    ]

    @Test("refuses every statement, of whoever it is, as a standby does", arguments: writes)
    func refused(sql: String) throws {
        try raise()
        let application = try PostgresSession(url)
        try application.run("set search_path = public")
        for setting in ["set session_replication_role = origin", "set tidemark.applying = '0'"] {
            try application.run(setting)
            let failure = #expect(throws: PostgresFailure.self) { try application.run(sql) }
            #expect(failure?.sqlState == "25006", "\(failure?.description ?? "")")
            #expect(failure?.message.contains("replica of pipeline main since 20") == true)
            #expect(failure?.hint.contains("tidemark switchover --pipeline main") == true)
            #expect(failure?.table.isEmpty == false)
        }
    }

    @Test("refuses COPY, and who writes in replica role")
    func copyAndReplicaRole() throws {
        try raise()
        try session.run("set session_replication_role = replica")
        let copied = #expect(throws: PostgresFailure.self) {
            var rows: [[UInt8]] = [Array("5\t5\n".utf8)]
            try session.copyIn("public.plain") { rows.popLast() }
        }
        #expect(copied?.sqlState == "25006")
        let inserted = #expect(throws: PostgresFailure.self) { try session.run("insert into public.plain values (5, 5)") }
        #expect(inserted?.sqlState == "25006")
    }

    @Test("a worker passes with and without the right to hold triggers still; who only says that it is one does not")
    func workers() throws {
        try raise()
        let database = try session.query("select current_database()")[0, 0] ?? ""
        for (role, mayMove) in [("worker_\(database)", true), ("liar_\(database)", false)] {
            try session.run("create role \(role) login; grant usage on schema public to \(role); grant all on all tables in schema public to \(role)")
            if mayMove { try session.run("grant usage on schema tidemark to \(role); grant select, update on tidemark.cursor to \(role)") }
            let application = try PostgresSession(login(role))
            try application.run("set tidemark.applying = '1'")
            let write = { try application.run("insert into public.plain values (2, 2); update public.parent set id = id; truncate public.plain") }
            if mayMove { try write() } else { #expect(throws: PostgresFailure.self) { try write() } }
        }
        try session.run("set tidemark.applying = '1'; set session_replication_role = replica; insert into public.plain values (3, 3)")
    }

    @Test("a partition that comes later is found to be open, until the guard is raised again")
    func laterPartition() throws {
        try raise()
        #expect(try roles.unguarded(names("plain", "root", "child"), of: "main").isEmpty)
        try session.run("create table public.later partition of public.root for values from (20) to (30)")
        #expect(try roles.unguarded(names("plain", "root", "child"), of: "main") == names("root"))
        #expect(try roles.guardedTables(of: "main") == Set(names("plain", "child", "below")))
        try session.run("insert into public.later values (21, 1)")
        try raise()
        #expect(throws: PostgresFailure.self) { try session.run("insert into public.later values (22, 1)") }
        #expect(try roles.unguarded(names("root"), of: "main").isEmpty)
    }

    @Test("who has written is waited for and named; meanwhile and afterwards nothing is locked or changed")
    func writers() throws {
        let writer = try PostgresSession(url)
        try writer.run("set application_name = 'shop'; begin; insert into public.leaf values (11, 1)")
        let failure = #expect(throws: TidemarkError.self) { try raise(waitMs: 50) }
        let pid = try writer.query("select pg_backend_pid()")[0, 0] ?? ""
        #expect(failure?.why.contains("process \(pid) of user postgres, application shop") == true, "\(failure?.why ?? "")")
        #expect(failure?.remedy.contains("pg_terminate_backend(\(pid))") == true)
        #expect(try roles.guardedTables(of: "main").isEmpty)
        #expect(try roles.standing(of: "main") == nil)
        try session.run("insert into public.plain values (9, 9)")
        try writer.run("prepare transaction 'pay''d'")
        let prepared = #expect(throws: TidemarkError.self) { try raise(waitMs: 50) }
        #expect(prepared?.remedy.contains("commit prepared 'pay''d'") == true, "\(prepared?.remedy ?? "")")
        try session.run("commit prepared 'pay''d'")
        try raise(waitMs: 50)
        #expect(try roles.guardedTables(of: "main").count == 4)
    }

    @Test("who read before it was raised, and writes after, is refused too")
    func earlierSnapshot() throws {
        let reader = try PostgresSession(url)
        try reader.run("prepare write as insert into public.plain values (7, 7)")
        try reader.run("begin isolation level repeatable read; select * from public.plain")
        try raise(waitMs: 50)
        let failure = #expect(throws: PostgresFailure.self) { try reader.run("execute write") }
        #expect(failure?.sqlState == "25006")
    }

    @Test("raising and lifting keep nobody from reading")
    func readers() throws {
        let reader = try PostgresSession(url)
        try reader.run("begin; select * from public.plain; select * from public.root")
        try raise(waitMs: 50)
        try roles.liftGuard(of: "main", noting: Standing(.primary, epoch: 2, cause: .switchover), closing: nil)
        try raise(waitMs: 50)
        try reader.run("select * from public.plain; commit")
    }

    @Test("a thousand tables are guarded in well under a second")
    func many() throws {
        try session.run("do $$ begin for i in 1..1000 loop execute format('create table public.t%s (id int primary key)', i); end loop; end $$")
        let tables = (1...1000).map { TableName(schema: "public", name: "t\($0)") }
        let clock = ContinuousClock()
        let raised = try clock.measure { try roles.raiseGuard(on: tables, of: "main", noting: replica, waitMs: 0) }
        let lifted = try clock.measure { try roles.liftGuard(of: "main", noting: replica, closing: nil) }
        // Measured alone: 0.1 s and 0.04 s; the machine may be busy.
        #expect(raised < .seconds(3) && lifted < .seconds(3), "\(raised), \(lifted)")
    }

    @Test("the files by hand: run twice they change nothing, and uninstall.sql leaves nothing of a guard")
    func byHand() throws {
        try raise()
        try session.run(PostgresSQL.roles)
        #expect(try roles.guardedTables(of: "main").count == 4)
        try session.run("drop table tidemark.cursor, tidemark.table_copy, tidemark.table_proof, tidemark.repair, tidemark.parked, tidemark.parked_change, tidemark.parked_capture, tidemark.parked_column, tidemark.parked_audit, tidemark.parked_audit_table, tidemark.lease, tidemark.sync_unit, tidemark.conflict, tidemark.tombstone, tidemark.shared_table")
        try session.run(PostgresSQL.install)
        let script = FileManager.default.temporaryDirectory.path + "/tidemark-\(UUID().uuidString).sql"
        try PostgresSQL.uninstall.write(toFile: script, atomically: true, encoding: .utf8)
        let ran = Shell.run("/usr/bin/env", ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", script, "-d", url])
        #expect(ran.status == 0, "\(ran.output)")
        #expect(try session.query("select to_regnamespace('tidemark')")[0, 0] == nil)
        try session.run("insert into public.plain values (4, 4)")
    }
}
