import TidemarkCore

/// Keeps the numbers that a target gives its rows where the source's sequences are. SQLite counts up by one, whatever
/// the source does.
final class TargetRowNumbers {
    private let database: SQLiteDatabase
    private var schema: SQLiteValue?
    private var autoincrement: [String: RowNumbers.Entry] = [:]

    init(_ database: SQLiteDatabase) { self.database = database }

    /// In the caller's write transaction.
    func advance(_ states: [SequenceState]) throws(SQLiteFailure) {
        guard !states.isEmpty else { return }
        try refresh()
        for state in states where state.increment > 0 {
            for entry in entries(of: state) { try raise(entry, to: state) }
        }
    }

    /// - Returns: what could not be set, in words.
    func set(_ states: [SequenceState], margin: Int64) throws(SQLiteFailure) -> [String] {
        try advance(states.map { $0.ahead(by: margin) })
        return try findings(states).map { "\($0.what). \($0.remedy)" }
    }

    /// What `check` says of them.
    func findings(_ states: [SequenceState]) throws(SQLiteFailure) -> [Finding] {
        try refresh()
        return states.filter(\.isDeclared).compactMap { state in
            guard let column = state.identity.columns.first else {
                return Finding(
                    .note, "SQLite has no sequences, and the source's applications may ask \(state.identity.name?.description ?? "one"), which"
                        + " stands at \(state.lastValue)",
                    remedy: "If they do, let them take their numbers from a table there.")
            }
            guard state.increment > 0 else {
                return Finding(
                    .note, table: column.table, "the source's numbers in \(column.column) count down, and SQLite's only up",
                    remedy: "Let the application give the numbers there.")
            }
            guard entries(of: state).isEmpty else { return nil }
            return Finding(
                .note, table: column.table, "the target does not number the rows by \(column.column) with AUTOINCREMENT: numbers of rows"
                    + " that are deleted last may be given again",
                remedy: "Declare the column INTEGER PRIMARY KEY AUTOINCREMENT if that matters.")
        }
    }

    private func refresh() throws(SQLiteFailure) {
        let version = try database.rows("PRAGMA main.schema_version").first?.first
        guard version != schema else { return }
        let found = try RowNumbers.all(in: database).filter(\.isAutoincrement)
        autoincrement = Dictionary(found.map { (SQLiteIdentifier.folded($0.table), $0) }, uniquingKeysWith: { entry, _ in entry })
        schema = version
    }

    private func entries(of state: SequenceState) -> [RowNumbers.Entry] {
        state.identity.columns.compactMap { column in
            guard let entry = autoincrement[SQLiteIdentifier.folded(column.table.name)],
                SQLiteIdentifier.folded(entry.column) == SQLiteIdentifier.folded(column.column)
            else { return nil }
            return entry
        }
    }

    /// There is a row only for a table that numbers were given in.
    private func raise(_ entry: RowNumbers.Entry, to state: SequenceState) throws(SQLiteFailure) {
        // What SQLite gives next is one more.
        guard state.nextValue > 1 else { return }
        let value = state.nextValue - 1
        let rows = try database.rows("SELECT max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = ?", [.string(entry.table)])
        guard rows.first?.first?.integer ?? 0 < value else { return }
        let values: [SQLiteValue] = [.integer(value), .string(entry.table)]
        _ = try database.rows("UPDATE main.sqlite_sequence SET seq = ? WHERE name = ?", values)
        if database.changes == 0 { _ = try database.rows("INSERT INTO main.sqlite_sequence (seq, name) VALUES (?, ?)", values) }
    }
}
