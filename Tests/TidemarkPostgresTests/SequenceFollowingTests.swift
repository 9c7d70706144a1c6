import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Sequences as the windows of a real server carry them.
@Suite("Sequences of a real server")
struct SequenceFollowingTests {
    /// A source with tables `t0`, `t1`, … whose ids are serial, and a target with the same.
    private final class Scene {
        let administration: PostgresSourceAdministration
        let url: String
        let application: PostgresSession
        let target: PostgresTarget
        let looking: PostgresSession
        var source: PostgresSource
        var cursor: Cursor

        init(tables: Int) throws {
            let targetURL = try ScratchCluster.shared.database("sequences_target")
            url = try ScratchCluster.shared.database("sequences")
            (application, looking) = (try PostgresSession(url), try PostgresSession(targetURL))
            for session in [application, looking] {
                for table in 0..<tables { try session.run("create table public.t\(table) (id serial primary key)") }
            }
            administration = try PostgresSourceAdministration(url)
            try administration.installLog()
            let start = try administration.startCursor(of: "main")
            _ = try administration.install(CaptureRequest(pipeline: "main"))
            let targetAdministration = try PostgresTargetAdministration(targetURL)
            try targetAdministration.install()
            try targetAdministration.place(start, of: "main")
            target = try PostgresTarget(targetURL, pipeline: "main")
            cursor = try target.takeOver(worker: "test")
            source = try PostgresSource(url)
        }

        func windows() throws -> [Window] { try source.windows(after: cursor, taking: TakenTables(TableSelection())) }

        func apply(_ window: Window) throws {
            var pages: [ChangePage] = []
            let tables = try source.capturedTables()
            try source.read(window, captures: tables.map(\.capture)) { pages.append($0) }
            var waiting = pages[...]
            let byCapture = Dictionary(uniqueKeysWithValues: tables.map { ($0.capture, $0) })
            cursor = try target.apply(window, tables: byCapture, moving: cursor, order: .paged) { waiting.popFirst() }
        }

        func follow() throws { for window in try windows() { try apply(window) } }

        /// Does the target's sequence give values that its rows have?
        func isBehind(_ table: Int) throws -> Bool {
            try looking.query(
                "select max(t.id) > max(case when s.is_called then s.last_value else s.last_value - 1 end) from public.t\(table) t, public.t\(table)_id_seq s"
            )[0, 0] == "t"
        }
    }

    @Test("never behind the rows of any window, with looks given up and workers renewed", arguments: [1, 2, 3] as [UInt64])
    func neverBehind(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let tables = 4
        let scene = try Scene(tables: tables)
        let writers = try (0..<4).map { _ in try PostgresSession(scene.url) }
        var isOpen = Array(repeating: false, count: writers.count)
        var (applied, carried) = (0, 0)
        for _ in 0..<400 {
            let place = Int.random(in: 0..<writers.count, using: &random)
            let table = Int.random(in: 0..<tables, using: &random)
            switch (isOpen[place], Int.random(in: 0..<10, using: &random)) {
            case (false, _):
                try writers[place].run("begin")
                isOpen[place] = true
            case (true, 0...6): try writers[place].run("insert into public.t\(table) default values")
            case (true, 7...8):
                try writers[place].run("commit")
                isOpen[place] = false
            default:
                try writers[place].run("rollback")
                isOpen[place] = false
            }
            switch Int.random(in: 0..<40, using: &random) {
            case 0...3:
                for window in try scene.windows() {
                    try scene.apply(window)
                    (applied, carried) = (applied + 1, carried + window.sequences.count)
                    for table in 0..<tables { #expect(try !scene.isBehind(table), "seed \(seed): t\(table) after \(applied) windows") }
                }
            // A look whose windows nobody applies: what it found has to come again.
            case 4...5: _ = try scene.windows()
            case 6: scene.source = try PostgresSource(scene.url)
            default: break
            }
        }
        for writer in writers { try? writer.run("rollback") }
        try scene.follow()
        for table in 0..<tables {
            let next = "select nextval('public.t\(table)_id_seq')"
            // Rolled back values travel with the next window, so the target may be behind the source here, not its rows.
            #expect(try !scene.isBehind(table))
            let states = try scene.administration.sequences(TableSelection())
            try scene.target.advance(states)
            #expect(try scene.looking.query(next)[0, 0] == scene.application.query(next)[0, 0])
        }
        // Not all of them each time.
        #expect(applied > 10 && carried < applied * tables)
    }

    @Test("who holds a sequence holds no window; it comes when he has ended")
    func held() throws {
        let scene = try Scene(tables: 2)
        try scene.application.run("insert into public.t0 default values; insert into public.t1 default values")
        try scene.follow()
        let holder = try PostgresSession(scene.url)
        try holder.run("begin; truncate public.t1 restart identity")
        for id in 2...4 {
            try scene.application.run("insert into public.t0 default values")
            let windows = try scene.windows()
            #expect(windows.map { $0.sequences.map(\.lastValue) } == [[Int64(id)]])
            for window in windows { try scene.apply(window) }
        }
        try holder.run("rollback; insert into public.t1 default values")
        try scene.follow()
        #expect(try scene.looking.query("select nextval('public.t1_id_seq')")[0, 0] == "3")
    }

    @Test("sequences that are made, dropped, renamed, revoked and given to other columns are seen while a worker runs")
    func alteredMeanwhile() throws {
        let scene = try Scene(tables: 1)
        func carried(_ sql: String) throws -> [String] {
            try scene.application.run("set search_path = public; \(sql); insert into public.t0 default values")
            let windows = try scene.windows()
            for window in windows { try scene.apply(window) }
            return windows.flatMap(\.sequences).map { state in
                "\(state.identity.name?.name ?? "") \(state.identity.columns.map(\.column).joined(separator: ",")) \(state.lastValue)"
            }.sorted()
        }
        #expect(try carried("select 1") == ["t0_id_seq id 1"])
        #expect(try carried("create sequence s start 7") == ["s  7", "t0_id_seq id 2"])
        #expect(try carried("alter sequence s rename to r; select nextval('r')") == ["r  7", "t0_id_seq id 3"])
        #expect(try carried("drop sequence r; create sequence c") == ["c  1", "t0_id_seq id 4"])
        #expect(try carried("alter sequence c restart with 40") == ["c  40", "t0_id_seq id 5"])
        try scene.looking.run("create sequence public.c")
        // The column's own sequence goes on under another column's name, and the column takes from another one.
        try scene.application.run("alter table public.t0 alter column id set default nextval('public.c')")
        _ = try scene.administration.install(CaptureRequest(pipeline: "main"))
        #expect(try carried("select 1") == ["c id 40"])
    }

    @Test("temporary ones that come and go hide none")
    func temporary() throws {
        let scene = try Scene(tables: 1)
        let reading = SequenceReading(try PostgresSession(scene.url))
        for id in 1...50 {
            try scene.application.run("create temporary table x (id serial); insert into public.t0 default values; drop table x")
            #expect(try reading.states(taking: TableSelection(), version: 0)?.map(\.lastValue) == [Int64(id)])
        }
    }

    @Test("what twenty sequences cost a look", .timeLimit(.minutes(1)))
    func cost() throws {
        let scene = try Scene(tables: 20)
        let session = try PostgresSession(scene.url)
        let reading = SequenceReading(session)
        #expect(try reading.states(taking: TableSelection(), version: 0)?.count == 20)
        let clock = ContinuousClock()
        func best(_ body: () throws -> Void) rethrows -> Duration {
            try (0..<500).map { _ in try clock.measure { try body() } }.min() ?? .zero
        }
        let roundTrip = try best { try session.run("select 1") }
        let look = try best { _ = try reading.states(taking: TableSelection(), version: 0) }
        #expect(look - roundTrip < .microseconds(200), "\(look) for twenty sequences, \(roundTrip) for an empty statement")
    }
}
