import Testing
import TidemarkCore

@Suite struct TableShapingTests {
    private let columns = ["id", "region", "email", "notes"]

    @Test("what travels: the key always, renamed, replaced, computed; left out what was named") func columnsThatTravel() {
        var shaping = TableShaping()
        shaping.columns = ["email"]
        shaping.expressions = [.init(column: "email", sql: "md5(email)"), .init(column: "initial", sql: "left(email, 1)")]
        shaping.renamedColumns = ["email": "hash", "id": "number"]
        let expected = [
            ShapedColumn(name: "number", source: "id"), ShapedColumn(name: "hash", source: "email", sql: "md5(email)"),
            ShapedColumn(name: "initial", source: nil, sql: "left(email, 1)"),
        ]
        #expect(shaping.columns(of: columns, key: ["id"]) == expected)
        #expect(shaping.faults(columns: columns, key: ["id"]).isEmpty)
        shaping = TableShaping()
        shaping.omitted = ["notes"]
        #expect(shaping.columns(of: columns, key: ["id"]).map(\.name) == ["id", "region", "email"])
    }

    @Test("names that are not there, the key's columns, and two columns of one name are faults") func faults() {
        func faults(_ change: (inout TableShaping) -> Void) -> [String] {
            var shaping = TableShaping()
            change(&shaping)
            return shaping.faults(columns: columns, key: ["id"]).map(\.why)
        }
        #expect(faults { $0.omitted = ["note"] } == ["omit: names the column note, which the table does not have"])
        #expect(faults { $0.columns = ["mail"] } == ["columns: names the column mail, which the table does not have"])
        #expect(faults { $0.renamedColumns = ["mail": "hash"] } == ["rename: names the column mail, which the table does not have"])
        #expect(faults { $0.omitted = ["id"] } == ["omit: names id, a column of the key, by which rows are found"])
        #expect(faults { $0.expressions = [.init(column: "id", sql: "1")] } == ["set: names id, a column of the key, by which rows are found"])
        #expect(faults { $0.renamedColumns = ["email": "notes"] } == ["the target would get two columns called notes"])
        #expect(faults { $0.renamedColumns = ["email": "notes", "notes": "email"] }.isEmpty)
    }

    @Test("the shape that is kept with a copy says the same of the same rules, in any order") func canonicalShape() {
        var rules = TableRules([TableRule(TablePattern("public.a"))], schemas: ["crm": "sales"])
        #expect(rules.shape(of: TableName(schema: "public", name: "a")) == nil)
        #expect(rules.shape(of: TableName(schema: "crm", name: "a")) == "to: sales.a")
        rules.rules[0].shaping.columns = ["b", "a"]
        rules.rules[0].shaping.filter = "a > 0"
        let shape = rules.shape(of: TableName(schema: "public", name: "a"))
        rules.rules[0].shaping.columns = ["a", "b"]
        rules.rules[0].shaping.expressions = [.init(column: "b", sql: "md5('salt' || b)")]
        let salted = rules.shape(of: TableName(schema: "public", name: "a")) ?? ""
        rules.rules[0].shaping.expressions = [.init(column: "b", sql: "md5('pepper' || b)")]
        #expect(salted.contains("set: b") && !salted.contains("salt") && salted != rules.shape(of: TableName(schema: "public", name: "a")))
        rules.rules[0].shaping.expressions = []
        #expect(shape == "where: a > 0\ncolumns: a, b" && rules.shape(of: TableName(schema: "public", name: "a")) == shape)
    }
}
