import Testing
import TidemarkCore

@testable import TidemarkConfig

/// Targets that others write to, too.
@Suite("Configuration of conflicts")
struct ConflictTests {
    private func entries(_ below: String, target: String = "postgresql://h/b") throws -> [Configuration.Entry] {
        try loaded("pipelines:\n  shop:\n    source: postgresql://h/a\n    target: \(target)\n\(below)").pipelines
    }

    @Test(
        "each strategy is written as it is documented",
        arguments: [
            ("source-wins", ConflictRule(.sourceWins)), ("target-wins", ConflictRule(.targetWins)), ("stop", ConflictRule(.stop)),
            ("{last-write-wins: at}", ConflictRule(.lastWriteWins(by: "at"))), ("{highest-version: v, site: s}", ConflictRule(.highestVersion(by: "v"), site: "s")),
            ("{custom: source.a > target.a}", ConflictRule(.custom("source.a > target.a"))),
            (
                "{merge: at, columns: {a: add, b: json, c: fill, d: source, e: target, f: {newest: f_at}, g: {custom: source.g}}}",
                ConflictRule(
                    .merge(by: "at"),
                    columns: ["a": .add, "b": .json, "c": .fill, "d": .source, "e": .target, "f": .newest(by: "f_at"), "g": .custom("source.g")])
            ),
        ])
    func strategies(text: String, rule: ConflictRule) throws {
        #expect(try entries("    conflict: \(text)\n")[0].rules.conflicts(TableName(schema: nil, name: "any")) == rule)
    }

    @Test("what a table says counts before")
    func tables() throws {
        let rules = try entries("    conflict: stop\n    tables:\n      - public.a: {conflict: source-wins}\n      - public.*\n")[0].rules
        #expect(rules.conflicts(TableName(schema: "public", name: "a"))?.strategy == .sourceWins)
        #expect(rules.conflicts(TableName(schema: "public", name: "b"))?.strategy == .stop)
    }

    @Test(
        "what is wrong is said with its place, and what to write",
        arguments: [
            ("conflict: last-write-wins", "5:15: conflict: last-write-wins needs the column by which rows are compared: write conflict: {last-write-wins: COLUMN}"),
            ("conflict: sorce-wins", "Did you mean “source-wins”?"), ("conflict: {last-writes-win: a}", "Did you mean “last-write-wins”?"),
            ("conflict: {last-write-wins: a, merge: b}", "5:36: conflict: names last-write-wins and merge"), ("conflict: {site: a}", "5:15: conflict: names no strategy"),
            ("conflict: {merge: }", "merge: has to be the name of a column"), ("conflict: {highest-version: v, columns: {a: add}}", "5:36: columns: is for merge"),
            ("conflict: {custom: x, site: s}", "5:27: site: says which of two equal rows"), ("conflict: {merge: at, columns: {a: ad}}", "Did you mean “add”?"),
            ("conflict: {merge: at, columns: {a: {newst: b}}}", "Did you mean “newest”?"), ("conflict: {merge: at, columns: {at: add}}", "at is the column by which rows are compared"),
            ("conflict: stop\n    on-failure: set-aside", "6:5: conflict: cannot stand beside on-failure: set-aside"),
            ("conflict: stop\n    role: replica", "6:5: conflict: is for a target that others write to"), ("conflict: stop\n    mode: full", "6:5: mode: full reads tables"),
            ("conflict: stop\n    delay: 1h", "6:5: conflict: cannot stand beside delay:"), ("conflict: stop\n    image: new", "6:5: conflict: needs image: both"),
            ("tables: [t: {conflict: stop, where: a}]", "5:34: where: cannot stand beside conflict: of table t"),
            ("conflict: stop\n    tables: [t: {omit: a}]", "6:18: omit: cannot stand beside conflict: of the pipeline"),
            ("conflict: stop\n    tables: [t: {mode: skip-completed}]", "6:18: mode: skip-completed cannot stand beside"),
            ("two-way: true", "5:5: two-way: true needs conflict:"), ("two-way: true\n    tables: [a: {conflict: stop}, b]", "5:5: two-way: true needs conflict:"),
            ("sites: 4 of 3", "5:12: sites: has to be a share such as"), ("sites: range 5-1", "5:12: sites: has to be"), ("sites: [1 of 2, 2 of 2]", "5:12: sites: is the source's"),
            ("conflict: stop\n    two-way: true\n    sites: [1 of 3, 1 of 3]", "7:12: sites: both ends would give the same numbers"),
            ("conflict: stop\n    two-way: true\n    sites: 1 of 3", "7:12: sites: says what the source gives"),
        ])
    func refused(keys: String, expected: String) {
        let found = faults(pipeline(keys))
        #expect(found.count == 1 && found[0].contains(expected), "\(found)")
    }

    @Test("tenants take a part of the rows, and no pipeline gets a name that is taken or too long")
    func names() {
        let tenants = "    tenants: {column: t, values: [a]}\n    conflict: stop\n"
        #expect(problems("pipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n\(tenants)").contains { $0.what.contains("conflict: needs both ends to hold all of them") })
        #expect(
            problems("pipelines:\n  shop:\n    source: sqlite:/a\n    target: sqlite:/b\n\(tenants)    two-way: true\n").contains { $0.what.contains("two-way: true is for one pipeline") })
        let both = "conflict: stop, two-way: true"
        #expect(
            problems("pipelines:\n  a: {source: 'sqlite:/a', target: 'sqlite:/b', \(both)}\n  a-back: {source: 'sqlite:/c', target: 'sqlite:/d'}\n")
                .contains { $0.what == "two pipelines would be called a-back: two-way: true adds one, so give the other one another name" })
        let long = String(repeating: "x", count: 60)
        #expect(problems("pipelines:\n  \(long): {source: 'sqlite:/a', target: 'sqlite:/b', \(both)}\n").contains { $0.what.contains("at most 63 bytes") })
    }

    @Test("two-way is a second pipeline with everything the other way round")
    func twoWay() throws {
        let found = try entries(
            """
                two-way: true
                pass-on: true
                copy: true
                existing: empty
                sites: 1 of 2
                rename-schemas: {public: crm}
                exclude: [public.audit]
                conflict: {merge: at, columns: {a: source, b: add}}
                tables:
                  - public.customer: {to: client, conflict: source-wins}
                  - public.*

            """)
        #expect(found.map(\.name) == ["shop", "shop-back"] && found[0].counterpart == "shop-back" && found[1].counterpart == "shop")
        let back = found[1]
        #expect((back.source, back.target) == ("postgresql://h/b", "postgresql://h/a"))
        #expect(back.run.copies == false && back.run.existing == nil && found[0].run.existing == .empty && back.passesOn == true)
        #expect(back.tables == ["crm.client", "crm.*"] && back.exclude == ["crm.audit"])
        #expect(found[0].sites == .every(sites: 2, site: 1) && back.sites == .every(sites: 2, site: 2))
        let client = TableName(schema: "crm", name: "client")
        #expect(back.rules.conflicts(client)?.strategy == .targetWins && back.rules.target(of: client) == TableName(schema: "public", name: "customer"))
        let other = TableName(schema: "crm", name: "other")
        #expect(back.rules.conflicts(other)?.columns == ["a": .target, "b": .add] && back.rules.target(of: other).schema == "public")
        #expect(found[0].rules.target(of: TableName(schema: "public", name: "customer")) == client)
    }

    @Test("a file has no schemas to name on the way back")
    func fileBack() throws {
        let back = try entries("    two-way: true\n    conflict: stop\n    tables: [public.a, 'shop.*']\n", target: "sqlite:/b")[1]
        #expect(back.tables == ["a", "*"])
    }

    @Test("numbers of a site")
    func sites() {
        let share = SequenceSite.every(sites: 3, site: 2)
        #expect(SequenceSite(parsing: "2 of 3") == share && share.description == "2 of 3")
        #expect([-4, 0, 1, 2, 3, 5].map { share.first(from: $0) } == [-4, 2, 2, 2, 5, 5] && share.first(from: .max) == nil)
        #expect(SequenceSite.every(sites: 3, site: 3).first(from: 4) == 6)
        let range = SequenceSite.range(10...20)
        #expect(SequenceSite(parsing: "range 10-20") == range && range.first(from: 1) == 10 && range.first(from: 15) == 15 && range.first(from: 21) == nil)
        for wrong in ["0 of 3", "1 of 1", "4 of 3", "1of 3", "range 1", "range -1-5", "range 5-5", ""] { #expect(SequenceSite(parsing: wrong) == nil, "\(wrong)") }
    }
}
