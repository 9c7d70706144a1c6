import TidemarkCore

/// A table of the target as one generation of capture writes it: its statements, and how images meet its columns.
final class TargetTable {
    let captured: CapturedTable
    let table: SQLiteTable
    /// The target's table, whatever generation writes it.
    let slot: Int64
    let image: ImageBinder
    let key: ImageBinder
    /// Columns that only the target has, and that somebody may have written.
    let ownColumns: [String]
    /// A row without key that gives up a unique value must go before the row that takes it: the window's changes of
    /// such a table are netted first.
    let netsWholeRows: Bool

    private let database: SQLiteDatabase
    let written: [SQLiteTable.Column]
    let keyTerms: [SQLiteTable.Index.Term]
    private let keyIsExact: Bool
    private(set) lazy var quotedName = "main.\(SQLiteIdentifier.quoted(table.name))"

    private var prepared: [Statement: SQLiteStatement] = [:]
    /// So many rows are written by one run of a statement that writes several.
    private(set) lazy var together = written.isEmpty ? 1 : Self.valuesMax / written.count

    /// So many values at most take part in one run.
    private static let valuesMax = 256

    enum Statement: Hashable {
        case upsert, upsertSeveral, insert, insertSeveral, delete, deleteWholeRows, clear, find
    }

    /// - Throws: a `TidemarkError` where the target cannot take the table's changes.
    init(_ captured: CapturedTable, slot: Int64, in database: SQLiteDatabase, pipeline: String) throws {
        self.captured = captured
        self.slot = slot
        self.database = database
        let shape = TargetShape(captured, pipeline: pipeline)
        let table = try shape.table(in: database)
        self.table = table
        let found = try captured.columns.map { column in
            let target = try shape.column(column, of: table)
            return ImageBinder.Column(source: column, target: target, isRowID: Self.isRowID(target, of: table))
        }
        // The target computes these itself; the values of a key are needed all the same, to find the row.
        let columns = found.map { column in
            var column = column
            if column.target?.isGenerated == true { column.target = nil }
            return column
        }
        written = columns.compactMap(\.target)
        image = ImageBinder(columns, encoding: captured.encoding)
        let keys = captured.keyColumns.compactMap { name in found.first { $0.source.name == name } }
        key = ImageBinder(keys, encoding: captured.encoding)
        keyTerms = try shape.keyTerms(of: table)
        keyIsExact = SQLiteTable.Key(terms: keyTerms, isRowID: false).isExact(in: table)
        let known = Set(written.map { SQLiteIdentifier.folded($0.name) })
        ownColumns = table.columns.filter { !$0.isGenerated && !known.contains(SQLiteIdentifier.folded($0.name)) }.map(\.name)
        netsWholeRows = captured.keyColumns.isEmpty && !table.uniqueIndexes.isEmpty
    }

    /// Are two keys one row exactly if their text is the same?
    var comparesKeysByText: Bool { !captured.keyColumns.isEmpty && keyIsExact }

    /// May another row than the one with its key hold a row's unique value?
    var hasFurtherUniqueValues: Bool {
        let key = Set(keyTerms.compactMap(\.column))
        if let own = table.key, own.isRowID, Set(own.columns) != key { return true }
        return table.uniqueIndexes.contains { $0.predicate != nil || Set($0.terms.map(\.column)) != Set(key.map { $0 }) }
    }

    private static func isRowID(_ column: SQLiteTable.Column, of table: SQLiteTable) -> Bool {
        guard let key = table.key, key.isRowID else { return false }
        return key.columns == [column.name]
    }

    /// Prepared once.
    func statement(_ kind: Statement) throws(SQLiteFailure) -> SQLiteStatement {
        if let known = prepared[kind] { return known }
        let sql =
            switch kind {
            case .upsert: insertion(of: 1) + onConflict
            case .upsertSeveral: insertion(of: together) + onConflict
            case .insert: insertion(of: 1)
            case .insertSeveral: insertion(of: together)
            case .delete: "DELETE FROM \(quotedName) WHERE \(keyMatch)"
            case .deleteWholeRows: wholeRowDeletion
            case .clear: "DELETE FROM \(quotedName)"
            case .find: "SELECT \(written.map(quoted).joined(separator: ", ")) FROM \(quotedName) WHERE \(keyMatch) LIMIT 1"
            }
        let statement = try database.prepare(sql)
        prepared[kind] = statement
        return statement
    }

    /// What `find` reads.
    var columnNames: [String] { written.map(\.name) }

    private func quoted(_ column: SQLiteTable.Column) -> String { SQLiteIdentifier.quoted(column.name) }

    private func insertion(of rows: Int) -> String {
        guard !written.isEmpty else { return "INSERT INTO \(quotedName) DEFAULT VALUES" }
        let names = written.map(quoted).joined(separator: ", ")
        let values = (0..<rows).map { row in
            "(\(written.indices.map { "?\(row * written.count + $0 + 1)" }.joined(separator: ", ")))"
        }
        return "INSERT INTO \(quotedName) (\(names)) VALUES \(values.joined(separator: ", "))"
    }

    /// What makes an insertion one of rows that may stand.
    var onConflict: String {
        // Where equal keys have one form only, setting the key again would rewrite every index for nothing.
        let settable = keyIsExact ? written.filter { column in !keyTerms.contains { $0.column == column.name } } : written
        let target = keyTerms.map(\.sql).joined(separator: ", ")
        let assignments = settable.map { "\(quoted($0)) = excluded.\(quoted($0))" }.joined(separator: ", ")
        return " ON CONFLICT (\(target)) DO " + (assignments.isEmpty ? "NOTHING" : "UPDATE SET \(assignments)")
    }

    /// By the key's index, and then by storage class and bytes: equal under a collation is not the same key.
    private var keyMatch: String {
        keyTerms.enumerated().map { place, term in
            let parameter = "?\(place + 1)"
            let collation = SQLiteIdentifier.quoted(term.collation)
            let found = "\(term.sql) = \(parameter) COLLATE \(collation)"
            guard !keyIsExact else { return found }
            return "\(found) AND \(Self.isSame(term.sql, parameter))"
        }.joined(separator: " AND ")
    }

    /// One row, or as many as the last parameter says, of those that hold exactly these values.
    private var wholeRowDeletion: String {
        let rowID = table.rowIDName ?? "rowid"
        let match = written.enumerated().map { Self.isSame(quoted($1), "?\($0 + 1)") }
        return """
            DELETE FROM \(quotedName) WHERE \(rowID) IN (SELECT \(rowID) FROM \(quotedName) \
            WHERE \(Self.all(match[...])) LIMIT ?\(written.count + 1))
            """
    }

    /// The parameter of `deleteWholeRows` that takes the count.
    var countPlace: Int32 { Int32(written.count + 1) }

    static func isSame(_ one: String, _ other: String) -> String {
        "(\(one) COLLATE BINARY IS \(other) AND typeof(\(one)) = typeof(\(other)))"
    }

    /// Conditions joined as a balanced tree: a chain of 2,000 columns is deeper than SQLite's limit of 1,000.
    static func all(_ conditions: ArraySlice<String>) -> String {
        guard conditions.count > 1 else { return conditions.first ?? "1" }
        let middle = conditions.startIndex + conditions.count / 2
        return "(\(all(conditions[..<middle])) AND \(all(conditions[middle...])))"
    }

    /// A temporary table that holds whole rows with the affinities that they have here, and what fills and joins it.
    func wholeRowsTable(_ name: String) -> (create: String, insert: String, index: String, delete: String) {
        let columns = written.enumerated().map { "\(quoted($1)) AS c\($0)" }
        let places = (0..<(written.count + 2)).map { "?\($0 + 1)" }.joined(separator: ", ")
        let match = written.enumerated().map { Self.isSame("g.c\($0)", "s.\(quoted($1))") }
        let rowID = table.rowIDName ?? "rowid"
        return (
            "CREATE TEMP TABLE \(name) AS SELECT \((columns + ["0 AS times", "0 AS change"]).joined(separator: ", ")) FROM \(quotedName) WHERE 0",
            "INSERT INTO temp.\(name) VALUES (\(places))",
            "CREATE INDEX temp.\(name)_rows ON \(name) (\(written.indices.prefix(6).map { "c\($0)" }.joined(separator: ", ")))",
            """
            DELETE FROM \(quotedName) WHERE \(rowID) IN (SELECT r FROM (SELECT s.\(rowID) AS r, g.times AS times, \
            row_number() OVER (PARTITION BY g.rowid ORDER BY s.\(rowID)) AS nth \
            FROM \(quotedName) AS s CROSS JOIN temp.\(name) AS g WHERE \(Self.all(match[...]))) WHERE nth <= times)
            """
        )
    }
}
