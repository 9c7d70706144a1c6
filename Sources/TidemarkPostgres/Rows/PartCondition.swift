import TidemarkCore

/// The rows of a part, as SQL. Keys reach the statement through a setting of the transaction: COPY takes
/// no parameters.
struct PartCondition {
    private let part: TablePart
    private let relation: RowRelation
    private static let setting = "tidemark.part"

    init(_ part: TablePart, of relation: RowRelation) {
        (self.part, self.relation) = (part, relation)
    }

    /// Hands the keys over; they hold until the next part's, or the transaction's end.
    func bind(in session: PostgresSession) throws(PostgresFailure) {
        guard part.after != nil || part.through != nil || part.keys != nil else { return }
        var members: [String] = []
        if let after = part.after { members.append("\"after\":\(after)") }
        if let through = part.through { members.append("\"through\":\(through)") }
        if let keys = part.keys { members.append("\"keys\":[\(keys.joined(separator: ","))]") }
        try session.query(
            "select set_config('\(Self.setting)', $1, true)", [.text("{\(members.joined(separator: ","))}")])
    }

    /// The relation as `t`, with the condition; of a list of keys, those that are there.
    var from: String { from(and: nil) }

    /// - Parameter further: another condition over `t`.
    func from(and further: String?) -> String {
        var conditions = further.map { [$0] } ?? []
        if part.after != nil { conditions.append("\(keyRow) > \(bound("after"))") }
        if part.through != nil { conditions.append("\(keyRow) <= \(bound("through"))") }
        // Of the columns that the source has: beside the rule's own, below what is read.
        if let condition = part.condition, relation.shaped == nil { conditions.append("(\(condition)\n)") }
        let from = relation.from(matching: part.condition)
        let filter = conditions.isEmpty ? "" : " where \(conditions.joined(separator: " and "))"
        guard part.keys != nil else { return "\(from) as t\(filter)" }
        return "\(keys) join \(from) as t on \(matches)\(filter)"
    }

    /// The list of keys as `x`, each with its row `t` where there is one.
    var fromEachKey: String { "\(keys) left join \(relation.from) as t on \(matches)" }

    private var keys: String {
        let definitions = relation.keys.map(\.recordDefinition).joined(separator: ", ")
        return "json_to_recordset(current_setting('\(Self.setting)')::json -> 'keys') as x(\(definitions))"
    }

    private var matches: String { relation.keys.map(\.matches).joined(separator: " and ") }

    private var keyRow: String { "(\(relation.keys.map { "t.\($0.quoted)" }.joined(separator: ", ")))" }

    private func bound(_ member: String) -> String {
        let values = relation.keys.map { key in
            "(current_setting('\(Self.setting)')::json -> '\(member)' ->> \(PostgresIdentifier.literal(key.name)))::\(key.type)"
        }
        return "(\(values.joined(separator: ", ")))"
    }
}
