import Testing

@testable import TidemarkCore

@Suite("Table patterns")
struct TablePatternTests {
    @Test(
        "select by schema and name",
        arguments: [
            ("public.*", "public", "orders", true), ("public.*", "audit", "orders", false),
            ("orders", "any", "orders", true), ("*.ord*s", "x", "orders", true),
            ("*.ord*s", "x", "order", false), ("a.b.c", "a", "b.c", true), ("*", "x", "", true),
            ("p*.o*d*", "public", "old odd", true), ("Public.orders", "public", "orders", false),
        ])
    func matches(pattern: String, schema: String, name: String, expected: Bool) {
        #expect(TablePattern(pattern).matches(TableName(schema: schema, name: name)) == expected)
    }

    @Test("an engine without schemas matches the whole text")
    func withoutSchema() {
        #expect(TablePattern("a.b").matches(TableName(schema: nil, name: "a.b")))
        #expect(!TablePattern("a.b").matches(TableName(schema: nil, name: "b")))
    }
}
