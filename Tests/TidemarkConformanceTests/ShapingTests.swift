import Synchronization
import Testing
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@testable import TidemarkApp

/// Tables that are filtered, masked and renamed on their way.
@Suite("Shaping", .ownThreads)
struct ShapingTests {
    static let schema = """
        create table customer (id integer primary key, region text, email text, notes text, secret text);
        create table visit (region text, at integer)
        """
    private static let targetSchema = """
        create table client (number integer primary key, region text, mail text, notes_length integer);
        create table visit (region text, at integer)
        """
    /// SQL of every engine.
    private static let expected = "(select id as number, region, substr(email, 1, 1) || '***' as mail, length(notes) as notes_length from customer where region = 'EU') c"
    private static let columns = ["number", "region", "mail", "notes_length"]

    static var rules: TableRules {
        var customer = TableShaping()
        customer.filter = "region = 'EU'"
        customer.omitted = ["secret", "notes"]
        customer.expressions = [.init(column: "email", sql: "substr(email, 1, 1) || '***'"), .init(column: "notes_length", sql: "cast(length(notes) as integer)")]
        customer.renamedColumns = ["id": "number", "email": "mail"]
        customer.target = "client"
        var visit = TableShaping()
        visit.filter = "region = 'EU'"
        return TableRules([TableRule(TablePattern("customer"), shaping: customer), TableRule(TablePattern("visit"), shaping: visit)])
    }

    private static func flow(_ direction: Direction, target: String = targetSchema) throws -> Flow {
        var flow = try Flow(direction, schema, targetSchema: target)
        flow.definition.rules = rules
        try flow.source.run(
            """
            insert into customer with recursive n(i) as (select 1 union all select i + 1 from n where i < 60)
            select i, case when i % 2 = 0 then 'EU' when i % 3 = 0 then 'US' end, 'mail' || i || '@secret', 'note' || i, 'secret' || i from n;
            insert into visit select region, 1 from customer
            """)
        return flow
    }

    private static func transaction(_ random: inout SeededRandom) -> String {
        let id = Int.random(in: 1...80, using: &random)
        let region = ["'EU'", "'US'", "null"].randomElement(using: &random) ?? "null"
        let statements = (0..<Int.random(in: 1...4, using: &random)).map { _ in
            switch Int.random(in: 0..<12, using: &random) {
            case 0, 1, 2: "update customer set region = \(region) where id between \(id) and \(id) + 5"
            case 3: "update customer set email = 'x\(id)@secret', secret = 'secret\(id)' where id = \(id)"
            case 4: "delete from customer where id = \(id)"
            case 5: "update customer set id = id + 100, region = \(region) where id = \(id) and not exists (select 1 from customer c where c.id = \(id) + 100)"
            case 6: "insert into visit values (\(region), \(id))"
            case 7: "update visit set region = \(region) where at = \(id)"
            case 8: "delete from visit where at = \(id)"
            case 9: "update visit set at = at + 1 where at < 5"
            default: "insert into customer values (\(id), \(region), 'new\(id)@secret', 'n', 'secret') on conflict (id) do update set region = \(region)"
            }
        }
        return "begin; \(statements.joined(separator: "; ")); \(Int.random(in: 0..<8, using: &random) == 0 ? "rollback" : "commit")"
    }

    private static func expectShaped(_ flow: Flow, _ note: Comment = "") throws {
        #expect(try flow.target.rows("client", columns) == flow.source.rows(expected, columns), note)
        #expect(try flow.target.rows("visit", ["region", "at"]) == flow.source.rows("(select * from visit where region = 'EU') v", ["region", "at"]), note)
    }

    private static func expectVerified(_ flow: Flow) async throws {
        let verdicts = try await VerifyTests.verify(flow)
        #expect(verdicts.count == 2 && !verdicts.contains { !$0.isEqual }, "\(verdicts.map(\.listed))")
    }

    @Test("rows cross the border both ways; at every window's end the target is the source, shaped", arguments: Direction.shaping, [1, 2, 3] as [UInt64])
    func borders(direction: Direction, seed: UInt64) async throws {
        let flow = try Self.flow(direction)
        try flow.setUp()
        try await flow.follow(.empty)
        try Self.expectShaped(flow, "copied")
        var random = SeededRandom(seed: seed)
        for round in 0..<25 {
            for _ in 0..<Int.random(in: 1...6, using: &random) { try flow.source.run(Self.transaction(&random)) }
            if round == 12 { try flow.source.run("delete from customer; delete from visit") }
            try await flow.follow()
            try Self.expectShaped(flow, "seed \(seed), round \(round)")
        }
        try await Self.expectVerified(flow)
    }

    @Test("beside a worker that is stopped and started, and beside comparisons", arguments: Direction.shaping)
    func underLoad(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        try flow.setUp()
        try await flow.follow(.empty)
        try await WriteLoad.during(on: flow.source, seed: 5, Self.transaction) {
            for _ in 0..<3 { try await flow.besideWorker { try await Self.expectVerified(flow) } }
        }
        try await flow.follow()
        try Self.expectShaped(flow)
        try await Self.expectVerified(flow)
    }

    @Test("what is masked or left out never leaves the source, in changes and in rows", arguments: Direction.shaping)
    func masked(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        try flow.setUp()
        try await flow.follow(.empty)
        let start = try #require(try flow.definition.openTargetAdministration().cursor(of: "main")).cursor
        try flow.source.run("insert into customer values (500, 'EU', 'mail500@secret', 'n', 'secret500'); update customer set region = 'US' where id = 2")
        let connections = try Connections(flow.definition)
        let source = try connections.source()
        let tables = try source.capturedTables()
        var texts: [String] = []
        for window in try source.windows(after: start, taking: TakenTables(TableSelection()), upTo: nil) {
            try source.read(window, captures: tables.map(\.capture)) { texts.append(String(decoding: $0.bytes, as: UTF8.self)) }
        }
        #expect(texts.contains { $0.contains("***") } && texts.contains { $0.contains("500") })
        let rows = try connections.rowSource()
        let position = try rows.hold([flow.name("customer")])
        let customer = try #require(position.tables.first { $0.name == flow.name("customer") && !$0.isRetired })
        #expect(customer.targetName?.name == "client" && customer.columns.map(\.name) == Self.columns && customer.keyColumns == ["number"])
        var found = 0
        try rows.read(TablePart(customer), as: .changes) { page in
            guard case .changes(let changes) = page else { return }
            found += changes.changes.count
            texts.append(String(decoding: changes.bytes, as: UTF8.self))
        }
        rows.release()
        let expected = try flow.source.rows(Self.expected, ["number"]).count
        #expect(found > 0 && found == expected)
        #expect(!texts.contains { $0.contains("secret") || $0.contains("note") && !$0.contains("notes_length") || $0.contains("US") })
        try await flow.follow()
        let arrived = try flow.target.rows("client", Self.columns)
        #expect(!arrived.contains { $0.contains("secret") })
        try Self.expectShaped(flow)
    }

    @Test("setup makes the tables that are left, and refuses rules that are none", arguments: Direction.shaping)
    func created(direction: Direction) async throws {
        var flow = try Self.flow(direction, target: "create table other (a integer)")
        let good = flow.definition.rules
        func refused(_ change: (inout TableShaping) -> Void, _ why: String) throws {
            flow.definition.rules = good
            change(&flow.definition.rules.rules[0].shaping)
            let failure = #expect(throws: TidemarkError.self) { try Installation(flow.definition).setUp(creating: true) }
            #expect(failure?.why.contains(why) == true, "\(String(describing: failure))")
            #expect(try Installation(flow.definition).check().contains { $0.finding.severity == .problem && $0.finding.what.contains(why) })
        }
        try refused({ $0.filter = "id in (select at from visit)" }, "where:")
        try refused({ $0.filter = "region = 'EU') or (1 = 1" }, "where:")
        try refused({ $0.filter = "no_such_column > 1" }, "no_such_column")
        try refused({ $0.expressions = [.init(column: "email", sql: "random()")] }, "set: email:")
        try refused({ $0.expressions = [.init(column: "id", sql: "id + 1")] }, "column of the key")
        try refused({ $0.omitted = ["scret"] }, "scret")
        try refused({ $0.renamedColumns = ["email": "region"] }, "two columns called region")
        flow.definition.rules = good
        let plan = try Installation(flow.definition).planSetUp(creating: true)
        #expect(plan.contains { $0.statement.sql.contains("shaped on its way") && $0.statement.sql.contains("where: region = 'EU'") })
        _ = try Installation(flow.definition).setUp(creating: true)
        #expect(try Installation(flow.definition).check().allSatisfy { $0.finding.severity != .problem })
        try await flow.follow(.refuse)
        try Self.expectShaped(flow)
        try await Self.expectVerified(flow)
    }

    @Test("another shape than the copy's stops the pipeline, until the table is copied as it is now", arguments: Direction.shaping)
    func changed(direction: Direction) async throws {
        var flow = try Self.flow(direction)
        try flow.setUp()
        try await flow.follow(.empty)
        flow.definition.rules.rules[1].shaping.filter = "region = 'US'"
        try flow.source.run("insert into visit values ('US', 7), ('EU', 7)")
        for rules in [flow.definition.rules, TableRules()] {
            flow.definition.rules = rules
            let current = flow
            let failure = await #expect(throws: TidemarkError.self) { try await current.follow() }
            #expect(failure?.what.contains("shaped otherwise") == true && failure?.remedy.contains("tidemark copy --table") == true, "\(String(describing: failure))")
        }
        flow.definition.rules = Self.rules
        flow.definition.rules.rules[1].shaping.filter = "region = 'US'"
        _ = try await flow.pipeline(flow.definition, CopyTests.settings(worker: "copy")).copy(CopyRequest(tables: [flow.name("visit")], existing: .empty))
        try await flow.follow()
        #expect(try flow.target.rows("visit", ["region", "at"]) == flow.source.rows("(select * from visit where region = 'US') v", ["region", "at"]))
        try await Self.expectVerified(flow)
        let table = try #require(try StatusReport(of: flow.definition).tables.first { $0.table == flow.name("customer").description })
        #expect(table.targetTable?.hasSuffix("client") == true && table.shape?.contains("where: region = 'EU'") == true)
    }

    @Test("a target that lacks something is no replica: no role, no switchover, no failover, no drill, no rewind", arguments: Direction.shaping)
    func refusedRoles(direction: Direction) async throws {
        var flow = try Self.flow(direction)
        flow.definition.role = .replica
        let failure = #expect(throws: TidemarkError.self) { try flow.setUp() }
        #expect(failure?.why.contains("lacks rows, columns or values") == true)
        flow.definition.role = nil
        try flow.setUp()
        try await flow.follow(.empty)
        let log = flow.silent
        // Also where the rules are not at hand: the copies know.
        for rules in [flow.definition.rules, TableRules()] {
            flow.definition.rules = rules
            let definition = flow.definition
            let switchover = Switchover(definition, .init(), worker: "tester", log: log) { _ in }
            await #expect(throws: TidemarkError.self) { try await switchover.run() }
            let failover = Failover(definition, others: [], .init(), worker: "tester", log: log) { _ in }
            #expect(throws: TidemarkError.self) { try failover.promote() }
            // Before a person is asked.
            #expect(throws: TidemarkError.self) { try failover.states() }
            #expect(throws: TidemarkError.self) { try definition.rewind() }
        }
    }

    @Test("copy --where is about the source's columns, and a row outside of the filter stays outside", arguments: Direction.shaping)
    func conditions(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        try flow.setUp()
        try await flow.follow(.empty)
        try flow.target.run("delete from client")
        var request = CopyRequest(tables: [flow.name("customer")], existing: .merge)
        request.condition = "secret like 'secret1%' and id < 15"
        _ = try await flow.pipeline(flow.definition, CopyTests.settings(worker: "copy")).copy(request)
        #expect(try flow.target.rows("client", ["number"]) == ["10", "12", "14"])
        let verdicts = try await VerifyTests.verify(flow, repair: .apply)
        #expect(verdicts.contains { $0.proof.differences > 0 })
        try Self.expectShaped(flow)
    }
}

extension Direction {
    /// From engines that shape what they are read for.
    static let shaping = Direction.all
}
