import Testing
import TidemarkApp
import TidemarkCore

/// Status reports that a service asks for every few seconds.
@Suite("Connections of status reports")
struct StatusConnectionTests {
    @Test("reports over kept connections say the same, and open none", arguments: Direction.all)
    func kept(direction: Direction) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        try flow.source.run("insert into account values (1, 'a', 1)")
        let connections = StatusConnections(keptFor: .seconds(3600))
        #expect(try StatusReport(of: flow.definition, using: connections).pendingChanges == 1)
        let opened = connections.openings
        #expect(opened == 4)
        try await flow.follow()
        for _ in 1...3 {
            let report = try StatusReport(of: flow.definition, using: connections)
            #expect(report.pendingChanges == 0 && report.state == .current)
            #expect(report.pendingBytes == 0)
        }
        // Another pipeline of the same databases shares them.
        var other = flow.definition
        other.name = "other"
        #expect(try StatusReport(of: other, using: connections).state == .notSetUp)
        #expect(connections.openings == opened)
    }

    @Test("after a failure, and after a while, they are opened anew")
    func failure() throws {
        let flow = try Flow(Direction(source: .postgres, target: .postgres), ConformanceTests.account)
        try flow.setUp()
        let connections = StatusConnections(keptFor: .seconds(3600))
        #expect(try StatusReport(of: flow.definition, using: connections).state != .unreachable)
        try flow.source.run("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        #expect(try StatusReport(of: flow.definition, using: connections).state == .unreachable)
        #expect(try StatusReport(of: flow.definition, using: connections).state != .unreachable)
        #expect(connections.openings == 8)
        let brief = StatusConnections(keptFor: .zero)
        for _ in 1...2 { #expect(try StatusReport(of: flow.definition, using: brief).state != .unreachable) }
        #expect(brief.openings == 8)
    }

    @Test("what waits is told in bytes, and in transactions where the log knows them", arguments: ScratchEngine.allCases)
    func pending(engine: ScratchEngine) throws {
        let flow = try Flow(Direction(source: engine, target: .sqlite), ConformanceTests.account)
        try flow.setUp()
        for id in 1...5 { try flow.source.run("insert into account values (\(id * 2), null, 1), (\(id * 2 + 1), null, 1)") }
        let report = try StatusReport(of: flow.definition)
        #expect(report.pendingChanges == 10)
        #expect(try #require(report.pendingBytes) > 0)
        #expect(try #require(report.pendingBytes) <= #require(report.logBytes))
        #expect(report.pendingTransactions == (engine == .postgres ? 5 : nil))
    }
}
