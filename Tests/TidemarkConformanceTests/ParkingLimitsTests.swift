import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// What else touches tables that have parked changes, and what is never set aside.
@Suite("Set aside, and the rest")
struct ParkingLimitsTests {
    /// With one transaction parked.
    private static func parked(_ direction: Direction) async throws -> Flow {
        let flow = try await ParkingTests.flow(direction)
        try flow.source.run("insert into account values (4, 'a', 4)")
        try await flow.follow()
        #expect(try Parking(flow.definition).list().count == 1)
        return flow
    }

    @Test("rows are not repaired, merged or rewound under parked changes", arguments: Direction.all)
    func refused(direction: Direction) async throws {
        let flow = try await Self.parked(direction)
        let repair = await ParkingTests.failure { _ = try await VerifyTests.verify(flow, repair: .apply) }
        #expect(repair?.remedy.contains("tidemark parked skip") == true, "\(repair as Any)")
        let account = flow.name("account")
        let merge = await ParkingTests.failure {
            _ = try await flow.pipeline(flow.definition).copy(CopyRequest(tables: [account], existing: .merge))
        }
        #expect(merge?.remedy.contains("tidemark parked skip") == true, "\(merge as Any)")
        var part = CopyRequest(tables: [account], existing: .merge)
        part.condition = "id > 0"
        let rows = part
        let partial = await ParkingTests.failure { _ = try await flow.pipeline(flow.definition).copy(rows) }
        #expect(partial?.remedy.contains("tidemark parked skip") == true, "\(partial as Any)")
        let rewind = await ParkingTests.failure { _ = try await flow.definition.rewind().run(to: .change(1), by: "tester") }
        #expect(rewind?.remedy.contains("tidemark parked list") == true, "\(rewind as Any)")
        // A look changes nothing.
        #expect(try await VerifyTests.verify(flow).contains { !$0.isEqual })
        #expect(try Parking(flow.definition).list().count == 1)
    }

    @Test("a copy brings a table's rows anew, and what was parked of it is over", arguments: Direction.all)
    func copiedAnew(direction: Direction) async throws {
        let flow = try await Self.parked(direction)
        try ParkingTests.mend(flow)
        _ = try await flow.pipeline(flow.definition).copy(CopyRequest(tables: [flow.name("account")], existing: .empty))
        #expect(try Parking(flow.definition).list().isEmpty)
        #expect(try Parking(flow.definition).audit(limit: 1).first?.detail == "the table was copied anew")
        try flow.source.run("update account set balance = 44 where id = 4")
        try await flow.follow()
        try await ParkingTests.expectEqual(flow)
        #expect(try StatusReport(of: flow.definition).notExactTables.isEmpty)
    }

    @Test("roles are not changed while something is parked", arguments: Direction.all)
    func roles(direction: Direction) async throws {
        let flow = try await Self.parked(direction)
        let switchover = Switchover(flow.definition, Switchover.Options(), worker: "tester", log: flow.silent) { _ in }
        #expect(try switchover.check().contains { $0.finding.severity == .problem && $0.finding.what.contains("set aside") })
        let refusal = await ParkingTests.failure { _ = try await switchover.run() }
        #expect(refusal?.remedy.contains("tidemark parked list") == true || refusal?.why.contains("set aside") == true, "\(refusal as Any)")
        let failover = Failover(flow.definition, others: [], Failover.Options(), worker: "tester", log: flow.silent) { _ in }
        let state = try #require(try failover.states().first)
        #expect(state.parkedTransactions == 1 && state.notExact == [flow.name("account")])
    }

    @Test("a pipeline that is to stop stops, and parks nothing", arguments: Direction.all)
    func stops(direction: Direction) async throws {
        var flow = try await ParkingTests.flow(direction)
        flow.definition.failurePolicy = .stop
        try flow.source.run("insert into account values (4, 'a', 4)")
        #expect(await ParkingTests.failure { try await flow.follow() } != nil)
        #expect(try Parking(flow.definition).list().isEmpty)
        #expect(try StatusReport(of: flow.definition).state == .blocked)
    }

    @Test("what is no fault of a change's data stops the pipeline", arguments: Direction.all)
    func notData(direction: Direction) async throws {
        let flow = try await ParkingTests.flow(direction)
        // Rows that capture may not have seen.
        try flow.source.run("alter table account add column more integer; update account set balance = 7 where id = 1")
        #expect(await ParkingTests.failure { try await flow.follow() } != nil)
        #expect(try Parking(flow.definition).list().isEmpty)
    }

    @Test("many transactions that one table refuses: all of the table waits, and the others flow", arguments: Direction.all)
    func manyFaults(direction: Direction) async throws {
        let flow = try await ParkingTests.flow(direction)
        for id in 10..<40 { 
            try flow.source.run("insert into account values (\(id), 'a', \(id))")
            try flow.source.run("insert into note values ('n\(id)')")
        }
        try await flow.follow()
        let parked = try Parking(flow.definition).list()
        #expect(parked.count <= 21 && parked.reduce(0) { $0 + $1.changes } >= 30)
        #expect(try flow.target.rows("account", ["id"]).count == 3 && flow.target.rows("note", ["body"]).count == 30)
        try ParkingTests.mend(flow)
        _ = try Parking(flow.definition).retryAll(by: "tester")
        try await flow.follow()
        try await ParkingTests.expectEqual(flow)
    }

    @Test("a pipeline that is to try again goes on by itself once it is mended", .ownThreads, arguments: Direction.all)
    func triesAgain(direction: Direction) async throws {
        var flow = try await ParkingTests.flow(direction)
        flow.definition.failurePolicy = .retry
        let (definition, silent) = (flow.definition, flow.silent)
        let run = try PipelineRun(definition, CopyTests.settings(worker: "worker"), log: silent)
        try await running({ try await run.forEver() }, until: run.stop) {
            try flow.source.run("insert into account values (4, 'a', 4)")
            try await ParkingTests.until { try StatusReport(of: definition).state == .blocked }
            try ParkingTests.mend(flow)
            try await ParkingTests.until { try flow.target.rows("account", ["id"]).contains("4") }
        }
        try await ParkingTests.expectEqual(flow)
        #expect(RetryWait.afterFailures(1) == .seconds(1) && RetryWait.afterFailures(30) <= .seconds(300) && RetryWait.afterFailures(30) >= .seconds(150))
    }
}
