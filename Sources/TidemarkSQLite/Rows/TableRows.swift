import TidemarkCore

/// A captured table as one side reads its rows: by which names, and by which index its keys are found and ordered.
struct TableRows {
    enum Role {
        case source, target
    }

    let captured: CapturedTable
    let table: SQLiteTable
    /// Here, in the order of `captured.columns`. One that is computed on its way has the name that it gets.
    let columns: [SQLiteTable.Column]
    /// What is read of them, as SQL, in the same order.
    let values: [String]
    /// A condition that rows have to fulfil to be read at all.
    private let filter: String?
    /// Of the key's index, in the order of `captured.keyColumns`; empty where the table has no key.
    let keyTerms: [SQLiteTable.Index.Term]
    let quotedName: String

    /// - Parameter shape: how a source's rows travel; `captured` says the same of them as its `shaped`.
    init(_ captured: CapturedTable, in database: SQLiteDatabase, role: Role, pipeline: String? = nil, shape: RowShape? = nil) throws {
        let logged = shape?.captured ?? captured
        let found = TargetShape(logged, pipeline: pipeline)
        do {
            let table = try found.table(in: database)
            let own = try logged.columns.map { try found.column($0, of: table) }
            keyTerms = try found.keyTerms(of: table)
            self.table = table
            columns = shape?.columns(among: own) ?? own
            values = shape?.expressions(in: table.name, columns: own.map(\.name)) ?? own.map { Self.reference($0, in: table) }
            filter = shape?.condition
        } catch {
            guard role == .source, error is TidemarkError else { throw error }
            throw TidemarkError(
                "a table is not as it was captured", table: captured.name,
                why: "the table, a column or the key that its capture was made for is gone",
                remedy: "Type: tidemark setup …, and then the command again.")
        }
        self.captured = captured
        quotedName = "main.\(SQLiteIdentifier.quoted(table.name))"
    }

    var isKeyed: Bool { !keyTerms.isEmpty }

    /// The key's columns here, in the order of `captured.keyColumns`.
    var keyColumns: [SQLiteTable.Column] {
        captured.keyColumns.compactMap { name in captured.columns.firstIndex { $0.name == name }.map { columns[$0] } }
    }

    /// Where the key's columns are among all columns.
    var keyPlaces: [Int32] {
        captured.keyColumns.compactMap { name in captured.columns.firstIndex { $0.name == name }.map(Int32.init) }
    }

    /// What keys are ordered by. Integers alone compare in every engine as they do here.
    var order: [String] {
        zip(keyTerms, keyColumns).map { term, column in
            if isRowID(column) || (table.isStrict && column.affinity == .integer) { return "integer" }
            return "sqlite/\(term.collation.uppercased())/\(column.affinity)"
        }
    }

    func isRowID(_ column: SQLiteTable.Column) -> Bool {
        table.key.map { $0.isRowID && $0.columns == [column.name] } ?? false
    }

    /// A column, qualified by the table, which has no other name in these statements.
    func reference(_ column: SQLiteTable.Column) -> String { Self.reference(column, in: table) }

    private static func reference(_ column: SQLiteTable.Column, in table: SQLiteTable) -> String {
        "\(SQLiteIdentifier.quoted(table.name)).\(SQLiteIdentifier.quoted(column.name))"
    }

    var columnList: String { values.joined(separator: ", ") }

    /// Selects the row with a key, if it travels.
    var rowByKey: String { "SELECT \(columnList) FROM \(quotedName) WHERE \(([keyMatch()] + filters).joined(separator: " AND "))" }

    /// Does the row travel? 1 or 0.
    var travels: String { filter.map { "(\($0) IS TRUE)" } ?? "1" }

    private var filters: [String] { filter.map { [$0] } ?? [] }

    /// How many rows travel, where they are no more than so many.
    func count(upTo rowsMax: Int64) -> String {
        "SELECT count(*) FROM (SELECT 1 FROM \(quotedName) WHERE \(filter ?? "1") LIMIT \(rowsMax))"
    }

    /// Exactly the row with a key: by the key's index, and then by storage class and bytes, as equal under a collation
    /// is not the same key.
    func keyMatch(firstPlace: Int = 1) -> String {
        let isExact = SQLiteTable.Key(terms: keyTerms, isRowID: false).isExact(in: table)
        return zip(keyTerms, keyColumns).enumerated().map { place, pair in
            let (name, parameter) = (reference(pair.1), "?\(place + firstPlace)")
            let found = "\(name) = \(collated(parameter, pair.0, pair.1))"
            return isExact ? found : "\(found) AND \(TargetTable.isSame(name, parameter))"
        }.joined(separator: " AND ")
    }

    /// In the order of keys.
    var keyOrder: String {
        zip(keyTerms, keyColumns).map { term, column in collated(reference(column), term, column) }.joined(separator: ", ")
    }

    /// The condition of a part that is a range, and the values for its parameters.
    /// - Parameter travelling: only of rows that travel.
    func condition(of part: TablePart, travelling: Bool = true) throws -> (sql: String, values: [SQLiteValue]) {
        precondition(part.keys == nil, "a list of keys is no range")
        var conditions: [String] = []
        var values: [SQLiteValue] = []
        let names = keyColumns.map(reference)
        for (bound, comparison) in [(part.after, ">"), (part.through, "<=")] {
            guard let bound else { continue }
            let row = try RowKey(self).values(bound)
            let parameters = zip(keyTerms, keyColumns).enumerated().map { place, pair in
                collated("?\(values.count + place + 1)", pair.0, pair.1)
            }
            values += row
            // A value of one column is no row value in SQLite.
            conditions.append(
                names.count == 1
                    ? "\(names[0]) \(comparison) \(parameters[0])"
                    : "(\(names.joined(separator: ", "))) \(comparison) (\(parameters.joined(separator: ", ")))")
        }
        if !conditions.isEmpty { conditions = [withNulls(conditions.joined(separator: " AND "), isFirst: part.after == nil)] }
        // On a line of its own, so that a comment in it does not hide what follows.
        if let typed = part.condition { conditions.append("(\(typed)\n)") }
        if travelling { conditions += filters }
        return (conditions.isEmpty ? "1" : conditions.joined(separator: " AND "), values)
    }

    /// A target's index may let NULL into the key. Such rows lie between no two keys: they belong to the first part.
    private func withNulls(_ range: String, isFirst: Bool) -> String {
        let nullable = keyColumns.filter { column in
            !column.notNull && !isRowID(column) && !(table.isWithoutRowID && column.primaryKeyPosition > 0)
        }.map(reference)
        guard !nullable.isEmpty else { return range }
        return isFirst
            ? "(\(range) OR \(nullable.map { "\($0) IS NULL" }.joined(separator: " OR ")))"
            : "\(range) AND \(nullable.map { "\($0) IS NOT NULL" }.joined(separator: " AND "))"
    }

    /// With the collation of the key's index, which need not be the column's.
    private func collated(_ sql: String, _ term: SQLiteTable.Index.Term, _ column: SQLiteTable.Column) -> String {
        isRowID(column) ? sql : "\(sql) COLLATE \(SQLiteIdentifier.quoted(term.collation))"
    }
}
