import Testing
import TidemarkCore

@testable import TidemarkConfig

/// Tables that have keys of their own.
@Suite("Configuration of single tables")
struct TableRuleTests {
    private func entry(_ below: String) throws -> Configuration.Entry {
        try loaded("pipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n\(below)").pipelines[0]
    }

    @Test("what an item says counts for the first table that it names, and the pipeline's word for the rest")
    func items() throws {
        let entry = try entry(
            """
                mode: full
                every: 1h
                rename-schemas: {public: crm}
                tables:
                  - public.customer:
                      mode: realtime
                      where: region = 'EU'
                      omit: ssn
                      set: {email: md5(email)}
                      rename: {email: email_hash}
                      to: client
                  - public.orders: {mode: incremental, by: [updated_at, id], start: 2026-01-01, overlap: 5m, deletes: 1d, on-error: retry, batch: 500}
                  - public.*
            """)
        #expect(entry.tables == ["public.customer", "public.orders", "public.*"])
        let rules = entry.rules
        let customer = TableName(schema: "public", name: "customer")
        #expect(rules.polled(customer) == nil && rules.named(customer).filter == "region = 'EU'" && rules.named(customer).omitted == ["ssn"])
        #expect(rules.target(of: customer) == TableName(schema: "crm", name: "client") && rules.isPartial)
        let orders = try #require(rules.polled(TableName(schema: "public", name: "orders")))
        #expect(orders.mode == .incremental && orders.schedule == .every(seconds: 3600) && orders.batchRows == 500 && orders.onError == .retry)
        #expect(orders.incremental?.columns == ["updated_at", "id"] && orders.incremental?.overlapSeconds == 300 && orders.incremental?.deletesEverySeconds == 86400)
        let other = try #require(rules.polled(TableName(schema: "public", name: "other")))
        #expect(other.mode == .full && other.incremental == nil && rules.target(of: TableName(schema: "public", name: "other")).schema == "crm")
    }

    @Test("two lines switch a mode on")
    func twoLines() throws {
        let rules = try entry("    mode: full\n    cron: 0 3 * * *\n").rules
        #expect(rules.polled(TableName(schema: nil, name: "any"))?.schedule == .cron("0 3 * * *"))
    }

    @Test("what says how tables are read may stand where some are", arguments: ["mode: full", "tables: [t: {mode: full}, u]"])
    func readingOfSome(_ below: String) { #expect(problems("defaults: {batch: 7}\npipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n    every: 1h\n    \(below)\n").isEmpty) }

    @Test(
        "what contradicts itself is refused",
        arguments: [
            ("    tables: [t: {mode: incremental}]\n", "needs by:"), ("    tables: [t: {by: a}]\n", "is for mode: incremental"),
            ("    tables: [t: {columns: a, omit: b}]\n", "take omit: or columns: out"), ("    tables: [t.*: {to: x}]\n", "to: is for one table"),
            ("    mode: full\n    every: 1h\n    cron: 0 3 * * *\n", "take one of them out"), ("    mode: ful\n", "has to be"), ("    cron: 61 * * * *\n", "five fields"),
            ("    tables: [t: {wher: a}]\n", "is not known here"), ("    tables: [t: {columns: []}]\n", "columns: names none"),
            ("    tables: [t: {omit: a, set: {a: '1'}}]\n", "both name a"), ("    tables: [t: {to: a.b.c}]\n", "one dot at most"), ("    tables: [t: {to: .b}]\n", "one dot at most"),
            ("    tables: [t: {every: 1h}]\n", "every: is for tables that are read"), ("    tables: [t: {mode: full, every: 1h}, u: {batch: 5}]\n", "batch: is for tables that are read, and u"),
            ("    on-error: skip\n", "all tables of the pipeline are followed"), ("    mode: full\n    tables: [t: {mode: realtime, cron: 0 3 * * *}]\n", "cron: is for tables that are read"),
        ])
    func refused(_ below: String, _ expected: String) {
        let text = "pipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n\(below)"
        #expect(problems(text).contains { $0.what.contains(expected) }, "\(problems(text).map(\.what))")
    }
}
