import TidemarkCore

/// The columns of a table that say which rows have changed: in what order rows come, and which of them are read.
///
/// Values are compared as SQLite compares them. One writer at a time makes all rows up to the highest mark visible together, so
/// nothing but the application's clock can bring a row with a lower one later.
struct MarkColumns {
    private let table: TableRows
    private let reading: IncrementalReading
    private let columns: [SQLiteTable.Column]
    private let references: [String]

    init(_ reading: IncrementalReading, of table: TableRows) throws {
        self.table = table
        self.reading = reading
        columns = try reading.columns.map { name in
            let folded = SQLiteIdentifier.folded(name)
            guard let column = table.table.columns.first(where: { SQLiteIdentifier.folded($0.name) == folded }) else {
                throw TidemarkError(
                    "what has changed in a table cannot be told", table: table.captured.name,
                    why: "by: names a column \(SQLiteIdentifier.quoted(name)), which the table has not",
                    remedy: "It has \(table.table.columns.map(\.name).joined(separator: ", ")): correct the table's by:.")
            }
            return column
        }
        references = columns.map(table.reference)
        guard !table.captured.keyColumns.isEmpty else {
            throw TidemarkError(
                "a table without a key cannot be read by what has changed", table: table.captured.name,
                why: "which row of the target is which of the source's, only a key says",
                remedy: "Give it a key: CREATE UNIQUE INDEX … on columns that are NOT NULL; or say mode: full for it, which compares whole rows.",
                isAboutData: true)
        }
    }

    // MARK: Marks

    /// Selects the highest; by an index of the columns, where there is one.
    var highest: String {
        let order = references.map { "\($0) DESC" }.joined(separator: ", ")
        let isThere = references.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
        return "SELECT \(references.joined(separator: ", ")) FROM \(table.quotedName) WHERE \(isThere) ORDER BY \(order) LIMIT 1"
    }

    func mark(_ values: [SQLiteValue]) -> ChangeMark {
        ChangeMark(json: RowText(columns.map { CapturedColumn(name: $0.name, type: "") }, encoding: .storageClasses).text(values))
    }

    /// Before every value.
    var none: ChangeMark { mark(columns.map { _ in .null }) }

    /// - Returns: nil where it is before every value.
    private func values(_ mark: ChangeMark?) throws -> [SQLiteValue]? {
        guard let mark else { return nil }
        do {
            let values = try RowKey(columns, of: table.captured.name).values(mark.json)
            return values.contains(.null) ? nil : values
        } catch {
            throw TidemarkError(
                "how far a table was read cannot be told", table: table.captured.name,
                why: "its mark is \(mark.json), and by: names \(columns.map(\.name).joined(separator: ", "))",
                remedy: "Delete the table's row of sync_unit in the target (tidemark_sync_unit in SQLite): it is read from its beginning then.")
        }
    }

    // MARK: Rows

    /// Rows without a value, which may have changed each time.
    var isWithout: String { "(\(references.map { "\($0) IS NULL" }.joined(separator: " OR ")))" }

    var order: String { references.joined(separator: ", ") }

    /// The condition of rows behind a mark, up to and with another, and the values for its parameters; nil where there are none.
    func range(after mark: ChangeMark?, through end: ChangeMark) throws -> (sql: String, values: [SQLiteValue])? {
        guard let last = try values(end) else { return nil }
        var conditions: [String] = []
        var given: [SQLiteValue] = []
        func add(_ comparison: String, _ values: [SQLiteValue]) {
            let places = values.indices.map { "?\(given.count + $0 + 1)" }
            given += values
            // A value of one column is no row value in SQLite.
            conditions.append(
                values.count == 1
                    ? "\(references[0]) \(comparison) \(places[0])"
                    : "(\(references.joined(separator: ", "))) \(comparison) (\(places.joined(separator: ", ")))")
        }
        if let first = try values(mark) {
            let bound = try lower(first)
            add(bound.comparison, bound.values)
        }
        if let start = reading.start { add(">=", [self.start(start, as: last[0])]) }
        add("<=", last)
        conditions += references.map { "\($0) IS NOT NULL" }
        return (conditions.joined(separator: " AND "), given)
    }

    /// Can rows behind this mark be told, once it is the last one?
    func check(_ mark: ChangeMark) throws {
        if let values = try values(mark) { _ = try lower(values) }
    }

    private func lower(_ mark: [SQLiteValue]) throws -> (comparison: String, values: [SQLiteValue]) {
        let strategy = try strategy(for: mark[0])
        if strategy == .timestamp, reading.overlapSeconds > 0 {
            guard let start = MarkTime.earlier(mark[0], bySeconds: reading.overlapSeconds) else { throw unclear() }
            return (">=", [start])
        }
        // With a version, all rows of one were written together. Another time may come twice, and so may a number that has no
        // AUTOINCREMENT: one that was deleted last.
        return (strategy == .version || mark.count > 1 ? ">" : ">=", mark)
    }

    /// What is not said, the type says, and where that is any, the value.
    private func strategy(for value: SQLiteValue) throws -> IncrementalReading.Strategy {
        if let strategy = reading.strategy { return strategy }
        let type = columns[0].declaredType.uppercased()
        if type.contains("DATE") || type.contains("TIME") { return .timestamp }
        if table.table.key?.columns == [columns[0].name], value.integer != nil { return .autoIncrement }
        if MarkTime(value) != nil { return .timestamp }
        guard case .text = value else { return .version }
        throw unclear()
    }

    private func unclear() -> TidemarkError {
        TidemarkError(
            "what has changed in a table cannot be told", table: table.captured.name,
            why: "the values of \(SQLiteIdentifier.quoted(columns[0].name)) are no times that can be gone back in by \(reading.overlapSeconds) s: those are"
                + " texts such as 2026-01-02 03:04:05 without a zone or with Z, Julian days, and seconds, milliseconds, microseconds or"
                + " nanoseconds since 1970",
            remedy: "Say strategy: version for the table if they grow with each change, or overlap: off if no row comes late.")
    }

    /// A text that was typed, as the column's values are.
    private func start(_ text: String, as value: SQLiteValue) -> SQLiteValue {
        let stored = columns[0].affinity.stored(.string(text))
        guard case .text = stored, value.isNumber else { return stored }
        return SQLiteTable.Affinity.numeric.stored(stored)
    }
}

extension SQLiteValue {
    fileprivate var isNumber: Bool {
        switch self {
        case .integer, .real: true
        default: false
        }
    }
}
