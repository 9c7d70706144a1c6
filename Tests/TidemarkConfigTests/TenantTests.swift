import Testing
import TidemarkCore

@testable import TidemarkConfig

/// A pipeline that stands for one of each tenant.
@Suite("Configuration of tenants")
struct TenantTests {
    private func text(_ below: String, target: String = "sqlite:/b_{tenant}.db") -> String {
        "pipelines:\n  shop:\n    source: sqlite:/a\n    target: \(target)\n\(below)"
    }

    @Test("each has its name, its rows, and its place")
    func expansion() throws {
        let configuration = try loaded(
            text("    tenants: {column: 'te\"n', values: [north, 7]}\n    rename-schemas: {public: \"s_{tenant}\"}\n    tables: [customer: {where: a or b, to: \"c_{tenant}\"}, orders]\n"))
        #expect(configuration.pipelines.map(\.name) == ["shop.north", "shop.7"])
        #expect(configuration.pipelines.map(\.target) == ["sqlite:/b_north.db", "sqlite:/b_7.db"])
        let rules = configuration.pipelines[0].rules
        let (customer, orders) = (TableName(schema: "public", name: "customer"), TableName(schema: "public", name: "orders"))
        #expect(rules.target(of: customer) == TableName(schema: "s_north", name: "c_north") && rules.isPartial && rules.isShaping)
        #expect(rules.shaping(of: orders, having: ["id", "te\"n"]).filter == "\"te\"\"n\" = 'north'")
        #expect(rules.shaping(of: customer, having: ["te\"n"]).filter == "\"te\"\"n\" = 'north' and (a or b\n)")
        #expect(rules.shaping(of: orders, having: ["id"]).filter == nil && rules.shaping(of: customer, having: []).filter == "a or b")
        #expect(rules.shape(of: orders) == "tenant: te\"n = north\nto: s_north.orders")
        #expect(configuration.pipelines[0] != configuration.pipelines[1])
    }

    @Test(
        "what is wrong is said once, with its place",
        arguments: [
            ("    tenants: {column: t}\n", "has no values:"), ("    tenants: {values: [a]}\n", "has no column:"), ("    tenants: {column: t, values: [a, a]}\n", "stands twice"),
            ("    tenants: {column: t, values: ['a/b']}\n", "letters, digits"), ("    tenants: {column: t, values: [a, b]}\n    mode: ful\n", "has to be"),
            ("    tenants: [a]\n", "has to hold keys"), ("    tenants: {column: t, values: [a.b]}\n    tables: [t: {to: \"t_{tenant}\"}]\n", "has a dot"),
        ])
    func refused(_ below: String, _ expected: String) {
        let found = problems(text(below))
        #expect(found.count == 1 && found[0].what.contains(expected) && found[0].place != nil, "\(found.map(\.what))")
    }

    @Test("tenants in one place would write into each other's tables")
    func samePlace() {
        #expect(problems(text("    tenants: {column: t, values: [a, b]}\n", target: "sqlite:/b")).contains { $0.what.contains("place of its own") })
        #expect(problems(text("    tenants: {column: t, values: [a]}\n  shop.a:\n    source: sqlite:/a\n    target: sqlite:/c\n")).contains { $0.what.contains("two pipelines would be called shop.a") })
    }

    @Test(
        "two tenants that would write one table are refused, also where others of their tables are apart",
        arguments: [
            ("    rename-schemas: {public: \"s_{tenant}\"}\n    tables: [public.a, audit.*]\n", "audit.*"), ("    tables: [public.a: {to: \"x_{tenant}\"}, public.b]\n", "public.b"),
            ("    tables: [public.a: {to: x}]\n    rename-schemas: {public: s, audit: \"a_{tenant}\"}\n", "public.a"),
            ("    rename-schemas: {public: \"s_{tenant}\", audit: all}\n", "the same tables"), ("    tables: [\"*_a\"]\n", "*_a"),
            ("    rename-schemas: {public: \"s_{tenant}\"}\n    tables: [public.a, a, \"*.b*\"]\n", nil), ("    tables: [public.a: {to: \"s_{tenant}.a\"}]\n", nil),
        ] as [(String, String?)])
    func meeting(_ below: String, _ table: String?) {
        let found = problems(text("    tenants: {column: t, values: [a, b]}\n" + below, target: "sqlite:/b")).map(\.what)
        #expect(found.isEmpty == (table == nil) && found.allSatisfy { $0.contains("a and b would both write \(table ?? "") of the target") }, "\(found)")
        // Each in a database of its own, they never meet.
        #expect(problems(text("    tenants: {column: t, values: [a, b]}\n" + below, target: "'sqlite:/t_{tenant}'")).isEmpty)
    }
}
