import TidemarkCore

/// Keys at which a part of a table can be cut.
struct PartKeys {
    private let database: SQLiteDatabase
    private let rows: TableRows

    init(_ database: SQLiteDatabase, _ rows: TableRows) {
        self.database = database
        self.rows = rows
    }

    /// A key with so many rows of the part up to it; nil where there are no more than that, or the table has no key.
    func key(in part: TablePart, afterRows count: Int) throws -> String? {
        guard rows.isKeyed else { return nil }
        // Rows that do not travel are read as well, and so no part is longer than it may be.
        let (condition, values) = try rows.condition(of: part, travelling: false)
        let columns = rows.keyColumns.map(rows.reference).joined(separator: ", ")
        // The row behind it says that there are more.
        let found = try database.rows(
            """
            SELECT \(columns) FROM \(rows.quotedName) WHERE \(condition) ORDER BY \(rows.keyOrder) LIMIT 2 OFFSET \(max(count, 1) - 1)
            """, values)
        return found.count == 2 ? RowText(keysOf: rows).text(found[0]) : nil
    }
}
