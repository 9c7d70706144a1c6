import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What every pipeline has applied stays in the log for as long as one of them asked for.
@Suite("Retention of the log")
struct RetentionTests {
    private static func rows(_ scene: LimitScene) throws -> [Int] {
        try (0...3).map { try scene.count("tidemark.data_changes_\($0)") }
    }

    /// Writes a row into each of the first segments, and applies it.
    private static func write(_ scene: inout LimitScene, segments: ClosedRange<Int>, rows: Int = 1) throws {
        for segment in segments {
            try scene.session.query(
                "select setval('tidemark.data_changes_id_seq', greatest(last_value, $1)) from tidemark.data_changes_id_seq",
                [.text(String(segment << 18))])
            try scene.session.run("insert into public.t (v) select '\(segment)' from generate_series(1, \(rows))")
            try scene.follow("main")
        }
    }

    /// Lets time pass for everything that is in the source.
    private static func age(_ scene: LimitScene, hours: Int) throws {
        try scene.session.run(
            """
            update tidemark.tick set written_at = written_at - interval '\(hours) hours';
            update tidemark.data_changes set changed_at = changed_at - interval '\(hours) hours'
            """)
    }

    @Test("--retain 24h: what was applied stays for a day, with the ticks to read it by, and goes then")
    func byTime() throws {
        var scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.setup("main", LogLimitRequest(maxBytes: 0), retention: .seconds(86400))
        try Self.write(&scene, segments: 0...1)
        let old = try #require(scene.cursors["main"])
        try Self.write(&scene, segments: 2...3)
        #expect(try Self.rows(scene) == [1, 1, 1, 1])
        // A target that is put back by some hours is brought up to date again.
        let source = try PostgresSource(scene.url)
        _ = try source.selection(of: "main")
        #expect(try source.windows(after: old, taking: TakenTables(TableSelection())).isEmpty == false)
        try Self.age(scene, hours: 23)
        try Self.write(&scene, segments: 3...3)
        #expect(try Self.rows(scene) == [1, 1, 1, 2])
        try Self.age(scene, hours: 2)
        try Self.write(&scene, segments: 3...3)
        // Writers have just left the third.
        #expect(try Self.rows(scene) == [0, 0, 1, 3])
        // And then it is refused.
        let late = try PostgresSource(scene.url)
        _ = try late.selection(of: "main")
        #expect(throws: TidemarkError.self) { try late.windows(after: old, taking: TakenTables(TableSelection())) }
    }

    @Test("--retain 1MB: the youngest so many bytes stay, and what lies behind them goes")
    func bySize() throws {
        var scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.setup("main", LogLimitRequest(maxBytes: 0), retention: .bytes(5 << 20))
        // About 1.5 MB each.
        try Self.write(&scene, segments: 0...3, rows: 10_000)
        #expect(try Self.rows(scene) == [10_000, 10_000, 10_000, 10_000])
        try scene.setup("main", retention: .bytes(1 << 20))
        try Self.write(&scene, segments: 3...3)
        try Self.write(&scene, segments: 3...3)
        #expect(try Self.rows(scene)[0] == 0)
        #expect(try Self.rows(scene)[3] > 10_000)
    }

    @Test("--retain 0, and a pipeline that is given up or torn down, keep nothing on purpose")
    func none() throws {
        var scene = try LimitScene(policy: .warn, pipelines: ["main"])
        try scene.setup("main", LogLimitRequest(maxBytes: 0), retention: .seconds(86400))
        try Self.write(&scene, segments: 0...3)
        #expect(try scene.count("tidemark.retained") == 1)
        try scene.setup("main", retention: .none)
        try Self.write(&scene, segments: 3...3)
        #expect(try scene.count("tidemark.retained") == 0)
        #expect(try Self.rows(scene)[0] == 0)
    }

    @Test("from four fifths of the cap on nothing is kept on purpose, before a pipeline is given up or capture stops")
    func givesWay() throws {
        var scene = try LimitScene(policy: .stop, pipelines: ["main"])
        try scene.setup("main", LogLimitRequest(maxBytes: 10 << 20), retention: .seconds(86400))
        try Self.write(&scene, segments: 0...3, rows: 10_000)
        #expect(try Self.rows(scene)[0] == 10_000)
        let bytes = try scene.standing().bytes
        try scene.setup("main", LogLimitRequest(maxBytes: bytes * 11 / 10), retention: .seconds(86400))
        try Self.write(&scene, segments: 3...3)
        #expect(try Self.rows(scene)[0] == 0)
        #expect(try scene.standing().stop == nil)
    }

    @Test("A2: a target that was put back behind what it had confirmed is refused, though its witness is there")
    func behindConfirmed() throws {
        var scene = try LimitScene(policy: .warn, pipelines: ["main"])
        let start = try #require(scene.cursors["main"])
        try Self.write(&scene, segments: 0...0)
        // As if it had been taken in the middle of the windows that this tick witnesses.
        var old = try #require(scene.cursors["main"])
        old.snapshot = start.snapshot
        let source = try PostgresSource(scene.url)
        _ = try source.selection(of: "main")
        let error = #expect(throws: TidemarkError.self) { try source.windows(after: old, taking: TakenTables(TableSelection())) }
        #expect(error?.what == "the source is not the one that the target follows")
        let confirmed = "select snapshot from tidemark.pipeline where name = 'main'"
        let before = try scene.session.query(confirmed)[0, 0]
        try source.confirm(old, of: "main")
        #expect(try scene.session.query(confirmed)[0, 0] == before)
    }
}
