import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What writers and readers call, against places that a test sets.
@Suite("Waiting in PostgreSQL", .serialized)
struct WaitForTests {
    /// Transactions of other databases of a server are in progress in its snapshots, too.
    private static let server = ScratchCluster()
    private let url: String
    private let session: PostgresSession
    private let administration: PostgresSourceAdministration
    private let worker: PostgresSource
    private var start: Cursor

    init() throws {
        url = try Self.server.database("source")
        session = try PostgresSession(url)
        try session.run("create table public.payment (id int primary key); create table public.note (id int primary key)")
        administration = try PostgresSourceAdministration(url)
        try administration.installLog()
        start = try administration.startCursor(of: "main")
        _ = try administration.install(CaptureRequest(pipeline: "main"))
        try PostgresTargetAdministration(url).install()
        worker = try PostgresSource(url)
    }

    /// The place behind all that is logged.
    private func caughtUp(from cursor: Cursor) throws -> Cursor {
        try worker.windows(after: cursor, taking: TakenTables(TableSelection())).reduce(cursor) { $0.moved(over: $1) }
    }

    private func acknowledge(_ cursor: Cursor, incomplete: [Int32] = []) throws {
        try worker.acknowledge(Acknowledgement(cursor, incomplete: incomplete), of: "main")
    }

    /// - Returns: the error's code and text; nil where the call returned.
    private func refusal(_ sql: String, _ session: PostgresSession? = nil) -> PostgresFailure? {
        do throws(PostgresFailure) {
            try (session ?? self.session).run(sql)
            return nil
        } catch {
            return error
        }
    }

    @Test("a call returns once the pipeline has confirmed what was committed before it, and not before")
    func durable() throws {
        try session.run("insert into public.payment values (1)")
        let never = try #require(refusal("select tidemark.wait_for('main', '50 ms')"))
        #expect(never.sqlState == "TM001" && never.detail.contains("has not confirmed anything yet") && never.hint.contains("tidemark status --pipeline main"))
        try acknowledge(start)
        let behind = try #require(refusal("select tidemark.wait_for('main', '50 ms')"))
        #expect(behind.sqlState == "TM001" && behind.message.contains("pipeline main") && behind.detail.contains("up to change \(start.lastID)"), "\(behind)")
        let place = try caughtUp(from: start)
        try acknowledge(place)
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
        #expect(refusal("select tidemark.wait_for(array['main', 'main'], '50 ms')") == nil)
        // What no pipeline takes is no reason to wait, however far the transactions have gone.
        try session.run("create table public.uncaptured (id int); insert into public.uncaptured values (1)")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
        // One that was open as the place was taken, and had drawn its xid before.
        let early = try PostgresSession(url)
        try early.run("begin; insert into public.payment values (2)")
        try session.run("insert into public.payment values (3)")
        let past = try caughtUp(from: place)
        try acknowledge(past)
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
        try early.run("commit")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')")?.sqlState == "TM001")
        try acknowledge(try caughtUp(from: past))
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
    }

    @Test("while tables are copied the target lacks rows, and before a worker has said which do nobody knows")
    func copying() throws {
        try session.run("insert into public.payment values (1)")
        try worker.confirm(try caughtUp(from: start), of: "main")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')")?.detail.contains("No worker of this version") == true)
        let payment = try #require(try worker.capturedTables().first { $0.name.name == "payment" }).capture
        let place = try caughtUp(from: start)
        try acknowledge(place, incomplete: [payment])
        #expect(refusal("select tidemark.wait_for('main', '50 ms')")?.detail.contains("still being copied: public.payment") == true)
        // Of tables that nobody waits for it does not matter.
        try worker.announce(Waiting(.hybrid, tables: [TablePattern("public.no*")]), of: "main")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
        try worker.announce(Waiting(.synchronous), of: "main")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')")?.sqlState == "TM001")
        try acknowledge(place)
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
    }

    @Test("hybrid waits for changes of the named tables only")
    func hybrid() throws {
        try worker.announce(Waiting(.hybrid, tables: [TablePattern("pay*"), TablePattern("other.*")]), of: "main")
        try acknowledge(start)
        try session.run("insert into public.note values (1)")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
        try session.run("insert into public.payment values (1)")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')")?.sqlState == "TM001")
        #expect(try LogStatus(session: session).read("main", at: start, settledThrough: [:]).waiting?.mode == .hybrid)
    }

    @Test("patterns mean in the database what they mean in the worker")
    func patterns() throws {
        let names = [TableName(schema: "public", name: "a_b"), TableName(schema: "public", name: "axb"), TableName(schema: "a%", name: "x.y"), TableName(schema: "p\\q", name: "*")]
        for pattern in ["*", "a_b", "public.*", "*.a*", "a%.*", "a%.x.y", "p\\q.*", "x", "public.a?b", "*.*.y", "pub*c.a_*", "x.y"] {
            for name in names {
                let found = try session.query("select tidemark.matches($1, $2, $3)", [.text(pattern), .text(name.schema ?? ""), .text(name.name)])
                #expect((found[0, 0] == "t") == TablePattern(pattern).matches(name), "\(pattern) and \(name)")
            }
        }
    }

    @Test("what can have no answer is refused, with a code of its own")
    func refusals() throws {
        try acknowledge(start)
        for (sql, state, words) in [
            ("begin; insert into public.payment values (1); select tidemark.wait_for('main')", "TM002", "after COMMIT"),
            ("begin; insert into public.payment values (1); select tidemark.position()", "TM002", "after COMMIT"),
            ("begin isolation level repeatable read; select tidemark.wait_for('main')", "TM002", "repeatable read"),
            ("begin isolation level serializable; select tidemark.wait_until('main', '1')", "TM002", "serializable"),
            ("select tidemark.wait_for('nope')", "TM003", "knows no pipeline nope"), ("select tidemark.wait_for('{}'::text[])", "TM003", "no pipeline"),
            ("select tidemark.wait_until('nope', '1')", "TM003", "knows no pipeline nope"), ("select tidemark.wait_until('main', 'now')", "TM003", "no position"),
        ] {
            let found = try #require(refusal(sql), "\(sql)")
            #expect(found.sqlState == state && found.message.contains(words), "\(sql): \(found)")
            try session.run("rollback")
        }
        try session.run("update tidemark.pipeline set lost_at = now(), lost_why = 'the log was full'")
        let lost = try #require(refusal("select tidemark.wait_for('main')"))
        #expect(lost.sqlState == "TM003" && lost.message.contains("given up") && lost.detail.contains("the log was full"))
        try session.run("update tidemark.pipeline set lost_at = null; select tidemark.stop_capture('the disk was full')")
        #expect(refusal("select tidemark.wait_for('main')")?.message.contains("capture is stopped") == true)
    }

    @Test("who waits writes nothing, and holds no lock between two looks")
    func locks() throws {
        try acknowledge(start)
        try session.run("insert into public.payment values (1)")
        let waiting = try PostgresSession(url)
        let pid = try waiting.query("select pg_backend_pid()")[0, 0] ?? ""
        let end = DispatchedWait { try? waiting.run("select tidemark.wait_for('main', '60 s')") }
        let watcher = try PostgresSession(url)
        while try watcher.query("select wait_event = 'PgSleep' from pg_stat_activity where pid = $1", [.text(pid)])[0, 0] != "t" {}
        // Each of these waits for nobody, or fails.
        try watcher.run("set lock_timeout = '5 s'")
        for table in ["pipeline", "tick", "capture", "data_changes", "data_changes_0"] {
            try watcher.run("begin; lock table tidemark.\(table) in access exclusive mode; rollback")
        }
        #expect(try watcher.query("select backend_xid is null from pg_stat_activity where pid = $1", [.text(pid)])[0, 0] == "t")
        try acknowledge(try caughtUp(from: start))
        end.join()
    }

    @Test("a position is there once the cursor sees what was logged before it, whatever else has ended")
    func positions() throws {
        let identity = try worker.identity()
        let target = try PostgresTargetAdministration(url)
        try session.run("insert into public.payment values (1)")
        var cursor = try caughtUp(from: start)
        try target.place(cursor, of: "main")
        func position() throws -> String { try session.query("select tidemark.position()")[0, 0] ?? "" }
        func until(_ position: String) -> PostgresFailure? { refusal("select tidemark.wait_until('main', '\(position)', '50 ms')") }
        func move() throws {
            cursor = try caughtUp(from: cursor)
            try session.query("update tidemark.cursor set snapshot = $1", [.text(cursor.snapshot.description)])
        }
        for round in 2...20 {
            try session.run("insert into public.payment values (\(round))")
            let seen = try position()
            #expect(until(seen)?.sqlState == "TM001", "round \(round): \(seen) in \(cursor.snapshot)")
            try move()
            #expect(until(seen) == nil, "round \(round): \(seen) in \(cursor.snapshot)")
            // Transactions that log nothing take positions on, and the cursor stays where it is.
            try session.run("create table public.other_\(round) (id int)")
            #expect(until(try position()) == nil, "round \(round)")
        }
        // What was open at the cursor for long, logs nothing and ends: only a worker that has looked can tell.
        let silent = try PostgresSession(url)
        try silent.run("begin; create table public.silent (id int)")
        for row in 100...103 {
            try session.run("insert into public.payment values (\(row))")
            try move()
        }
        try silent.run("commit")
        let seen = try position()
        #expect(until(seen)?.sqlState == "TM001")
        #expect(try worker.windows(after: cursor, taking: TakenTables(TableSelection())).isEmpty)
        let quiet = try #require(worker.quiet(after: cursor))
        var held = cursor
        held.epoch = 0
        try PostgresTarget(url, pipeline: "main").note(quietThrough: quiet, after: held)
        #expect(until(seen) == nil)
        // A cursor that went back has forgotten it.
        try session.query("update tidemark.cursor set snapshot = $1", [.text(start.snapshot.description)])
        #expect(until(seen)?.sqlState == "TM001")
        let foreign = "00000000-0000-0000-0000-000000000000:5:5:"
        #expect(until(foreign)?.message.contains("not one of the source") == true)
        #expect(seen.hasPrefix(String(identity.split(separator: "/")[2]) + ":"))
    }

    @Test("a role that may wait can call nothing else, read nothing, forge nothing, and loses the right")
    func rights() throws {
        let role = "app_\(UInt32.random(in: 0..<UInt32.max))"
        try session.run("create role \(role) login; grant all on schema public to \(role)")
        defer { try? PostgresSession(url).run("drop owned by \(role); drop role \(role)") }
        let application = try PostgresSession(url + " options='-c role=\(role)'")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')", application)?.sqlState == "42501")
        try administration.grantWaiting([role], of: "main")
        // Setup again, as an upgrade does, changes nothing in that.
        try administration.installLog()
        try PostgresTargetAdministration(url).install()
        try acknowledge(start)
        #expect(refusal("select tidemark.wait_for('main', '50 ms'), tidemark.position()", application) == nil)
        #expect(refusal("select tidemark.wait_until('main', '1', '50 ms')", application)?.sqlState == "TM003")
        let callable = try session.query(
            """
            select string_agg(distinct p.proname, ',' order by p.proname) from pg_proc p
            where p.pronamespace = 'tidemark'::regnamespace and has_function_privilege('\(role)', p.oid, 'EXECUTE')
            """)[0, 0]
        #expect(callable == "position,wait_for,wait_until")
        let readable = try session.query(
            """
            select string_agg(c.relname, ',') from pg_class c where c.relnamespace = 'tidemark'::regnamespace and (c.relkind = 'S'
              and has_sequence_privilege('\(role)', c.oid, 'USAGE, SELECT, UPDATE') or c.relkind in ('r', 'p', 'v')
              and has_table_privilege('\(role)', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER'))
            """)[0, 0]
        #expect(readable == nil)
        let capture = try session.query("select 'tidemark.capture_' || max(id) from tidemark.capture")[0, 0] ?? ""
        for forgery in [
            "insert into tidemark.data_changes_0 (id) values (1)", "select tidemark.log_mark(1, 'B')", "select nextval('tidemark.data_changes_id_seq')",
            "create table public.mine (id int); create trigger forged after insert on public.mine for each row execute function \(capture)()",
            "create table public.typed (p tidemark.pipeline)", "create table tidemark.mine (id int)", "select tidemark.grant_wait('main', '\(role)')",
        ] { #expect(refusal(forgery, application)?.sqlState == "42501", "\(forgery)") }
        // Whoever may execute a capture function must not be able to name it.
        try session.run("create table public.parted (id int primary key) partition by range (id); alter table public.parted owner to \(role)")
        #expect(throws: TidemarkError.self) { try administration.install(CaptureRequest(pipeline: "main")) }
        try administration.revokeWaiting([role], of: "main")
        #expect(refusal("select tidemark.wait_for('main', '50 ms')", application)?.sqlState == "42501")
        _ = try administration.install(CaptureRequest(pipeline: "main"))
        #expect(throws: TidemarkError.self) { try administration.grantWaiting([role], of: "main") }
        try session.run("drop table public.parted cascade")
        _ = try administration.install(CaptureRequest(pipeline: "main"))
        try administration.grantWaiting([role], of: "main")
        try administration.remove("main")
        #expect(try session.query("select has_schema_privilege('\(role)', 'tidemark', 'USAGE')")[0, 0] == "f", "the target's part of the schema is still there")
    }

    @Test("an installation of an older version works on as it is, and waits once setup has renewed it")
    func upgrade() throws {
        try session.run(
            """
            alter table tidemark.pipeline drop column wait, drop column wait_tables, drop column incomplete;
            drop function tidemark.wait_for(text, interval), tidemark.wait_for(text[], interval), tidemark.position(), tidemark.is_logged_between(pg_snapshot, pg_snapshot, int[]);
            """)
        try session.run("insert into public.payment values (1)")
        try worker.announce(Waiting(), of: "main")
        try acknowledge(try caughtUp(from: start))
        #expect(throws: TidemarkError.self) { try worker.announce(Waiting(.synchronous), of: "main") }
        #expect(try LogStatus(session: session).read("main", at: start, settledThrough: [:]).waiting == nil)
        try administration.installLog()
        try worker.announce(Waiting(.synchronous), of: "main")
        try acknowledge(try caughtUp(from: start))
        #expect(refusal("select tidemark.wait_for('main', '50 ms')") == nil)
    }
}

/// A call on a thread of its own.
private final class DispatchedWait: @unchecked Sendable {
    // @unchecked: the semaphore alone is shared.
    private let done = DispatchSemaphore(value: 0)

    init(_ body: @escaping () -> Void) {
        nonisolated(unsafe) let body = body
        Thread.detachNewThread {
            body()
            self.done.signal()
        }
    }

    func join() { done.wait() }
}
