import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkPostgres
import TidemarkTestSupport

/// Targets that stay behind their source on purpose, or stop just before a place.
@Suite("Stream limits")
struct StreamLimitTests {
    static let schema = "create table account (id integer primary key, balance integer)"
    static let columns = ["id", "balance"]

    static func limited(_ flow: Flow, _ limit: StreamLimit) throws -> Pipeline {
        var settings = Pipeline.Settings(name: "main", worker: "limited")
        settings.existing = .keep
        settings.limit = limit
        return try flow.pipeline(flow.definition, settings)
    }

    /// Applies what the limit allows now.
    @discardableResult
    static func apply(_ flow: Flow, _ limit: StreamLimit) async throws -> LimitedPlace {
        let pipeline = try limited(flow, limit)
        _ = try await pipeline.runOnce()
        return try #require(await pipeline.limitedPlace)
    }

    /// Makes everything that is there older.
    static func age(_ flow: Flow, hours: Int) throws {
        try flow.source.run(
            flow.source is ScratchPostgres
                ? "update tidemark.tick set written_at = written_at - interval '\(hours) hours'"
                : """
                update tidemark_tick set ticked_at = strftime('%Y-%m-%dT%H:%M:%fZ', ticked_at, '-\(hours) hours');
                update data_changes set changed_at = strftime('%Y-%m-%dT%H:%M:%fZ', changed_at, '-\(hours) hours')
                """)
    }

    static func lastID(_ flow: Flow) throws -> Int64 {
        let log = flow.source is ScratchPostgres ? "tidemark.data_changes" : "data_changes"
        return try flow.source.rows(log, ["id"]).compactMap { Int64($0) }.max() ?? 0
    }

    static func tickCount(_ flow: Flow) throws -> Int {
        try flow.source.rows(flow.source is ScratchPostgres ? "tidemark.tick" : "tidemark_tick", ["id"]).count
    }

    static func flow(_ direction: Direction) throws -> Flow {
        let flow = try Flow(direction, schema)
        try flow.setUp()
        return flow
    }

    @Test("a delayed target gets what is old enough, at moments that its own worker marks", arguments: Direction.all)
    func delay(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        let limit = StreamLimit(delaySeconds: 1800)
        for id in 1...4 {
            try flow.source.run("insert into account values (\(id), 0)")
            try await Self.apply(flow, limit)
            #expect(try flow.target.rows("account", ["id"]) == (1..<id).map(String.init), "before it is old enough")
            try Self.age(flow, hours: 1)
        }
        try await Self.apply(flow, limit)
        try flow.expectEqual("account", Self.columns)
        let marks = try Self.tickCount(flow)
        for _ in 0..<3 { try await Self.apply(flow, limit) }
        #expect(try Self.tickCount(flow) <= marks, "without changes there is nothing to mark")
    }

    @Test("ticks of a delayed target go once it has gone by them", arguments: Direction.all)
    func ticksGo(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        for id in 1...20 {
            try flow.source.run("insert into account values (\(id), 0)")
            try await Self.apply(flow, StreamLimit(delaySeconds: 1800))
        }
        #expect(try Self.tickCount(flow) >= 20)
        try Self.age(flow, hours: 1)
        for _ in 0..<2 { try await Self.apply(flow, StreamLimit(delaySeconds: 1800)) }
        try flow.expectEqual("account", Self.columns)
        #expect(try Self.tickCount(flow) <= 4)
    }

    @Test("status says that it is behind on purpose, and does not count that", arguments: Direction.all)
    func status(direction: Direction) async throws {
        var flow = try Self.flow(direction)
        try flow.source.run("insert into account values (1, 0)")
        let log = flow.source is ScratchPostgres ? "tidemark.data_changes" : "data_changes"
        let past = flow.source is ScratchPostgres ? "now() - interval '20 minutes'" : "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-20 minutes')"
        try flow.source.run("update \(log) set changed_at = \(past)")
        #expect(try StatusReport(of: flow.definition).state == .behind)
        flow.definition.delay = StreamDelay(seconds: 1800)
        let report = try StatusReport(of: flow.definition)
        #expect(report.state != .behind && report.delaySeconds == 1800 && report.pendingChanges == 1)
        flow.definition.delay = StreamDelay(seconds: 600)
        #expect(try StatusReport(of: flow.definition).state == .behind)
        #expect(throws: TidemarkError.self) { try flow.definition.refuseIfDelayed("compare tables") }
    }

    @Test("until a time: what was marked up to there, then it is done", arguments: Direction.all)
    func untilTime(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        let source = try Connections(flow.definition).source()
        for id in 1...3 {
            try flow.source.run("insert into account values (\(id), 0)")
            try source.mark()
            try Self.age(flow, hours: 1)
        }
        // Their marks are three, two and one hours old.
        let place = try await Self.apply(flow, StreamLimit(until: .ago(seconds: 5400)))
        #expect(place.isFinal && place.markedAt != nil)
        #expect(try flow.target.rows("account", ["id"]) == ["1", "2"])
        let again = try await Self.apply(flow, StreamLimit(until: place.until))
        #expect(again.isFinal && again.cursor.snapshot == place.cursor.snapshot)
        let late = try await Self.apply(flow, StreamLimit(until: .time(try source.now().earlier(bySeconds: -3600))))
        #expect(!late.isFinal, "that time has not come")
        try flow.expectEqual("account", Self.columns)
        await #expect(throws: TidemarkError.self) { try await Self.apply(flow, StreamLimit(until: .change(3))) }
    }

    @Test("a delay holds back what is before the place, too", arguments: Direction.all)
    func untilDelayed(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        try flow.source.run("insert into account values (1, 0)")
        try await Self.apply(flow, StreamLimit(delaySeconds: 1800))
        let id = try Self.lastID(flow) + 1
        try flow.source.run("delete from account")
        let limit = StreamLimit(delaySeconds: 1800, until: .change(id))
        let early = try await Self.apply(flow, limit)
        #expect(!early.isFinal)
        #expect(try flow.target.rows("account", ["id"]) == [])
        // The mistake is known: the delay is over for what came before it.
        let place = try await Self.apply(flow, StreamLimit(until: .change(id)))
        #expect(place.isFinal)
        #expect(try flow.target.rows("account", ["id"]) == ["1"])
    }

    @Test("a worker waits for a place that is not committed yet, and ends before it", .ownThreads, arguments: Direction.all)
    func waits(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        try flow.source.run("insert into account values (1, 0)")
        let id = try Self.lastID(flow) + 2
        let pipeline = try Self.limited(flow, StreamLimit(until: .change(id)))
        async let running: Void = pipeline.run()
        while try flow.target.rows("account", ["id"]) != ["1"] { try await Task.sleep(for: .milliseconds(5)) }
        try flow.source.run("insert into account values (2, 0)")
        while try flow.target.rows("account", ["id"]) != ["1", "2"] { try await Task.sleep(for: .milliseconds(5)) }
        try flow.source.run("insert into account values (3, 0)")
        try await running
        #expect(try #require(await pipeline.limitedPlace).isFinal)
        #expect(try flow.target.rows("account", ["id"]) == ["1", "2"])
    }

    @Test("a table that is not copied yet is no reason to go beyond the place", arguments: Direction.all)
    func notCopied(direction: Direction) async throws {
        let flow = try Flow(direction, Self.schema)
        try flow.source.run("insert into account values (1, 0)")
        try flow.setUp()
        var settings = Pipeline.Settings(name: "main", worker: "limited")
        settings.limit = StreamLimit(until: .change(1))
        let pipeline = try flow.pipeline(flow.definition, settings)
        await #expect(throws: TidemarkError.self) { try await pipeline.runOnce() }
        #expect(try flow.target.rows("account", ["id"]) == [])
    }

    /// Transactions that are open at a time, each with a row of its own.
    private struct Writers {
        let flow: Flow
        var open: [(PostgresSession, Int)] = []
        var next = 1

        mutating func step(_ random: inout SeededRandom) throws {
            guard let source = flow.source as? ScratchPostgres else {
                let rows = (0..<Int.random(in: 1...3, using: &random)).map { "(\(next + $0), 0)" }
                next += rows.count
                return try flow.source.run("insert into account values \(rows.joined(separator: ","))")
            }
            if open.count < 4, Bool.random(using: &random) {
                let session = try PostgresSession(source.address)
                try session.run("begin")
                open.append((session, 0))
            }
            guard let place = open.indices.randomElement(using: &random) else { return }
            if open[place].1 < 3, Int.random(in: 0..<3, using: &random) > 0 {
                try open[place].0.run("insert into public.account values (\(next), 0)")
                (next, open[place].1) = (next + 1, open[place].1 + 1)
            } else {
                try open[place].0.run(Int.random(in: 0..<6, using: &random) == 0 ? "rollback" : "commit")
                open.remove(at: place)
            }
        }
    }

    @Test(
        "until any change: the last moment at which no transaction with that id or a higher one had committed",
        arguments: Direction.all, [1, 2, 3, 4] as [UInt64])
    func untilChange(direction: Direction, seed: UInt64) async throws {
        let flow = try Self.flow(direction)
        let source = try Connections(flow.definition).source()
        var random = SeededRandom(seed: seed)
        var writers = Writers(flow: flow)
        var states: [(highestID: Int64, rows: [String])] = [(0, [])]
        for _ in 0..<120 {
            try writers.step(&random)
            guard Int.random(in: 0..<3, using: &random) == 0 else { continue }
            try source.mark()
            states.append((try Self.lastID(flow), try flow.source.rows("account", Self.columns)))
        }
        for (session, _) in writers.open { try session.run("commit") }
        try source.mark()
        let last = try Self.lastID(flow)
        states.append((last, try flow.source.rows("account", Self.columns)))
        let chosen = Set((0..<12).map { _ in Int64.random(in: 1...last, using: &random) }).sorted()
        for id in chosen {
            let place = try await Self.apply(flow, StreamLimit(until: .change(id)))
            let expected = try #require(states.last { $0.highestID < id })
            #expect(place.isFinal, "seed \(seed), change \(id)")
            #expect(try flow.target.rows("account", Self.columns) == expected.rows, "seed \(seed), change \(id)")
        }
        let place = try await Self.apply(flow, StreamLimit(until: .change(last + 1)))
        #expect(!place.isFinal)
        try flow.expectEqual("account", Self.columns)
    }
}
