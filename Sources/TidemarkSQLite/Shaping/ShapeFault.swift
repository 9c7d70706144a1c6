import TidemarkCore

/// Why a table's rows cannot be shaped as the pipeline wants them.
struct ShapeFault: Error, Hashable {
    var why: String
    var remedy: String

    init(_ why: String, remedy: String) { (self.why, self.remedy) = (why, remedy) }

    func error(_ table: TableName) -> TidemarkError {
        TidemarkError("a table cannot be shaped on its way", table: table, why: why, remedy: remedy)
    }
}

extension TableShaping {
    /// With the columns' names as the table spells them: SQLite takes `ID` for `id`.
    func spelled(as columns: [String]) -> TableShaping {
        let known = Dictionary(columns.map { (SQLiteIdentifier.folded($0), $0) }, uniquingKeysWith: { one, _ in one })
        func spelled(_ name: String) -> String { known[SQLiteIdentifier.folded(name)] ?? name }
        var shaping = self
        shaping.columns = self.columns.map { $0.map(spelled) }
        shaping.omitted = omitted.map(spelled)
        shaping.expressions = expressions.map { Expression(column: spelled($0.column), sql: $0.sql) }
        shaping.renamedColumns = Dictionary(renamedColumns.map { (spelled($0.key), $0.value) }, uniquingKeysWith: { one, _ in one })
        return shaping
    }

    /// With what it says of these columns, and of those that only the target has.
    func restricted(to columns: [String]) -> TableShaping {
        let known = Set(columns + expressions.map(\.column))
        var shaping = self
        shaping.columns = self.columns.map { $0.filter(known.contains) }
        shaping.omitted = omitted.filter(known.contains)
        shaping.renamedColumns = renamedColumns.filter { known.contains($0.key) }
        return shaping
    }

    /// What SQLite minds besides what the names alone tell.
    func furtherFaults(columns: [String], key: [String]) -> [ShapeFault] {
        let travelling = self.columns(of: columns, key: key)
        var faults: [ShapeFault] = []
        if travelling.isEmpty {
            faults.append(ShapeFault("no column of the table would travel", remedy: "Name one at least under columns:, or leave the table out with exclude:."))
        }
        for expression in expressions where omitted.contains(expression.column) {
            faults.append(ShapeFault("the column \(expression.column) is set and omitted", remedy: "Take it out of omit: or out of set:."))
        }
        let named = Dictionary(grouping: travelling) { SQLiteIdentifier.folded($0.name) }.values.filter { Set($0.map(\.name)).count > 1 }
        return faults + named.map { same in
            let names = same.map(\.name).sorted()
            return ShapeFault(
                "the target would get the columns \(names.joined(separator: " and ")), which are one name to SQLite",
                remedy: "Leave one of them out with omit:, or give it another name with rename:.")
        }.sorted { $0.why < $1.why }
    }
}
