/// How large the log is, by the widths of its latest rows: counting pages would read it whole.
struct LogSize {
    var firstID: Int64
    var lastID: Int64
    var averageRowBytes: Int64

    /// Nil where the log is empty.
    init?(_ database: SQLiteDatabase) throws(SQLiteFailure) {
        let rows = try database.rows(
            """
            SELECT (SELECT min(id) FROM main.data_changes), (SELECT max(id) FROM main.data_changes),
                (SELECT cast(avg(64 + coalesce(length(key), 0) + coalesce(length(image), 0)) AS INTEGER)
                 FROM (SELECT key, image FROM main.data_changes ORDER BY id DESC LIMIT 200))
            """)
        guard let row = rows.first, let first = row[0].integer, let last = row[1].integer else { return nil }
        (firstID, lastID, averageRowBytes) = (first, last, max(1, row[2].integer ?? 1))
    }

    var rows: Int64 { lastID - firstID + 1 }
    var bytes: Int64 { rows * averageRowBytes }
}
