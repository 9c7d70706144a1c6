import TidemarkCore

/// What a merge makes of each column, as SQL over `source`, `target` and `before`, where `j` says whether there was a row before and
/// which version is the greater.
struct MergedColumns {
    let order: VersionOrder

    func value(of name: String) -> String {
        let column = SQLiteIdentifier.quoted(name)
        guard let strategy = strategy(of: name) else {
            return isOwn(name) ? greater(column) : "CASE WHEN j.wins THEN source.\(column) ELSE target.\(column) END"
        }
        switch strategy {
        case .newest(let by):
            let by = order.column(by)
            let isText = VersionOrder.isGreater(SQLiteEncoding.value("source.\(column)"), than: SQLiteEncoding.value("target.\(column)"), else: "0")
            let isNewer = VersionOrder.isGreater("source.\(by)", than: "target.\(by)", else: isText)
            return threeWay(column, "CASE WHEN \(isNewer) THEN source.\(column) ELSE target.\(column) END")
        case .fill:
            let isGreater = VersionOrder.isGreater(SQLiteEncoding.value("source.\(column)"), than: SQLiteEncoding.value("target.\(column)"), else: "0")
            return threeWay(
                column,
                "CASE WHEN source.\(column) IS NULL THEN target.\(column) WHEN target.\(column) IS NULL THEN source.\(column)"
                    + " WHEN \(isGreater) THEN source.\(column) ELSE target.\(column) END")
        case .json: return threeWay(column, "\(JSONMerge.name)(before.\(column), target.\(column), source.\(column))")
        case .add:
            return "CASE WHEN \(TargetTable.isSame("source.\(column)", "before.\(column)")) THEN target.\(column)"
                + " ELSE coalesce(target.\(column), 0) + (coalesce(source.\(column), 0) - coalesce(before.\(column), 0)) END"
        case .source: return threeWay(column, "source.\(column)")
        case .target: return threeWay(column, "target.\(column)")
        case .custom(let sql): return threeWay(column, "(\(sql)\n)")
        }
    }

    /// Does what the source made of the row count what was added to it?
    var addsNothing: String? {
        let added = order.rule.columns.filter { $0.value == .add }.keys.sorted().map(order.column)
        guard !added.isEmpty else { return nil }
        return TargetTable.all(added.map { TargetTable.isSame("source.\($0)", "before.\($0)") }[...])
    }

    var usesJSON: Bool { order.rule.columns.values.contains(.json) }

    private func strategy(of name: String) -> ConflictRule.ColumnStrategy? {
        order.rule.columns.first { SQLiteIdentifier.folded($0.key) == SQLiteIdentifier.folded(name) }?.value
    }

    /// A column by which others are newer: it grows, whatever becomes of them.
    private func isOwn(_ name: String) -> Bool { !order.group.contains(name) }

    private func greater(_ column: String) -> String {
        "CASE WHEN \(VersionOrder.isGreater("source.\(column)", than: "target.\(column)", else: "0")) THEN source.\(column) ELSE target.\(column) END"
    }

    /// What one end alone has changed counts.
    private func threeWay(_ column: String, _ both: String) -> String {
        "CASE WHEN j.before IS NOT NULL AND \(TargetTable.isSame("source.\(column)", "before.\(column)")) THEN target.\(column)"
            + " WHEN j.before IS NOT NULL AND \(TargetTable.isSame("target.\(column)", "before.\(column)")) THEN source.\(column) ELSE \(both) END"
    }
}
