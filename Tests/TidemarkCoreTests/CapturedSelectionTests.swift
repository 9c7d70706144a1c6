import Testing
import TidemarkCore
import TidemarkTestSupport

@Suite("Tables that are read are left out of capture")
struct CapturedSelectionTests {
    private func rule(_ pattern: String, _ mode: SyncMode = .realtime) -> TableRule {
        TableRule(TablePattern(pattern), polled: mode.isPolled ? PolledReading(mode) : nil)
    }

    private func selection(_ include: String...) -> TableSelection { TableSelection(include: include.map { TablePattern($0) }) }

    @Test("the first pattern that names a table decides, and one without ! takes what it always took")
    func firstMatch() {
        let mixed = selection("!public.big", "public.*", "!*.audit", "other.*")
        #expect(!mixed.takes(TableName(schema: "public", name: "big")))
        #expect(mixed.takes(TableName(schema: "public", name: "audit")))
        #expect(!mixed.takes(TableName(schema: "other", name: "audit")))
        #expect(mixed.takes(TableName(schema: "other", name: "x")))
        #expect(!mixed.takes(TableName(schema: "third", name: "x")))
        #expect(mixed.named == selection("public.*", "other.*"))
        #expect(TableSelection(include: [TablePattern("a"), TablePattern("*")], exclude: [TablePattern("a")]).takes(TableName(schema: nil, name: "b")))
    }

    @Test("a pipeline that reads all of its tables has nothing to capture")
    func nothingLeft() {
        #expect(TableRules([rule("*", .full)]).captured(of: TableSelection()) == nil)
        #expect(TableRules([rule("*", .full)]).captured(of: selection("public.a", "public.b")) == nil)
        let items = TableRules([rule("public.a", .full), rule("b.*", .incremental)])
        #expect(items.captured(of: selection("public.a", "b.*")) == nil)
        #expect(items.captured(of: selection("public.a", "b.*", "c")) == selection("!public.a", "!b.*", "c"))
        #expect(items.captured(of: TableSelection()) == selection("!public.a", "!b.*", "*"))
        #expect(TableRules([rule("public.a")]).captured(of: selection("public.a")) == selection("public.a"))
    }

    @Test("what is recorded leads back to what was named, and to the same again")
    func recordedTwice() {
        let rules = TableRules([rule("public.a", .full), rule("public.*")])
        let once = rules.captured(of: selection("public.a", "public.*"))
        #expect(once == selection("!public.a", "public.*"))
        #expect(once.flatMap { rules.captured(of: $0) } == once)
        #expect(TableRules([rule("public.*")]).captured(of: once ?? TableSelection()) == once)
    }

    @Test("captured is what is taken and not read, whatever the rules of a file")
    func property() {
        let patterns = ["*", "a.*", "b.*", "*.x", "a.x", "a.y", "b.x", "x", "a.x*"]
        let tables = ["a", "b", "c"].flatMap { schema in ["x", "y", "xx"].map { TableName(schema: schema, name: $0) } }
        for seed in UInt64(0)..<3000 {
            var random = SeededRandom(seed: seed)
            // As a file has it: each item of tables: is a pattern of the selection and a rule.
            let items = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                (pattern: patterns.randomElement(using: &random) ?? "*", mode: SyncMode.allCases.randomElement(using: &random) ?? .full)
            }
            var rules = TableRules(items.map { rule($0.pattern, $0.mode) })
            if Bool.random(using: &random) { rules.rules.append(rule("*", .full)) }
            let all = Bool.random(using: &random) ? TableSelection() : TableSelection(include: items.map { TablePattern($0.pattern) })
            let captured = rules.captured(of: all)
            for table in tables {
                let expected = all.takes(table) && rules.polled(table) == nil
                #expect((captured?.takes(table) ?? false) == expected, "seed \(seed): \(table) by \(items) of \(all.include.map(\.text))")
            }
        }
    }
}
