import TidemarkCore

/// The columns that tell what has changed, and what SQL says of them.
///
/// A row counts as without a value where any of the columns is NULL, or something that no later value could be beyond: infinity, NaN. Such
/// rows are read every time.
struct ChangeMarks {
    private let reading: IncrementalReading
    private let columns: [TargetColumn]
    private let overlaps: Bool
    private let hasInfiniteNumbers: Bool
    private static let setting = "tidemark.marks"

    init(_ reading: IncrementalReading, of relation: PolledRelation, in session: PostgresSession) throws {
        let fault = { (why: String, remedy: String) in
            TidemarkError("a table cannot be read by what has changed", table: relation.table.name, why: why, remedy: remedy)
        }
        guard !relation.keys.isEmpty else {
            throw fault("it has no key by which a row that changed could be found at the target", "Give it a primary key on both sides, or mode: full.")
        }
        self.reading = reading
        // From PostgreSQL 14.
        hasInfiniteNumbers = try session.query("select current_setting('server_version_num')::int >= 140000")[0, 0] == "t"
        columns = try reading.columns.map { name in
            guard let column = relation.columns[name] else {
                let known = relation.columns.keys.sorted().joined(separator: ", ")
                throw fault("by: names the column \(name), which the table does not have", "It has \(known): name one of these.")
            }
            return column
        }
        // A list of columns is in the order of the first one, as far as that goes.
        let first = columns[0]
        let isMoment = first.growth == .moment
        let strategy = reading.strategy.map { "strategy: \($0.rawValue), and " } ?? ""
        switch (first.growth, reading.strategy) {
        case (.moment, nil), (.moment, .timestamp), (.number, nil), (.number, .autoIncrement), (.number, .version), (.text, .version), (.identifier, .version):
            break
        case (.moment, _):
            throw fault("\(strategy)\(first.quoted) is \(first.baseType)", "Take strategy: out: a time is read by strategy: timestamp.")
        case (.number, _):
            throw fault("\(strategy)\(first.quoted) is \(first.baseType)", "Name a column of dates or times, or another strategy:.")
        case (.text, _), (.identifier, _):
            throw fault(
                "\(strategy)\(first.quoted) is \(first.baseType), whose values need not grow",
                "Name a column of times or numbers; or write strategy: version, if each change gives the row a value that sorts behind all earlier ones, as ISO"
                    + " times and UUIDs of version 7 do.")
        case (.none, _):
            throw fault(
                "\(strategy)\(first.quoted) is \(first.baseType), whose values do not grow with each change",
                "Name a column of times or numbers, or write mode: full for the table.")
        }
        if let other = columns.first(where: { !$0.isInOrder }) {
            throw fault("by: names \(other.quoted), which is \(other.baseType) and in no order", "Take it out of by:.")
        }
        overlaps = isMoment && reading.overlapSeconds > 0
        if let start = reading.start {
            do {
                try session.query("select $1::\(first.type)", [.text(start)])
            } catch {
                guard error.sqlState.hasPrefix("22") else { throw error }
                throw fault("start: “\(start)” is no value of \(first.quoted), which is \(first.type)", "Write it as select \(first.quoted) shows it.")
            }
        }
        if let condition = reading.condition {
            try RuleCheck(table: relation.table.name, relation: relation.bare, session: session).check(condition: condition, as: "condition:")
        }
    }

    /// Hands marks over; they hold until the transaction's end.
    func bind(after mark: ChangeMark?, through end: ChangeMark?, in session: PostgresSession) throws(PostgresFailure) {
        var members: [String] = []
        if let mark { members.append("\"after\":\(mark.json)") }
        if let end { members.append("\"through\":\(end.json)") }
        if let start = reading.start { members.append("\"start\":\(JSONString.quoted(start))") }
        try session.query("select set_config('\(Self.setting)', $1, true)", [.text("{\(members.joined(separator: ","))}")])
    }

    /// Does a mark say something of each of the columns? One from when the table was read by others says nothing.
    func isOf(_ mark: ChangeMark, in session: PostgresSession) throws(PostgresFailure) -> Bool {
        let rows = try session.query(
            "select bool_and(m.json ->> c.name is not null) from json_array_elements_text($1) c(name), (select $2::json) m(json)",
            [.json(JSONText.array(columns.map(\.name))), .text(mark.json)])
        return rows[0, 0] == "t"
    }

    // MARK: SQL over a row t of the table

    /// - Parameters:
    ///   - hasStart: is there a mark to begin behind?
    ///   - hasEnd: is there one to end at? Otherwise only rows without a value are meant.
    func condition(hasStart: Bool, hasEnd: Bool) -> String {
        var arms: [String] = []
        if hasEnd { arms.append("(\(range(hasStart: hasStart)))") }
        if !unvalued.isEmpty { arms.append(unvalued) }
        let rows = arms.isEmpty ? "false" : "(\(arms.joined(separator: " or ")))"
        return rows + (reading.condition.map { " and (\($0)\n)" } ?? "")
    }

    /// In which the rows are sent.
    var order: String { columns.map { "t.\($0.quoted)" }.joined(separator: ", ") }

    /// The highest values, as a query of one row; none where no row has any.
    func highest(of relation: PolledRelation) -> String {
        let members = columns.map { "pg_catalog.format('%s', t.\($0.quoted)) as \($0.quoted)" }.joined(separator: ", ")
        let descending = columns.map { "t.\($0.quoted) desc" }.joined(separator: ", ")
        let condition = ([valued] + (reading.condition.map { ["(\($0)\n)"] } ?? [])).joined(separator: " and ")
        return """
            select (select row_to_json(tidemark_row.*)::text from (select \(members)) tidemark_row)
            from \(relation.bare) as t where \(condition) order by \(descending) limit 1
            """
    }

    private func range(hasStart: Bool) -> String {
        let own = columns.map { "t.\($0.quoted)" }
        var conditions: [String] = []
        if columns.count == 1 || overlaps {
            if hasStart {
                let overlap = overlaps ? " - pg_catalog.make_interval(secs => \(reading.overlapSeconds))" : ""
                conditions.append("\(own[0]) >= \(bound("after", columns[0]))\(overlap)")
            }
        } else if hasStart {
            conditions.append("(\(own.joined(separator: ", "))) >= (\(columns.map { bound("after", $0) }.joined(separator: ", ")))")
        }
        conditions.append(
            columns.count == 1
                ? "\(own[0]) <= \(bound("through", columns[0]))"
                : "(\(own.joined(separator: ", "))) <= (\(columns.map { bound("through", $0) }.joined(separator: ", ")))")
        if reading.start != nil { conditions.append("\(own[0]) >= (\(setting) ->> 'start')::\(columns[0].type)") }
        // Without an OR over the column itself, so that an index may serve the range.
        conditions += columns.compactMap { column in
            let none = specials(column).map { "t.\(column.quoted) <> all (\($0))" }
            return columns.count > 1 && !column.isNotNull ? (["t.\(column.quoted) is not null"] + (none.map { [$0] } ?? [])).joined(separator: " and ") : none
        }
        return conditions.joined(separator: " and ")
    }

    /// Is there a row without a value, as a query? Nil where there can be none.
    func anyUnvalued(of relation: PolledRelation) -> String? {
        guard !unvalued.isEmpty else { return nil }
        return "select exists (select from \(relation.bare) as t where \(condition(hasStart: false, hasEnd: false)))"
    }

    private var valued: String {
        columns.map { column in
            (["t.\(column.quoted) is not null"] + (specials(column).map { ["t.\(column.quoted) <> all (\($0))"] } ?? [])).joined(separator: " and ")
        }.joined(separator: " and ")
    }

    /// Empty where every row has a value.
    private var unvalued: String {
        columns.flatMap { column in
            (column.isNotNull ? [] : ["t.\(column.quoted) is null"]) + (specials(column).map { ["t.\(column.quoted) = any (\($0))"] } ?? [])
        }.joined(separator: " or ")
    }

    /// Values that are none to go by, as an array.
    private func specials(_ column: TargetColumn) -> String? {
        let type = TypeText(column.baseType)?.name ?? ""
        switch type {
        case _ where column.growth == .moment: return "'{infinity,-infinity}'::\(type)[]"
        case "numeric": return hasInfiniteNumbers ? "'{NaN,Infinity,-Infinity}'::numeric[]" : "'{NaN}'::numeric[]"
        case "real", "double precision": return "'{NaN,Infinity,-Infinity}'::\(type)[]"
        default: return nil
        }
    }

    private var setting: String { "current_setting('\(Self.setting)')::json" }

    private func bound(_ member: String, _ column: TargetColumn) -> String {
        "(\(setting) -> '\(member)' ->> \(PostgresIdentifier.literal(column.name)))::\(column.type)"
    }
}
