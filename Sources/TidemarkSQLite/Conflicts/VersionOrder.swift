import TidemarkCore

/// Which of two rows counts, as SQL: each is an alias that has the table's columns.
struct VersionOrder {
    let rule: ConflictRule
    /// The table's columns by their folded names.
    let names: [String: String]
    /// The columns that a version is of: all, or those that a merge does not name.
    let group: [String]

    init(_ rule: ConflictRule, columns: [String]) {
        self.rule = rule
        names = Dictionary(columns.map { (SQLiteIdentifier.folded($0), $0) }) { first, _ in first }
        var own = Set(rule.columns.keys.map(SQLiteIdentifier.folded))
        for case .newest(let by) in rule.columns.values { own.insert(SQLiteIdentifier.folded(by)) }
        if let order = rule.orderColumn { own.remove(SQLiteIdentifier.folded(order)) }
        // By name: the two ends may have them in another order.
        group = columns.filter { !own.contains(SQLiteIdentifier.folded($0)) }.sorted()
    }

    func column(_ name: String) -> String { SQLiteIdentifier.quoted(names[SQLiteIdentifier.folded(name)] ?? name) }

    /// Is the one version the greater? A delete is just above the version that it removed.
    /// - Parameter deleted: SQL that says whether each is one.
    func isGreater(_ one: String, than other: String, deleted: (String, String)? = nil, else last: String = "0") -> String {
        let texts = (text(one), text(other))
        var result = last == "0" ? "\(texts.0) > \(texts.1)" : "CASE WHEN \(texts.0) = \(texts.1) THEN \(last) ELSE \(texts.0) > \(texts.1) END"
        if let site = rule.site.map(column) { result = Self.isGreater("\(one).\(site)", than: "\(other).\(site)", else: result) }
        if let deleted { result = Self.isGreater(deleted.0, than: deleted.1, else: result) }
        guard let order = rule.orderColumn.map(column) else { return result }
        return Self.isGreater("\(one).\(order)", than: "\(other).\(order)", else: result)
    }

    private func text(_ row: String) -> String { SQLiteEncoding.object(group, of: row) }

    /// NULL is the lowest, and texts are compared by their bytes.
    static func isGreater(_ one: String, than other: String, else equal: String) -> String {
        "CASE WHEN \(one) IS \(other) THEN \(equal) WHEN \(other) IS NULL THEN 1 WHEN \(one) IS NULL THEN 0 ELSE \(one) > \(other) END"
    }
}
