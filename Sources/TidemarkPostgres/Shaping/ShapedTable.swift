import TidemarkCore

/// How rows of a table become those that the target gets, as SQL of the source.
struct ShapedTable {
    /// A column that is computed, with the type of its expression.
    struct Computed {
        let sql: String
        let type: String
        let oid: String
        let isJSON: Bool
        let isPlain: Bool
    }

    /// As the source has it.
    let source: CapturedTable
    /// As the target gets it.
    let table: CapturedTable
    /// In the order of `table`.
    let columns: [ShapedColumn]
    let computed: [String: Computed]
    let filter: String?

    /// Nothing but another name for the table: its rows are read as ever.
    var leavesRows: Bool { filter == nil && leavesColumns }
    private var leavesColumns: Bool { computed.isEmpty && table.columns == source.columns && table.keyColumns == source.keyColumns }

    /// - Throws: `TidemarkError` where the rules are none for this table.
    init(_ source: CapturedTable, by rules: TableRules, in session: PostgresSession) throws {
        let names = source.columns.map(\.name)
        let shaping = rules.shaping(of: source.name, having: names)
        if let fault = shaping.faults(columns: names, key: source.keyColumns).first {
            throw TidemarkError("a table cannot be shaped", table: source.name, why: fault.why, remedy: fault.remedy)
        }
        let columns = shaping.columns(of: names, key: source.keyColumns)
        let computed = try ExpressionTypes(of: source, in: session).computed(columns)
        var table = source
        let types = Dictionary(source.columns.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        table.columns = columns.compactMap { column in
            if let computed = computed[column.name] { return CapturedColumn(name: column.name, type: computed.type) }
            guard var known = column.source.flatMap({ types[$0] }) else { return nil }
            known.name = column.name
            return known
        }
        table.keyColumns = source.keyColumns.map { shaping.renamedColumns[$0] ?? $0 }
        let target = rules.target(of: source.name)
        table.targetName = target == source.name ? nil : target
        (self.source, self.table, self.columns, self.computed, filter) = (source, table, columns, computed, shaping.filter)
    }

    // MARK: Rows of the log

    /// The image that the target gets, from one that capture wrote, in `image`; NULL where the row is none of the target's.
    var loggedImage: String {
        guard !leavesColumns else { return "case when (select (\(filter ?? "true")\n) from \(loggedRow)) then image end" }
        // Values that travel as they are stay as capture wrote them: JSON in, JSON out.
        let kept = columns.filter { computed[$0.name] == nil }.compactMap(\.source)
        let written = columns.enumerated().map { place, column in
            let value = computed[column.name].map { Self.written("e.c\(place)", isPlain: $0.isPlain) } ?? "r.\(PostgresIdentifier.quoted(column.source ?? column.name))"
            return "\(value) as \(PostgresIdentifier.quoted(column.name))"
        }
        var from: [String] = []
        if !kept.isEmpty {
            from.append("json_to_record(image::json) as r(\(kept.map { "\(PostgresIdentifier.quoted($0)) json" }.joined(separator: ", ")))")
        }
        if filter != nil || !computed.isEmpty {
            // By itself: names in it are those of the table's columns.
            let values = columns.enumerated().compactMap { place, column in computed[column.name].map { "(\($0.sql)\n) as c\(place)" } }
            from.append("(select \(values.joined(separator: ", ")) from \(loggedRow)\(filter.map { " where (\($0)\n)" } ?? "")) e")
        }
        return """
            (select row_to_json(o.*)::text from (select \(written.joined(separator: ", "))
             from \(from.joined(separator: " cross join "))) o)
            """
    }

    /// The key with the target's names, from one that capture wrote, in `key`; nil where that is the same.
    var loggedKey: String? {
        guard table.keyColumns != source.keyColumns else { return nil }
        let members = zip(table.keyColumns, source.keyColumns).map { name, own in
            "\(PostgresIdentifier.literal(JSONString.quoted(name) + ":")) || (key::json -> \(PostgresIdentifier.literal(own)))::text"
        }
        return "'{' || \(members.joined(separator: " || ',' || ")) || '}'"
    }

    /// A row as the table had it, under the alias t, with the types that its columns had when it was logged.
    private var loggedRow: String {
        let isJSON = { (column: CapturedColumn) in column.type == "json" || column.type == "jsonb" }
        let definitions = source.columns.map { "\(PostgresIdentifier.quoted($0.name)) \(isJSON($0) ? "text" : $0.type)" }
        let values = source.columns.map { column in
            let name = PostgresIdentifier.quoted(column.name)
            return isJSON(column) ? "x.\(name)::\(column.type) as \(name)" : "x.\(name)"
        }
        return "(select \(values.joined(separator: ", ")) from json_to_record(image::json) as x(\(definitions.joined(separator: ", ")))) t"
    }

    /// As `tidemark.column_expression` writes a value.
    static func written(_ value: String, isPlain: Bool) -> String {
        isPlain ? value : "case when \(value) is distinct from null then format('%s', \(value)) end"
    }

    // MARK: Rows of the table

    /// What FROM takes instead of the table: its rows as the target gets them.
    /// - Parameter condition: of the columns that the source has.
    func relation(_ from: String, matching condition: String?) -> String {
        let values = columns.map { column in
            let value = computed[column.name].map { "(\($0.sql)\n)" } ?? "t.\(PostgresIdentifier.quoted(column.source ?? column.name))"
            return "\(value) as \(PostgresIdentifier.quoted(column.name))"
        }
        let conditions = [filter, condition].compactMap(\.self).map { "(\($0)\n)" }
        let filtered = conditions.isEmpty ? "" : " where \(conditions.joined(separator: " and "))"
        return "(select \((values + ["t.ctid"]).joined(separator: ", ")) from \(from) as t\(filtered))"
    }
}
