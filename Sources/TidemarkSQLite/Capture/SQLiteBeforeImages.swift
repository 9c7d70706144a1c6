/// The SQL of triggers that log, before a write to a table with a key, what stands: statements about single rows that are
/// true at that moment. Nothing changes between a place of the log and the first of them about a row, and so that one
/// says what the row was there, whatever nested statements, REPLACE, or a conflict that is ignored come to later.
struct SQLiteBeforeImages: Sendable {
    private let table: SQLiteTable
    private let capture: Int64
    private let notes: SQLiteNotes

    static let letter = UInt8(ascii: "B")

    init(table: SQLiteTable, capture: Int64, notes: SQLiteNotes) {
        (self.table, self.capture, self.notes) = (table, capture, notes)
    }

    /// BEFORE INSERT: the rows that it could replace, and that there is none with the new one's key. This last is what tells
    /// a new row that a trigger changes before its insertion is logged from one that was there.
    var insertion: [String] { standing(besidesOld: false) + [absent(where: nil)] + (assigned.map { [$0] } ?? []) }

    /// BEFORE UPDATE.
    var update: [String] { [old] + standing(besidesOld: true) + [absent(where: notes.keyIsAnother)] }

    /// BEFORE DELETE, and UPDATE.
    var old: String { notes.log("B", key: notes.identity("OLD"), image: image("OLD")) }

    /// The rows that stand in the way of NEW, by its key and by whatever else is unique.
    private func standing(besidesOld: Bool) -> [String] {
        let byKey = [notes.lookup { newKeyValue($0.column ?? "") }]
        return ([byKey] + notes.slots.map(notes.conflicts)).map { conditions in
            let all = conditions + (besidesOld ? ["\(notes.identity(notes.row)) <> \(notes.identity("OLD"))"] : [])
            return notes.log("B", key: notes.identity(notes.row), image: image(notes.row))
                + " FROM \(notes.from) WHERE \(all.joined(separator: " AND "))"
        }
    }

    private func absent(where condition: String?) -> String {
        let columns = table.key?.columns ?? []
        let key = SQLiteEncoding.object(columns, of: "tidemark_new")
        let values = columns.map { "\(newKeyValue($0)) AS \(SQLiteIdentifier.quoted($0))" }.joined(separator: ", ")
        let found = notes.lookup { newKeyValue($0.column ?? "") }
        return notes.log("B", key: key, image: "NULL") + " FROM (SELECT \(values)) AS tidemark_new WHERE "
            + (condition.map { "\($0) AND " } ?? "")
            + "NOT EXISTS (SELECT 1 FROM \(notes.from) WHERE \(found) AND \(notes.identity(notes.row)) = \(key))"
    }

    /// A key that SQLite assigns is not known yet, and reads as -1: it will be above all that are there.
    private var assigned: String? {
        guard let key = table.key, key.isRowID, let name = key.columns.first.map(SQLiteIdentifier.quoted) else { return nil }
        return notes.log("B", key: "NULL", image: "coalesce((SELECT max(\(notes.row).\(name)) FROM \(notes.from)), -9223372036854775808)")
            + " WHERE coalesce(NEW.\(name), -1) = -1"
    }

    /// As the table will hold it: a BEFORE trigger sees an integer that a REAL column is given as it is.
    private func newKeyValue(_ name: String) -> String {
        guard let column = table.columns.first(where: { $0.name == name }) else { return "NULL" }
        let value = SQLiteNotes.newValue(column)
        return column.affinity == .real ? "(CASE typeof(\(value)) WHEN 'integer' THEN cast(\(value) AS REAL) ELSE \(value) END)" : value
    }

    private func image(_ row: String) -> String { SQLiteEncoding.object(table.columns.map(\.name), of: row) }
}
