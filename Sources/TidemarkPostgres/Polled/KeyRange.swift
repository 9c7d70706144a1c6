import TidemarkCore

/// The range of keys that a part of a polled table is, as SQL over a row `t`. Keys reach the statement through a setting of the transaction:
/// COPY takes no parameters.
struct KeyRange {
    private let part: TablePart
    private let keys: [TargetColumn]
    private static let setting = "tidemark.range"

    /// - Parameter keys: in the order of the key.
    init(of part: TablePart, keys: [TargetColumn]) { (self.part, self.keys) = (part, keys) }

    /// Hands the keys over; they hold until the next range's, or the transaction's end.
    func bind(in session: PostgresSession) throws(PostgresFailure) {
        let members = [("after", part.after), ("through", part.through)].compactMap { name, key in key.map { "\"\(name)\":\($0)" } }
        guard !members.isEmpty else { return }
        try session.query("select set_config('\(Self.setting)', $1, true)", [.text("{\(members.joined(separator: ","))}")])
    }

    var conditions: [String] {
        let row = "(\(keys.map { "t.\($0.quoted)" }.joined(separator: ", ")))"
        return (part.after == nil ? [] : ["\(row) > \(bound("after"))"]) + (part.through == nil ? [] : ["\(row) <= \(bound("through"))"])
    }

    /// The same behind a relation; empty where the range is the table.
    var filter: String { conditions.isEmpty ? "" : " where \(conditions.joined(separator: " and "))" }

    /// A key with about so many rows of the range up to it; nil where there are no more than that.
    func key(afterRows count: Int, of relation: String, in session: PostgresSession) throws(PostgresFailure) -> String? {
        let order = keys.map { "t.\($0.quoted)" }.joined(separator: ", ")
        let found = try session.query(
            """
            select \(Self.identity(of: keys)) from (select \(order) from \(relation) as t\(filter) order by \(order) offset $1 limit 2) t
            order by \(order)
            """, [.text(String(count - 1))])
        return found.count == 2 ? found[0, 0] : nil
    }

    /// JSON of columns, each value as the text of its type.
    static func identity(of columns: [TargetColumn], _ alias: String = "t") -> String {
        let members = columns.map { column in
            let value = "\(alias).\(column.quoted)"
            return "case when \(value) is distinct from null then format('%s', \(value)) end as \(column.quoted)"
        }
        // With a star, or a column of the alias's name would be taken instead.
        return "(select row_to_json(tidemark_row.*)::text from (select \(members.joined(separator: ", "))) tidemark_row)"
    }

    private func bound(_ member: String) -> String {
        let values = keys.map { key in
            "(current_setting('\(Self.setting)')::json -> '\(member)' ->> \(PostgresIdentifier.literal(key.name)))::\(key.type)"
        }
        return "(\(values.joined(separator: ", ")))"
    }
}
