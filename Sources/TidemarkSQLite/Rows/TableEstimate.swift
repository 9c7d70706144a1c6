import TidemarkCore

/// How large a table is, without reading it.
struct TableEstimate {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let sampleRows = 200
    /// Below it, a table is simply counted.
    private let countedMax = Int64(10_000)

    init(_ database: SQLiteDatabase, _ rows: TableRows) {
        self.database = database
        self.rows = rows
    }

    func size() throws -> TableSize {
        let rowBytes = try averageRowBytes()
        let counted = try number("SELECT count(*) FROM (SELECT 1 FROM \(rows.quotedName) LIMIT \(countedMax))") ?? 0
        // How many of a larger table's rows travel is not looked for: parts are cut by what has to be read.
        var estimate = counted < countedMax ? try number(rows.count(upTo: countedMax)) ?? 0 : counted
        if counted == countedMax {
            let inFile = try number("SELECT page_count * page_size FROM pragma_page_count('main'), pragma_page_size('main')") ?? 0
            // The file holds every other estimate down.
            estimate = max(counted, min(try largeTable() ?? .max, inFile / max(rowBytes, 8)))
        }
        return TableSize(rows: estimate, bytes: estimate.multipliedReportingOverflow(by: rowBytes).partialValue)
    }

    private func largeTable() throws(SQLiteFailure) -> Int64? {
        guard let span = try spanOfRowIDs() else { return try analyzed() }
        // What ANALYZE counted may be old: then the table has grown, to at most the span.
        guard let analyzed = try analyzed(), span / 2 > analyzed else { return span }
        return analyzed
    }

    /// From the lowest to the highest: exact where no row was ever deleted.
    private func spanOfRowIDs() throws(SQLiteFailure) -> Int64? {
        guard let rowID = rows.table.rowIDName else { return nil }
        let ends = "(SELECT max(\(rowID)) FROM \(rows.quotedName)) - (SELECT min(\(rowID)) FROM \(rows.quotedName)) + 1"
        return try number("SELECT \(ends)")
    }

    private func analyzed() throws(SQLiteFailure) -> Int64? {
        guard try database.hasTable("sqlite_stat1") else { return nil }
        return try database.rows(
            "SELECT max(CAST(stat AS INTEGER)) FROM main.sqlite_stat1 WHERE tbl = ?", [.string(rows.table.name)]
        ).first?.first?.integer
    }

    private func averageRowBytes() throws(SQLiteFailure) -> Int64 {
        let terms = rows.values.map { "coalesce(length(CAST(\($0) AS BLOB)), 0) + 1" }
        let sums = terms.isEmpty ? ["1"] : terms
        // A chain of 2,000 columns is deeper than SQLite's limit; the first hundred say enough.
        let shown = sums.prefix(100).joined(separator: " + ")
        let found = try database.rows(
            "SELECT CAST(avg(n) AS INTEGER) FROM (SELECT \(shown) AS n FROM \(rows.quotedName) LIMIT \(sampleRows))")
        guard let bytes = found.first?.first?.integer else { return 0 }
        return sums.count > 100 ? bytes * Int64(sums.count) / 100 : bytes
    }

    private func number(_ sql: String) throws(SQLiteFailure) -> Int64? { try database.rows(sql).first?.first?.integer }
}
