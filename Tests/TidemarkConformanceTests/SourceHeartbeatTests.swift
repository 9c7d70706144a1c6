import Logging
import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// Rows that are written to a source to see how long a change takes.
@Suite("Heartbeats of the source")
struct SourceHeartbeatTests {
    private func source(_ flow: Flow) throws -> any SourceAdministration {
        try Engines.accepting(flow.source.address, of: "source").sourceAdministration(flow.source.address)
    }

    @Test("a source where nothing happens is moved over all the same, and its target stays as it is", arguments: Direction.all)
    func idle(direction: Direction) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1), (2, 'b', 1)")
        let before = try await flow.follow()
        let mark = try #require(try source(flow).writeHeartbeat())
        #expect(!mark.isSeen(by: before.snapshot))
        let waiting = try StatusReport(of: flow.definition)
        #expect(waiting.pendingChanges == 0 && waiting.state == .current && waiting.problem == nil)
        let pipeline = try flow.pipeline(flow.definition)
        let after = try await pipeline.runOnce()
        #expect(mark.isSeen(by: after.snapshot))
        #expect(before.snapshot.isContained(in: after.snapshot) && after.snapshot != before.snapshot)
        let figures = pipeline.figures.reading
        #expect(figures.appliedChanges == 0 && figures.windows == 1 && figures.takeovers == 1)
        #expect(figures.applied == after.snapshot && figures.failures.isEmpty)
        try flow.expectEqual("account", ["id", "owner", "balance"])
        #expect(try StatusReport(of: flow.definition).pendingChanges == 0)
        // Between changes, and in one look with them.
        _ = try source(flow).writeHeartbeat()
        try flow.source.run("update account set balance = 2")
        let last = try #require(try source(flow).writeHeartbeat())
        #expect(try StatusReport(of: flow.definition).pendingChanges == 2)
        #expect(last.isSeen(by: try await flow.follow().snapshot))
        try flow.expectEqual("account", ["id", "owner", "balance"])
    }

    @Test("a worker that follows comes to it by itself", .ownThreads, arguments: Direction.all)
    func following(direction: Direction) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        let pipeline = try flow.pipeline(flow.definition)
        async let running: Void = pipeline.run()
        let administration = try source(flow)
        for _ in 1...3 {
            let mark = try #require(try administration.writeHeartbeat())
            let deadline = ContinuousClock.now + .seconds(60)
            while pipeline.figures.reading.applied.map({ mark.isSeen(by: $0) }) != true, ContinuousClock.now < deadline {
                try await Task.sleep(for: .milliseconds(2))
            }
            #expect(pipeline.figures.reading.applied.map { mark.isSeen(by: $0) } == true)
        }
        pipeline.stop()
        try await running
    }

    @Test("where there is no log none is written", arguments: ScratchEngine.allCases)
    func notSetUp(engine: ScratchEngine) throws {
        let database = try engine.database("source")
        let administration = try Engines.accepting(database.address, of: "source").sourceAdministration(database.address)
        #expect(try administration.writeHeartbeat() == nil)
    }

    @Test("heartbeats are removed like changes, and leave nothing behind for looks into the past", arguments: ScratchEngine.allCases)
    func removal(engine: ScratchEngine) async throws {
        let flow = try Flow(Direction(source: engine, target: .sqlite), ConformanceTests.account)
        try flow.setUp()
        for _ in 1...50 { _ = try source(flow).writeHeartbeat() }
        try await flow.follow()
        // Another test's transaction on the same server holds removal back for as long as it is open.
        let deadline = ContinuousClock.now + .seconds(120)
        var report: StatusReport
        repeat {
            try await flow.follow()
            report = try StatusReport(of: flow.definition)
        } while report.heldBackBy != nil && ContinuousClock.now < deadline
        #expect(report.heldBackBy == nil && report.pendingChanges == 0)
        // PostgreSQL removes whole segments.
        if engine == .sqlite { #expect(try #require(report.logRows) <= 1) }
    }
}
