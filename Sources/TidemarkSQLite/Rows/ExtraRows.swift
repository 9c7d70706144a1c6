import TidemarkCore

/// Finds the rows of a part whose keys are in none of a source's pages.
struct ExtraRows {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let pipeline: String

    init(_ database: SQLiteDatabase, _ rows: TableRows, pipeline: String) {
        self.database = database
        self.rows = rows
        self.pipeline = pipeline
    }

    func find(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws {
        let seen = try SeenKeys(database, rows, pipeline: pipeline)
        while let page = try nextPage() { try seen.take(page) }
        try report(try seen.others(in: part), receive)
        try seen.drop()
    }

    private func report(_ others: (sql: String, values: [SQLiteValue]), _ receive: (RowDifference) throws -> Void) throws {
        let text = RowText(keysOf: rows)
        let keys = rows.keyColumns.map(rows.reference).joined(separator: ", ")
        let statement = try database.prepare("SELECT \(keys) FROM \(rows.quotedName) WHERE \(others.sql)")
        try statement.bind(others.values)
        defer { statement.reset() }
        while try statement.step() { try receive(RowDifference(.extra, key: text.text(statement.row()))) }
    }
}
