import Foundation
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkPostgres
import TidemarkTestSupport

@Suite("Time travel")
struct TimeTravelTests {
    /// A place of the source with what every table held there.
    private struct Recorded {
        var lastID: Int64
        var rows: [String: [String]]
    }

    private static func states(_ database: any ScratchDatabase) throws -> [String: [String]] {
        var found: [String: [String]] = [:]
        for (table, columns) in CopyTests.tables { found[table] = try database.rows(table, columns) }
        return found
    }

    private static func flow(_ direction: Direction) async throws -> Flow {
        var flow = try Flow(direction, CopyTests.schema)
        flow.definition.images = .both
        flow.definition.retention = Retention(seconds: 3600, bytes: nil)
        try flow.setUp()
        try flow.source.run(CopyTests.rows(60))
        try await flow.follow()
        return flow
    }

    /// Applies what there is, and notes the place: where the worker wrote a tick.
    private static func record(_ flow: Flow) async throws -> Recorded {
        try await flow.follow()
        let isPostgres = flow.source is ScratchPostgres
        if !isPostgres {
            try flow.source.run(
                """
                INSERT INTO tidemark_tick (last_id, token, ticked_at)
                SELECT id, token, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM data_changes ORDER BY id DESC LIMIT 1
                """)
        }
        let ids = try flow.source.rows(isPostgres ? "tidemark.tick" : "tidemark_tick", ["last_id"]).compactMap { Int64($0) }
        return Recorded(lastID: try #require(ids.max()), rows: try states(flow.source))
    }

    @Test("rewind and forward over random histories equals the recorded states", arguments: Direction.all, [1, 2] as [UInt64])
    func randomHistory(direction: Direction, seed: UInt64) async throws {
        let flow = try await Self.flow(direction)
        var random = SeededRandom(seed: seed)
        let transaction = CopyTests.transaction(60)
        var recorded = [try await Self.record(flow)]
        for _ in 0..<5 {
            for _ in 0..<4 { try flow.source.run(transaction(&random)) }
            if direction.source == .postgres, recorded.count == 3 { try flow.source.run("truncate line, entry") }
            // Rows that swap a unique value fit at no page's end; by now one of them may be gone.
            try? flow.source.run("update account set owner = null where id = 3; update account set owner = 'owner 1' where id = 6; update account set owner = 'owner 2' where id = 3")
            recorded.append(try await Self.record(flow))
        }
        let end = recorded.removeLast()
        for place in [3, 4, 0, 2, 1].map({ recorded[$0] }) {
            let rewound = try await flow.definition.rewind().run(to: .change(place.lastID + 1), by: "test")
            #expect(rewound.place.lastID == place.lastID)
            #expect(try Self.states(flow.target) == place.rows, "at \(place.lastID)")
            let cursor = try flow.definition.cursor()
            #expect(cursor?.cursor.lastID == place.lastID && cursor?.hold?.reason == .paused)
            try flow.definition.liftPause()
            try await flow.follow()
            #expect(try Self.states(flow.target) == end.rows, "forward from \(place.lastID)")
        }
    }

    @Test("rewind twice, further back from where the first one left off", arguments: Direction.all)
    func furtherBack(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        let first = try await Self.record(flow)
        try flow.source.run("update account set balance = balance + 1; delete from line where place < 20")
        let second = try await Self.record(flow)
        try flow.source.run("delete from account; insert into entry values (5, 'x')")
        let end = try await Self.record(flow)
        for place in [second, first] {
            _ = try await flow.definition.rewind().run(to: .change(place.lastID + 1), by: "test")
            #expect(try Self.states(flow.target) == place.rows)
        }
        // The source keeps all of it, though it had been confirmed.
        await #expect(throws: TidemarkError.self) { _ = try await flow.definition.rewind().run(to: .change(second.lastID + 1), by: "test") }
        try flow.definition.liftPause()
        try await flow.follow()
        #expect(try Self.states(flow.target) == end.rows)
    }

    @Test("the plan, run by a person, does the same", arguments: [Direction(source: .postgres, target: .postgres), Direction(source: .sqlite, target: .postgres)])
    func planned(direction: Direction) async throws {
        let flow = try await Self.flow(direction)
        let place = try await Self.record(flow)
        try flow.source.run("update account set balance = -1 where id < 40; delete from line where place > 30; insert into entry values (5, 'x''y')")
        try flow.source.run("insert into account values (9999, 'new', 1); delete from entry where a = 1")
        let end = try await Self.record(flow)
        let lines = Lines()
        _ = try await flow.definition.rewind().plan(to: .change(place.lastID + 1)) { lines.add($0) }
        #expect(try Self.states(flow.target) == end.rows)
        try PostgresSession(flow.target.address).run(lines.text)
        #expect(try Self.states(flow.target) == place.rows)
        #expect(try flow.definition.cursor()?.cursor.lastID == place.lastID)
        try flow.definition.liftPause()
        try await flow.follow()
        #expect(try Self.states(flow.target) == end.rows)
    }

    @Test("rewind refuses what the log does not lead back to, and changes nothing", arguments: Direction.all)
    func refused(direction: Direction) async throws {
        var flow = try await Self.flow(direction)
        let place = try await Self.record(flow)
        flow.definition.images = .new
        try flow.setUp()
        try flow.source.run("update account set balance = 4 where id = 6")
        let end = try await Self.record(flow)
        do {
            _ = try await flow.definition.rewind().run(to: .change(place.lastID + 1), by: "test")
            Issue.record("it was not refused")
        } catch let failure as TidemarkError {
            #expect(failure.table == flow.name("account") && failure.why.contains("as they were before") && failure.changeID != nil)
        }
        #expect(try Self.states(flow.target) == end.rows)
        #expect(try flow.definition.cursor()?.hold == nil)
        await #expect(throws: TidemarkError.self) { _ = try await flow.definition.rewind().run(to: .time("2001-01-01T00:00:00Z"), by: "test") }
        await #expect(throws: TidemarkError.self) { _ = try await flow.definition.rewind().run(to: .change(Int64.max), by: "test") }
    }

    @Test("diff-since says what changed, by table and key, with what it was", arguments: [ScratchEngine.postgres, .sqlite])
    func difference(engine: ScratchEngine) async throws {
        let flow = try await Self.flow(Direction(source: engine, target: .sqlite))
        let place = try await Self.record(flow)
        try flow.source.run(
            """
            update account set balance = 77 where id = 3; update account set balance = 78 where id = 3; update account set balance = balance where id = 6;
            delete from account where id = 9; insert into account values (1000, 'new "one"', 5); insert into account values (1001, 'x', 5);
            delete from account where id = 1001; insert into entry values (50, 'x'), (50, 'x')
            """)
        let found = try SourceDifference(flow.definition, since: .change(place.lastID + 1), tables: [], listedMax: nil)
        let text = found.tables.flatMap { table in
            table.rows.map { row in
                "\(table.name.name) \(row.kind) \(row.count) \(row.key ?? "-") "
                    + row.columns.map { "\($0.name)=\($0.old ?? "")>\($0.new ?? "")" }.joined(separator: ",")
            }
        }
        #expect(
            text == [
                #"account updated 1 {"id":3} balance=1>77"#.replacing("77", with: "78"), #"account deleted 1 {"id":9} id=9>,owner="owner 3">,balance=3>"#,
                #"account inserted 1 {"id":1000} id=>1000,owner=>"new \"one\"",balance=>5"#, #"entry inserted 2 - a=>50,b=>"x""#,
            ])
        #expect(found.tables.first?.counts == [.updated: 1, .deleted: 1, .inserted: 1])
    }

    @Test("places are named by ids, times and how long ago")
    func names() {
        func name(_ text: String) -> PlaceName? { LogPlace(parsing: text).map { PlaceName($0, now: SourceTime(microseconds: 7_200_000_001)) } }
        #expect(name("12") == .change(12))
        #expect(name("2026-01-02 03:04:05") == .time("2026-01-02T03:04:05.000000Z"))
        #expect(name("2026-01-02T03:04:05.123456+02:00") == .time("2026-01-02T01:04:05.123456Z"))
        #expect(name("2h") == .time("1970-01-01T00:00:00.000001Z"))
        #expect(name("yesterday") == nil)
    }
}

private final class Lines: @unchecked Sendable {
    private(set) var text = ""
    func add(_ line: String) { text += line + "\n" }
}

extension PipelineDefinition {
    fileprivate func cursor() throws -> StoredCursor? {
        try Engines.accepting(target, of: "target").targetAdministration(target).cursor(of: name)
    }

    fileprivate func liftPause() throws {
        try Engines.accepting(target, of: "target").roleAdministration(target, side: "target").release(name)
    }
}
