import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// An operator holds a pipeline, and lets it go on.
@Suite("Pause and resume")
struct PauseTests {
    private static func until(_ isSo: () throws -> Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(60)
        while try !isSo() {
            guard ContinuousClock.now < deadline else {
                Issue.record("it did not come about")
                throw CancellationError()
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    @Test("a worker that runs waits while its pipeline is paused, and goes on by itself", .ownThreads, arguments: Direction.all)
    func running(direction: Direction) async throws {
        let flow = try StreamLimitTests.flow(direction)
        try await flow.besideWorker {
            for round in 1...2 {
                try flow.source.run("insert into account values (\(round), 0)")
                try await Self.until { try flow.target.rows("account", ["id"]).count == round }
            }
            // Once with nothing to do, once with a change to find it out by.
            for round in 3...4 {
                _ = try Pause(flow.definition).pause(by: "operator")
                if round == 4 { try flow.source.run("insert into account values (4, 0)") }
                let report = try StatusReport(of: flow.definition)
                #expect(report.state == .paused && report.pausedBy == "operator" && report.pausedAt != nil)
                do {
                    try await flow.follow()
                    Issue.record("run --once went on")
                } catch let failure as TidemarkError {
                    #expect(failure.remedy.contains("tidemark resume"), "\(failure)")
                }
                #expect(try flow.target.rows("account", ["id"]).count == round - 1)
                #expect(try Pause(flow.definition).resume())
                if round == 3 { try flow.source.run("insert into account values (3, 0)") }
                try await Self.until { try flow.target.rows("account", ["id"]).count == round }
            }
        }
        #expect(try !Pause(flow.definition).resume(), "it was not paused")
        #expect(try StatusReport(of: flow.definition).state == .current)
    }

    @Test("a worker that is started while it is paused waits as well", .ownThreads, arguments: Direction.all)
    func started(direction: Direction) async throws {
        let flow = try StreamLimitTests.flow(direction)
        _ = try Pause(flow.definition).pause(by: "operator")
        try flow.source.run("insert into account values (1, 0)")
        try await flow.besideWorker {
            #expect(try StatusReport(of: flow.definition).state == .paused)
            #expect(try Pause(flow.definition).resume())
            try await Self.until { try flow.target.rows("account", ["id"]) == ["1"] }
        }
    }

    @Test("copy and verify are refused meanwhile", arguments: Direction.all)
    func refused(direction: Direction) async throws {
        let flow = try StreamLimitTests.flow(direction)
        try flow.source.run("insert into account values (1, 0)")
        try await flow.follow()
        _ = try Pause(flow.definition).pause(by: "operator")
        for repair in [VerifyRequest.Repair.none, .apply] {
            var request = VerifyRequest(startedAt: "2026-01-01T00:00:00Z")
            request.repair = repair
            let pipeline = try flow.pipeline(flow.definition)
            do {
                try await pipeline.verify(request, lag: { (0, 0) }, report: { _ in })
                Issue.record("it was verified")
            } catch let failure as TidemarkError {
                #expect(failure.why.contains("paused by operator") && failure.remedy.contains("tidemark resume"), "\(failure)")
            }
        }
    }

    @Test("run --until goes to its place through a pause, and leaves it there", arguments: Direction.all)
    func until(direction: Direction) async throws {
        let flow = try StreamLimitTests.flow(direction)
        let source = try Connections(flow.definition).source()
        try flow.source.run("insert into account values (1, 0)")
        try source.mark()
        _ = try Pause(flow.definition).pause(by: "operator")
        let id = try StreamLimitTests.lastID(flow) + 1
        try flow.source.run("delete from account")
        var settings = Pipeline.Settings(name: "main", worker: try #require(try Pause(flow.definition).holder()))
        settings.existing = .keep
        settings.limit = StreamLimit(until: .change(id))
        _ = try await flow.pipeline(flow.definition, settings).runOnce()
        #expect(try flow.target.rows("account", ["id"]) == ["1"])
        #expect(try Pause(flow.definition).holder() == "operator")
        await #expect(throws: TidemarkError.self) { try await flow.follow() }
        #expect(try flow.target.rows("account", ["id"]) == ["1"])
    }
}
