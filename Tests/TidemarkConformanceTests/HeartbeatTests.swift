import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// What a target knows of its source, for whoever has to promote it without asking the source.
@Suite("Heartbeat")
struct HeartbeatTests {
    private func stored(_ flow: Flow) throws -> StoredCursor {
        try #require(
            try Engines.accepting(flow.target.address, of: "target").targetAdministration(flow.target.address).cursor(of: "main"))
    }

    @Test("each window notes when it was taken, and what the source had drawn then", arguments: Direction.all)
    func windows(direction: Direction) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        #expect(try stored(flow).heartbeat == SourceHeartbeat(appliedAt: nil, seenID: nil, seenAt: nil))
        try flow.source.run("insert into account values (1, 'a', 1), (2, 'b', 1)")
        let reached = try await flow.follow()
        let first = try #require(try stored(flow).heartbeat)
        #expect(first.seenID == reached.lastID && first.appliedAt != nil && first.appliedAt == first.seenAt)
        try flow.source.run("insert into account values (3, 'c', 1)")
        try await flow.follow()
        let second = try #require(try stored(flow).heartbeat)
        #expect(try #require(second.seenID) > #require(first.seenID))
        #expect(try #require(second.appliedAt) > #require(first.appliedAt))
    }

    @Test("an idle replica goes on learning that nothing happens; an idle feed is not written to", .ownThreads, arguments: Direction.all, [true, false])
    func idle(direction: Direction, isReplica: Bool) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        try await flow.follow()
        let before = try stored(flow)
        let roles = try Engines.accepting(flow.target.address, of: "target").roleAdministration(flow.target.address, side: "target")
        if isReplica { try roles.note(Standing(.replica, epoch: 1, cause: .setup), of: "main") }
        var settings = Pipeline.Settings(name: "main", worker: "conformance")
        (settings.existing, settings.idleLooksMs, settings.heartbeatEveryMs) = (.keep, 10, 0)
        let counted = SightCount()
        var connections = try Connections(flow.definition)
        let openSource = connections.source
        connections.source = { CountedSource(try openSource(), counted) }
        let pipeline = Pipeline(settings, connections, expecting: nil, log: flow.silent)
        async let running: Void = pipeline.run()
        let deadline = ContinuousClock.now + .seconds(60)
        // A heartbeat is noted before the next is taken.
        while counted.sights < 4, ContinuousClock.now < deadline { try await Task.sleep(for: .milliseconds(5)) }
        pipeline.stop()
        try await running
        let after = try stored(flow)
        #expect(counted.sights >= 4)
        #expect(after.cursor.snapshot == before.cursor.snapshot && after.appliedAt == before.appliedAt)
        #expect(after.heartbeat?.appliedAt == before.heartbeat?.appliedAt && after.heartbeat?.seenID == before.heartbeat?.seenID)
        #expect((after.heartbeat?.seenAt != before.heartbeat?.seenAt) == isReplica)
    }
}
