import Logging
import Testing
import TidemarkCore
import TidemarkPipeline

@testable import TidemarkApp

/// Two databases of which one is read now and then.
struct PolledScene {
    var flow: Flow
    static let worker = "polled"

    /// What the second engine calls a moment, and how it writes one.
    static func timestamp(_ engine: ScratchEngine) -> String { engine == .postgres ? "timestamptz" : "text" }

    static func schema(_ engine: ScratchEngine) -> String {
        """
        create table account (id integer primary key, owner varchar(40) unique, version bigint, changed \(timestamp(engine)));
        create table note (body varchar(40), place integer);
        """
    }

    static let accountColumns = ["id", "owner", "version"]

    init(_ direction: Direction, _ rules: [String: PolledReading], schema: (ScratchEngine) -> String = Self.schema) throws {
        flow = try Flow(direction, schema(direction.source), targetSchema: schema(direction.target))
        tell(rules)
    }

    /// As a file has it: each table is an item.
    mutating func tell(_ rules: [String: PolledReading?]) {
        let items = rules.sorted { $0.key < $1.key }
        flow.definition.include = items.map { TablePattern("*" + $0.key) }
        flow.definition.rules = TableRules(items.map { TableRule(TablePattern("*" + $0.key), polled: $0.value) })
    }

    static func reading(_ mode: SyncMode, by columns: [String] = ["version"], batch: Int = 7, onError: SyncErrorStrategy = .stop, _ change: (inout IncrementalReading) -> Void = { _ in }) -> PolledReading {
        var reading = PolledReading(mode)
        (reading.batchRows, reading.onError) = (batch, onError)
        guard mode == .incremental else { return reading }
        var incremental = IncrementalReading(columns: columns)
        change(&incremental)
        reading.incremental = incremental
        return reading
    }

    func tables(as standing: PolledTables.Standing = .worker, worker: String = Self.worker) throws -> PolledTables {
        try PolledTables(flow.definition, worker: worker, as: standing, log: flow.silent)
    }

    @discardableResult
    func pass(_ table: String? = nil, anew: Bool = false, as standing: PolledTables.Standing = .worker) async throws -> [PolledTables.Outcome] {
        let outcomes = try await tables(as: standing).runOnce(table.map { [flow.name($0)] }, anew: anew)
        for outcome in outcomes { #expect(outcome.failure == nil, "\(outcome.failure.map { "\($0)" } ?? "")") }
        return outcomes
    }

    func insert(_ ids: ClosedRange<Int>) throws {
        try flow.source.run(
            "insert into account with recursive n(i) as (select \(ids.lowerBound) union all select i + 1 from n where i < \(ids.upperBound))"
                + " select i, 'owner ' || i, i, '2026-01-01T00:00:00Z' from n")
    }

    func expectEqual(_ note: Comment = "") throws { try flow.expectEqual("account", Self.accountColumns, note) }

    func unit(_ table: String = "account") throws -> SyncUnit? {
        try flow.definition.openPolledTarget().units().first { $0.table == flow.name(table) }
    }

    var status: StatusReport { get throws { try StatusReport(of: flow.definition) } }
}
