import Foundation
import PostgresSQL
import Synchronization
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Who applies rows to a database that captures them says where they come from.
@Suite("Origins in PostgreSQL: applying")
struct OriginMarkTests {
    private static func bench(_ tables: String = "create table t (id int primary key, v int)", applied: Bool = true) throws -> ApplyBench {
        let attached = tables.split(separator: ";").map { "select tidemark.attach('\($0.split(separator: " ")[2])', applied => \(applied));" }
        let bench = try ApplyBench(PostgresSQL.install + "; set search_path = public; \(tables); " + attached.joined())
        bench.capture(1, "t", ["id", "v"], key: ["id"])
        bench.capture(2, "w", ["id", "v"])
        return bench
    }

    /// Changes with their origins, as a page of which the first id is one.
    private static func page(_ changes: [(TestChange, String?)], from first: Int64 = 1) -> ChangePage {
        var page = ChangePage()
        for (place, (change, origin)) in changes.enumerated() {
            Array((change.key ?? "").utf8).withUnsafeBytes { key in
                Array((change.image ?? "").utf8).withUnsafeBytes { image in
                    page.append(
                        id: first + Int64(place), capture: change.capture, operation: change.operation, key: change.key == nil ? nil : key,
                        image: change.image == nil ? nil : image, origin: origin)
                }
            }
        }
        return page
    }

    /// Of each logged change: operation, its first number, origin.
    private static func logged(_ bench: ApplyBench) throws -> [String] {
        let rows = try bench.session.query(
            """
            select concat_ws(' ', operation, substring(coalesce(key, image) from '[0-9]+'), \(AppliedRecord.origin))
            from tidemark.data_changes where operation <> 'B' order by id
            """)
        return (0..<rows.count).map { rows[$0, 0] ?? "" }
    }

    @Test("runs of one origin are marked, in their order, also where the window is staged", arguments: [false, true])
    func runs(isStaged: Bool) throws {
        let bench = try Self.bench("create table t (id int primary key, v int); create table w (id int, v int)")
        let page = Self.page([
            (.up(1, #"{"id":1}"#, #"{"id":1,"v":1}"#), "A"), (.row(2, #"{"id":5,"v":5}"#), "A"), (.up(1, #"{"id":2}"#, #"{"id":2,"v":1}"#), nil),
            (.rowGone(2, #"{"id":5,"v":5}"#), "C"), (.up(1, #"{"id":1}"#, #"{"id":1,"v":2}"#), "C"),
        ])
        try bench.apply(isStaged ? .staged : .paged, pages: [page])
        let rewritten = isStaged ? ["D 1 C", "I 1 C"] : ["U 1 C"]
        #expect(Set(try Self.logged(bench)) == Set(["I 1 A", "I 5 A", "I 2 source", "D 5 C"] + rewritten))
        #expect(try bench.rows("t") == ["(1,2)", "(2,1)"] && bench.rows("w").isEmpty)
        #expect(try bench.session.query("select count(distinct xid) from tidemark.data_changes")[0, 0] == "1")
    }

    @Test("nothing is said where nothing that is applied is captured")
    func unwanted() throws {
        let bench = try Self.bench(applied: false)
        try bench.apply(pages: [Self.page([(.up(1, #"{"id":1}"#, #"{"id":1,"v":1}"#), "A")])])
        #expect(try bench.session.query("select count(*) from tidemark.applied")[0, 0] == "0")
        #expect(try Self.logged(bench).isEmpty)
    }

    @Test("a worker that was at it before capture wanted origins is refused once, and says them from its next connection on")
    func wantedSince() throws {
        let bench = try Self.bench(applied: false)
        try bench.apply(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1,"v":1}"#)]])
        try bench.session.run("select tidemark.attach('t', applied => true)")
        let refusal = try #require(bench.refusal(.paged, [[.up(1, #"{"id":2}"#, #"{"id":2,"v":1}"#)]]))
        #expect(refusal.retry == .later && refusal.why.contains("its origin was not said"))
        let anew = try PostgresTarget(bench.url, pipeline: "main")
        _ = try anew.takeOver(worker: "test")
        #expect(try anew.identityAsSource() == SourceIdentity.read(in: bench.session))
        var pages = [Self.page([(.up(1, #"{"id":2}"#, #"{"id":2,"v":1}"#), nil)])][...]
        let cursor = try anew.cursor()
        let window = Window(start: cursor.snapshot, end: .change(9), witness: "w9", afterID: 0, throughID: .max)
        let table = CapturedTable(
            capture: 1, name: TableName(schema: "public", name: "t"), columns: ["id", "v"].map { CapturedColumn(name: $0, type: "", isGenerated: false) },
            keyColumns: ["id"], encoding: .typedText)
        _ = try anew.apply(window, tables: [1: table], moving: cursor, order: .paged) { pages.popFirst() }
        #expect(try Self.logged(bench) == ["I 2 source"])
        // And once capture is gone altogether.
        try bench.session.run("drop function tidemark.mark_applied(text)")
        let after = try anew.cursor()
        pages = [Self.page([(.up(1, #"{"id":3}"#, #"{"id":3,"v":1}"#), nil)])][...]
        let next = Window(start: after.snapshot, end: .change(10), witness: "w10", afterID: 0, throughID: .max)
        let gone = #expect(throws: TidemarkError.self) { try anew.apply(next, tables: [1: table], moving: after, order: .paged) { pages.popFirst() } }
        #expect(gone?.retry == .later)
    }

    @Test("rows of a copy, a repair and a retry of what was parked come from where they come from")
    func besideTheStream() throws {
        let bench = try Self.bench()
        let table = CapturedTable(
            capture: 1, name: TableName(schema: "public", name: "t"), columns: ["id", "v"].map { CapturedColumn(name: $0, type: "integer", isGenerated: false) },
            keyColumns: ["id"], encoding: .typedText)
        var copy = TableCopy(table.name, .empty)
        copy.state = .copying
        try bench.session.run("insert into t values (77, 0)")
        try bench.target.begin(copy, of: table, at: bench.cursor)
        let cursor = try bench.target.cursor()
        var rows: [RowPage] = [.changes(Self.page([(.up(1, #"{"id":1}"#, #"{"id":1,"v":1}"#), nil)]))]
        _ = try bench.target.load(table, as: .changes, order: .paged, at: cursor, saving: nil) { rows.popLast() }
        try bench.target.repair([], of: table, with: Self.page([(.gone(1, #"{"id":1}"#), nil)]), at: cursor)
        #expect(try Self.logged(bench) == ["I 77", "T source", "I 1 source", "D 1 source"])
        let parkedPage = Self.page([(.up(1, #"{"id":4}"#, #"{"id":4,"v":1}"#), "A"), (.up(1, #"{"id":5}"#, #"{"id":5,"v":1}"#), nil)], from: 40)
        var split = SplitPage(applied: ChangePage())
        for index in 0..<2 {
            split.parked.take(index, from: parkedPage)
            split.places.append(ParkedPlace(owner: .new(0), isWaiting: false, holdsTable: false))
        }
        let at = try bench.target.cursor()
        let window = Window(start: at.snapshot, end: .change(5), witness: "w5", afterID: 0, throughID: .max)
        var pages = [split]
        _ = try bench.target.apply(
            window, tables: [1: table], moving: at, order: .paged, parking: [ParkedFault(transaction: "1", table: nil, key: nil, changeID: nil, reason: "r")]
        ) { pages.popLast() }
        _ = try bench.target.settle(ParkedSettlement(.retried, [1], by: "tester"))
        #expect(try Self.logged(bench).suffix(2) == ["I 4 A", "I 5 source"])
    }

    @Test("a change does not come back to where it was made, also where that has become a source only since")
    func backAgain() throws {
        let bench = try ApplyBench("create table t (id int primary key, v int)")
        bench.capture(1, "t", ["id", "v"], key: ["id"])
        try bench.apply(pages: [Self.page([(.up(1, #"{"id":1}"#, #"{"id":1,"v":1}"#), "A")])])
        try bench.session.run(PostgresSQL.install)
        let own = try SourceIdentity.read(in: bench.session)
        let error = #expect(throws: TidemarkError.self) { try bench.apply(pages: [Self.page([(.up(1, #"{"id":2}"#, #"{"id":2,"v":1}"#), own)])]) }
        #expect(error?.retry == .later && error?.changeID == 1)
        #expect(try bench.rows("t") == ["(1,1)"])
    }

    @Test("rows that are read from a source without a log come from there, too")
    func polled() throws {
        let table = "create table public.t (id int primary key, v int);"
        let bench = try PolledBench(table, here: table + PostgresSQL.install + "; select tidemark.attach('public.t', applied => true)")
        try bench.writer.run("insert into public.t values (1, 1), (2, 2)")
        #expect(try bench.full(bench.table()).rowsWritten == 2)
        let logged = try bench.looker.query("select count(*), count(\(AppliedRecord.origin)), min(\(AppliedRecord.origin)) from tidemark.data_changes")
        #expect((logged[0, 0], logged[0, 1], logged[0, 2]) == ("2", "2", "source"))
    }

    @Test("what applications write beside the worker has no origin, whatever comes between")
    func besideApplications() throws {
        let bench = try Self.bench()
        let isOver = Mutex(false)
        let url = bench.url
        let writers = (0..<3).map { writer in
            Thread {
                guard let session = try? PostgresSession(url) else { return }
                var next = 1_000_000 * (writer + 1)
                while !isOver.withLock({ $0 }) {
                    next += 2
                    _ = try? session.run("begin; insert into public.t values (\(next), 0); savepoint s; insert into public.t values (\(next + 1), 0); release s; commit")
                }
            }
        }
        writers.forEach { $0.start() }
        defer { isOver.withLock { $0 = true } }
        for window in 0..<60 {
            let changes = (0..<40).map { place in
                let id = window * 40 + place
                return (TestChange.up(1, #"{"id":\#(id)}"#, #"{"id":\#(id),"v":1}"#), place % 3 == 0 ? "A" : place % 3 == 1 ? "C" : nil)
            }
            try bench.apply(pages: [Self.page(changes, from: Int64(window * 100 + 1))])
        }
        let wrong = try bench.session.query(
            """
            select count(*), count(*) filter (where n >= 1000000) from (select (key::json ->> 'id')::int as n, \(AppliedRecord.origin) as origin from tidemark.data_changes) d
            where origin is distinct from case when n < 1000000 then (array['A', 'C', 'source'])[n % 40 % 3 + 1] end
            """)
        #expect(wrong[0, 0] == "0")
        #expect(try bench.session.query("select count(*) > 100 from tidemark.data_changes where (key::json ->> 'id')::int >= 1000000")[0, 0] == "t")
    }
}
