import Testing

@testable import TidemarkCore

@Suite("Amounts")
struct AmountTests {
    @Test("one of a thing has no s, and its verb neither", arguments: [(0, "0 tables are"), (1, "1 table is"), (2, "2 tables are")])
    func text(count: Int, expected: String) {
        #expect(Amount.text(count, "table", ("is", "are")) == expected)
        #expect(Amount.text(Int64(count), "table") + (count == 1 ? " is" : " are") == expected)
    }
}
