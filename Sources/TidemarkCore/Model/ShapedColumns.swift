/// A column of a table as its target gets it.
package struct ShapedColumn: Hashable, Sendable {
    /// As the target calls it.
    package var name: String
    /// The column of the source's table that it is, or stands for; nil for one that only the target has.
    package var source: String?
    /// What is read instead of the column's own value.
    package var sql: String?

    package init(name: String, source: String?, sql: String? = nil) { (self.name, self.source, self.sql) = (name, source, sql) }
}

extension TableShaping {
    /// What travels of a table with these columns, in their order; columns that only the target has come last.
    package func columns(of columns: [String], key: [String]) -> [ShapedColumn] {
        let known = Set(columns)
        let travelling = columns.filter { column in
            key.contains(column) || !omitted.contains(column) && (self.columns?.contains(column) ?? true) || expressions.contains { $0.column == column }
        }
        return travelling.map { column in
            ShapedColumn(name: renamedColumns[column] ?? column, source: column, sql: expressions.first { $0.column == column }?.sql)
        } + expressions.filter { !known.contains($0.column) }.map { ShapedColumn(name: renamedColumns[$0.column] ?? $0.column, source: nil, sql: $0.sql) }
    }

    /// What is wrong with the rule by the names alone, each with what to do.
    package func faults(columns: [String], key: [String]) -> [(why: String, remedy: String)] {
        let known = Set(columns)
        var found: [(String, String)] = []
        func unknown(_ names: some Sequence<String>, _ word: String) {
            for name in names where !known.contains(name) {
                found.append(("\(word): names the column \(name), which the table does not have", "It has \(columns.joined(separator: ", ")): name one of these."))
            }
        }
        unknown(self.columns ?? [], "columns")
        unknown(omitted, "omit")
        unknown(renamedColumns.keys.sorted().filter { name in !expressions.contains { $0.column == name } }, "rename")
        for column in omitted where key.contains(column) {
            found.append(("omit: names \(column), a column of the key, by which rows are found", "Take it out of omit:; rename: may give it another name."))
        }
        for expression in expressions where key.contains(expression.column) {
            found.append(
                ("set: names \(expression.column), a column of the key, by which rows are found", "Leave it as it is, or give the table another key. An expression may go into a column of its own."))
        }
        let names = self.columns(of: columns, key: key).map(\.name)
        for name in Set(names).sorted() where names.filter({ $0 == name }).count > 1 {
            found.append(("the target would get two columns called \(name)", "Leave one of them out with omit:, or give it another name with rename:."))
        }
        return found
    }
}

extension TableRules {
    /// Does anything of a table's rows differ at the target from what the source has?
    package func changesRows(of table: TableName) -> Bool {
        var shaping = named(table)
        shaping.target = nil
        return tenant != nil || !shaping.isNone
    }

    /// Sequences as the target finds its own: by the tables and columns as they are called there. One whose columns do not travel
    /// has nobody there who would ask it.
    package func shaped(_ states: [SequenceState]) -> [SequenceState] {
        guard isShaping else { return states }
        return states.compactMap { state in
            var shaped = state
            shaped.identity.columns = state.identity.columns.compactMap { column in
                let shaping = named(column.table)
                let travels = !shaping.omitted.contains(column.column) && (shaping.columns?.contains(column.column) ?? true)
                guard travels, !shaping.expressions.contains(where: { $0.column == column.column }) else { return nil }
                return SequenceState.Column(target(of: column.table), shaping.renamedColumns[column.column] ?? column.column)
            }
            guard !shaped.identity.columns.isEmpty || state.identity.columns.isEmpty else { return nil }
            shaped.identity.name = state.identity.name.map { name in TableName(schema: name.schema.map { schemas[$0] ?? $0 }, name: name.name) }
            return shaped
        }
    }

    /// The copy with the shape that its rows get now.
    package func shaped(_ copy: TableCopy) -> TableCopy {
        var copy = copy
        copy.shape = shape(of: copy.table)
        return copy
    }

    /// What a table's target has of it, as it is kept with its copy; nil where that is all, under the same name. Expressions are kept as
    /// a checksum: what a hash of personal data is salted with has to stay away from the target.
    package func shape(of table: TableName) -> String? {
        let shaping = named(table)
        var lines: [String] = []
        if let tenant { lines.append("tenant: \(tenant.column) = \(tenant.value)") }
        if let filter = shaping.filter { lines.append("where: \(filter)") }
        if let columns = shaping.columns { lines.append("columns: \(columns.sorted().joined(separator: ", "))") }
        if !shaping.omitted.isEmpty { lines.append("omit: \(shaping.omitted.sorted().joined(separator: ", "))") }
        lines += shaping.expressions.sorted { $0.column < $1.column }.map { "set: \($0.column) (checksum \(Self.checksum($0.sql)))" }
        lines += shaping.renamedColumns.sorted { $0.key < $1.key }.map { "rename: \($0.key) = \($0.value)" }
        let target = target(of: table)
        if target != table { lines.append("to: \(target)") }
        return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }

    /// FNV-1a of 64 bits.
    private static func checksum(_ text: String) -> String {
        String(text.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }, radix: 16)
    }
}
