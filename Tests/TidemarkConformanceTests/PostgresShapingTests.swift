import Testing
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@testable import TidemarkApp

/// Schemas, sequences, foreign keys, partitions and types of shaped tables, from PostgreSQL to PostgreSQL.
@Suite("Shaping in PostgreSQL", .ownThreads)
struct PostgresShapingTests {
    private static func flow(_ schema: String, target: String, _ rules: TableRules) throws -> Flow {
        var flow = try Flow(Direction(source: .postgres, target: .postgres), schema, targetSchema: target)
        flow.definition.rules = rules
        return flow
    }

    @Test("a schema of another name: tables, indexes and foreign keys are made there, and rows follow")
    func renamedSchema() async throws {
        let flow = try Self.flow(
            """
            create schema shop; create type shop.mood as enum ('ok', 'sad');
            create table shop.parent (id int primary key, m shop.mood, t text unique); create table shop.child (id int primary key, p int references shop.parent on delete cascade, v text);
            create index on shop.child (v); create table shop.part (id int, at int, primary key (id, at)) partition by range (at);
            create table shop.part_1 partition of shop.part for values from (0) to (10); create table elsewhere (id int primary key references shop.parent)
            """, target: "select 1", TableRules([], schemas: ["shop": "store"]))
        try flow.source.run("insert into shop.parent values (1, 'ok', 'a'), (2, 'sad', 'b'); insert into shop.child values (1, 1, 'x'); insert into shop.part values (1, 1); insert into elsewhere values (2)")
        _ = try Installation(flow.definition).setUp(creating: true)
        try await flow.follow(.refuse)
        try flow.source.run("insert into shop.child values (2, 2, 'y'); update shop.parent set m = 'sad' where id = 1; insert into shop.part values (2, 9); delete from elsewhere")
        try await flow.follow()
        for (table, columns) in [("parent", ["id", "m", "t"]), ("child", ["id", "p", "v"]), ("part", ["id", "at"])] {
            #expect(try flow.target.rows("store.\(table)", columns) == flow.source.rows("shop.\(table)", columns))
        }
        let verdicts = try await VerifyTests.verify(flow)
        #expect(!verdicts.contains { !$0.isEqual })
        let foreignKeys = try flow.target.rows("(select conrelid::regclass::text || ' ' || pg_get_constraintdef(oid) as d from pg_constraint where contype = 'f') f", ["d"])
        #expect(foreignKeys == ["elsewhere FOREIGN KEY (id) REFERENCES store.parent(id)", "store.child FOREIGN KEY (p) REFERENCES store.parent(id) ON DELETE CASCADE"])
        // Names alone are no obstacle to reading, but to a failover.
        #expect(throws: TidemarkError.self) { try Failover(flow.definition, others: [], .init(), worker: "tester", log: flow.silent) { _ in }.promote() }
    }

    @Test("a sequence follows its column under its new name, and stays behind where that does not travel")
    func sequences() async throws {
        var shaping = TableShaping()
        shaping.renamedColumns = ["id": "number"]
        shaping.target = "item"
        var without = TableShaping()
        without.omitted = ["n"]
        let flow = try Self.flow(
            "create table thing (id serial primary key, v text); create table other (id int primary key, n serial)",
            target: "create schema crm; create table crm.item (number serial primary key, v text); create table crm.other (id int primary key)",
            TableRules([TableRule(TablePattern("thing"), shaping: shaping), TableRule(TablePattern("other"), shaping: without)], schemas: ["public": "crm"]))
        try flow.setUp()
        try flow.source.run("insert into thing (v) values ('a'), ('b'), ('c'); insert into other values (1), (2)")
        try await flow.follow(.empty)
        #expect(try flow.target.rows("crm.item", ["number", "v"]) == ["1|a", "2|b", "3|c"])
        #expect(try flow.target.value("select nextval('crm.item_number_seq')") == "4")
        #expect(try Installation(flow.definition).check().allSatisfy { $0.finding.severity != .problem })
    }

    @Test("a foreign key into a table of which rows are left out is not made, and user types of computed columns are")
    func foreignKeys() async throws {
        var parent = TableShaping()
        parent.filter = "id > 1"
        parent.expressions = [.init(column: "again", sql: "m")]
        let flow = try Self.flow(
            """
            create type mood as enum ('ok', 'sad'); create domain small as int check (value < 100);
            create table parent (id int primary key, m mood, s small not null); create table child (id int primary key, p int references parent)
            """, target: "select 1", TableRules([TableRule(TablePattern("parent"), shaping: parent)]))
        try flow.source.run("insert into parent values (1, 'ok', 1), (2, 'sad', 2); insert into child values (1, 1), (2, 2)")
        _ = try Installation(flow.definition).setUp(creating: true)
        try await flow.follow(.refuse)
        #expect(try flow.target.rows("parent", ["id", "m", "s", "again"]) == ["2|sad|2|sad"])
        #expect(try flow.target.rows("child", ["id", "p"]) == ["1|1", "2|2"])
        try flow.source.run("update parent set m = 'ok'; update parent set id = 5 where id = 2 and false; truncate child; insert into child values (7, 1)")
        try await flow.follow()
        #expect(try flow.target.rows("parent", ["id", "m", "again"]) == ["2|ok|ok"])
        #expect(try flow.target.rows("child", ["id", "p"]) == ["7|1"])
        let verdicts = try await VerifyTests.verify(flow)
        #expect(!verdicts.contains { !$0.isEqual })
    }

    @Test("what is parked of a table with another name is applied there")
    func parked() async throws {
        var shaping = TableShaping()
        shaping.renamedColumns = ["id": "number"]
        shaping.target = "crm.item"
        var flow = try Self.flow(
            "create table thing (id int primary key, v int)",
            target: "create schema crm; create table crm.item (number int primary key, v int check (v < 10))",
            TableRules([TableRule(TablePattern("thing"), shaping: shaping)]))
        flow.definition.failurePolicy = .setAside
        try flow.setUp()
        try await flow.follow()
        try flow.source.run("insert into thing values (1, 1)")
        try flow.source.run("insert into thing values (2, 20)")
        try flow.source.run("update thing set v = 21 where id = 2")
        try flow.source.run("insert into thing values (3, 3)")
        try await flow.follow()
        #expect(try flow.target.rows("crm.item", ["number", "v"]) == ["1|1", "3|3"])
        try flow.target.run("alter table crm.item drop constraint item_v_check")
        _ = try Parking(flow.definition).retryAll(by: "tester")
        #expect(try flow.target.rows("crm.item", ["number", "v"]) == ["1|1", "2|21", "3|3"])
    }

    @Test("keys that sort and compare in their own way, renamed, are copied in parts and verified")
    func keys() async throws {
        var shaping = TableShaping()
        shaping.renamedColumns = ["a": "b", "b": "a"]
        shaping.filter = "v % 3 > 0"
        let flow = try Self.flow(
            "create table k (a numeric, b text collate \"C\", v int, primary key (b, a))",
            target: "create table k (b numeric, a text collate \"C\", v int, primary key (a, b))", TableRules([TableRule(TablePattern("k"), shaping: shaping)]))
        try flow.source.run("insert into k select i * 0.10, 'é' || i % 7, i from generate_series(1, 3000) i")
        try flow.setUp()
        _ = try await flow.pipeline(flow.definition, CopyTests.settings(.empty)).runOnce()
        try flow.source.run("update k set a = a + 0.000, v = v + 1 where v < 100; delete from k where v > 2900; update k set b = 'z' where v = 1001")
        try await flow.follow()
        #expect(try flow.target.rows("k", ["b", "a", "v"]) == flow.source.rows("(select a as b, b as a, v from k where v % 3 > 0) k", ["b", "a", "v"]))
        try flow.target.run("update k set v = -v where v = 500; delete from k where v = 502; insert into k values (0.5, 'x', 1)")
        let verdicts = try await VerifyTests.verify(flow, repair: .apply)
        #expect(verdicts.first?.proof.differences == 3, "\(verdicts.map(\.listed))")
        #expect(try flow.target.rows("k", ["b", "a", "v"]) == flow.source.rows("(select a as b, b as a, v from k where v % 3 > 0) k", ["b", "a", "v"]))
    }

    @Test("each tenant's target has its rows, and the tables that are everybody's; a row that is given away changes places")
    func tenants() async throws {
        var rules = TableRules([TableRule(TablePattern("item"))], tenant: Tenant(column: "tenant", value: "1"))
        rules.rules[0].shaping.filter = "v <> 'hidden' or v is null"
        var north = try Self.flow(
            "create table item (id int primary key, tenant int, v text); create table country (id int primary key); create table log (tenant int, v text)",
            target: "create schema a; create schema b", rules)
        north.definition.name = "shop.1"
        north.definition.rules.schemas = ["public": "a"]
        var south = north
        south.definition.name = "shop.2"
        south.definition.rules.schemas = ["public": "b"]
        south.definition.rules.tenant = Tenant(column: "tenant", value: "2")
        try north.source.run("insert into item select i, i % 3, 'v' from generate_series(1, 9) i; insert into country values (1); insert into log select i % 3, 'l' from generate_series(1, 9) i")
        for flow in [north, south] {
            _ = try Installation(flow.definition).setUp(creating: true)
            try await flow.follow(.refuse)
        }
        try north.source.run("update item set tenant = 3 - tenant where id in (1, 2); update item set v = 'hidden' where id = 4; insert into log values (2, 'x'); delete from country; insert into country values (7)")
        for (flow, schema, tenant) in [(north, "a", 1), (south, "b", 2)] {
            try await flow.follow()
            let (item, log) = ("(select * from item where tenant = \(tenant) and v <> 'hidden') i", "(select * from log where tenant = \(tenant)) l")
            #expect(try flow.target.rows("\(schema).item", ["id", "tenant", "v"]) == flow.source.rows(item, ["id", "tenant", "v"]))
            #expect(try flow.target.rows("\(schema).log", ["tenant", "v"]) == flow.source.rows(log, ["tenant", "v"]))
            #expect(try flow.target.rows("\(schema).country", ["id"]) == ["7"])
            var settings = CopyTests.settings(worker: "verify")
            settings.name = flow.definition.name
            let verdicts = try await VerifyTests.verify(flow, settings: settings)
            #expect(verdicts.count == 3 && !verdicts.contains { !$0.isEqual })
        }
    }
}
