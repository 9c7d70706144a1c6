import TidemarkCore

/// The tables whose rows SQLite numbers: with AUTOINCREMENT on from all numbers that were ever given, else on from the largest.
struct RowNumbers {
    struct Entry {
        let table: String
        let column: String
        let isAutoincrement: Bool
    }

    static func all(in database: SQLiteDatabase) throws(SQLiteFailure) -> [Entry] {
        try SQLiteCatalog(database).tables().compactMap { table in
            guard let key = table.key, key.isRowID, let column = key.columns.first else { return nil }
            return Entry(table: table.name, column: column, isAutoincrement: database.isAutoincrement(column, of: table.name))
        }
    }
}

/// Reads where the numbers stand, in the caller's transaction.
final class RowNumberReading {
    private let database: SQLiteDatabase
    private var basis: (schema: SQLiteValue?, selection: TableSelection)?
    private var entries: [RowNumbers.Entry] = []
    private var statements: [SQLiteStatement] = []
    /// SQLite takes a compound of 500.
    private static let tablesPerStatement = 200

    init(_ database: SQLiteDatabase) { self.database = database }

    func states(taking selection: TableSelection) throws(SQLiteFailure) -> [SequenceState] {
        let schema = try database.rows("PRAGMA main.schema_version").first?.first
        if basis?.schema != schema || basis?.selection != selection {
            basis = nil
            entries = try RowNumbers.all(in: database).filter { selection.takes(TableName(schema: nil, name: $0.table)) }
            statements = try Self.texts(entries).map { text throws(SQLiteFailure) in try database.prepare(text) }
            basis = (schema, selection)
        }
        var states: [SequenceState] = []
        for statement in statements {
            // A reader that is not at its end holds the transaction open.
            defer { statement.reset() }
            while try statement.step() {
                guard case .integer(let place) = statement.column(0), case .integer(let value) = statement.column(1) else { continue }
                states.append(Self.state(entries[Int(place)], value: value))
            }
        }
        return states
    }

    private static func state(_ entry: RowNumbers.Entry, value: Int64) -> SequenceState {
        let column = SequenceState.Column(TableName(schema: nil, name: entry.table), entry.column)
        return SequenceState(
            SequenceState.Identity(columns: [column], name: nil), lastValue: max(1, value), isCalled: value > 0,
            isDeclared: entry.isAutoincrement)
    }

    /// Whatever the application may have written into sqlite_sequence, a row's number is never given again.
    private static func texts(_ entries: [RowNumbers.Entry]) -> [String] {
        stride(from: 0, to: entries.count, by: tablesPerStatement).map { first in
            (first..<min(entries.count, first + tablesPerStatement)).map { place in
                let entry = entries[place]
                let largest = "coalesce((SELECT max(\(SQLiteIdentifier.quoted(entry.column))) FROM main.\(SQLiteIdentifier.quoted(entry.table))), 0)"
                guard entry.isAutoincrement else { return "SELECT \(place), \(largest)" }
                return "SELECT \(place), max(coalesce((SELECT max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = "
                    + "\(SQLiteIdentifier.literal(entry.table))), 0), \(largest))"
            }.joined(separator: " UNION ALL ")
        }
    }
}
