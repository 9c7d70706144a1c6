import TidemarkCore

/// What the log says of the rows of a table between two places. The first B about a row says what it was at the first of
/// them; so does a B without a key, if the row's key is above its number: then there was none.
struct LoggedPast {
    enum Purpose {
        /// id, 0 for a delete, 1 for an upsert, 2 for an insertion, key, image; the latest first.
        case backward
        /// Key, is the old image known, old image, new image, was the first change an INSERT, count; the earliest first.
        case reading
    }

    private let database: SQLiteDatabase
    private let table: CapturedTable
    private let end: Int64
    private let place: HistoryPlace

    init(_ database: SQLiteDatabase, _ table: CapturedTable, from end: Int64, to place: HistoryPlace) {
        (self.database, self.table, self.end, self.place) = (database, table, end, place)
    }

    func statement(for purpose: Purpose) throws(SQLiteFailure) -> SQLiteStatement {
        let statement = try database.prepare(table.keyColumns.isEmpty ? wholeRows(purpose) : rows(purpose))
        try statement.bind([.integer(place.lastID), .integer(end), .string(table.name.name)])
        return statement
    }

    /// The numbers are needed only where SQLite may have assigned the key, which is then one of whole numbers.
    private func rows(_ purpose: Purpose) -> String {
        let prefix = "{" + SQLiteEncoding.jsonString(table.keyColumns[0]) + ":"
        let number = "CAST(substr(l.key, \(prefix.unicodeScalars.count + 1)) AS INTEGER)"
        let past = """
            WITH later AS MATERIALIZED (
                SELECT id, capture, operation, key, image,
                       min(CASE WHEN operation = 'B' AND key IS NULL THEN CAST(image AS INTEGER) END) OVER (ORDER BY id) AS highest
                FROM main.data_changes WHERE id > ?1 AND id <= ?2 AND capture IN (\(Self.generations))),
            first AS MATERIALIZED (SELECT l.key, min(l.id) AS id, l.capture, l.operation FROM later AS l WHERE l.key IS NOT NULL GROUP BY l.key),
            kept AS MATERIALIZED (
                SELECT l.key, min(l.id) AS id, CASE WHEN l.highest < \(number) THEN NULL ELSE l.image END AS image
                FROM later AS l WHERE l.key IS NOT NULL AND l.operation = 'B' GROUP BY l.key)
            """
        switch purpose {
        case .backward:
            return """
                \(past) SELECT f.id, k.image IS NOT NULL, f.key, k.image FROM first AS f LEFT JOIN kept AS k ON k.key = f.key ORDER BY f.id DESC
                """
        case .reading:
            return """
                \(past), done AS MATERIALIZED (
                    SELECT l.key, min(CASE WHEN l.operation <> 'B' THEN l.id END) AS first_id, max(CASE WHEN l.operation <> 'B' THEN l.id END) AS last_id
                    FROM later AS l WHERE l.key IS NOT NULL GROUP BY l.key)
                SELECT f.key, c.images IS 'both', k.image, CASE WHEN n.operation <> 'D' THEN n.image END, o.operation = 'I', 1
                FROM first AS f JOIN done AS d ON d.key = f.key LEFT JOIN kept AS k ON k.key = f.key
                JOIN main.data_changes AS o ON o.id = d.first_id JOIN main.data_changes AS n ON n.id = d.last_id
                JOIN main.tidemark_capture AS c ON c.capture = f.capture ORDER BY f.id
                """
        }
    }

    private func wholeRows(_ purpose: Purpose) -> String {
        let net = """
            WITH net AS (
                SELECT image, sum(CASE operation WHEN 'I' THEN 1 ELSE -1 END) AS n, min(id) AS first_id, max(id) AS last_id
                FROM main.data_changes WHERE id > ?1 AND id <= ?2 AND capture IN (\(Self.generations)) AND operation <> 'B' GROUP BY image)
            """
        switch purpose {
        case .backward:
            return """
                \(net), times(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM times WHERE i < (SELECT max(abs(n)) FROM net))
                SELECT last_id, CASE WHEN n > 0 THEN 0 ELSE 2 END, NULL, image FROM net JOIN times ON i <= abs(n) WHERE n <> 0 ORDER BY last_id DESC
                """
        case .reading:
            return """
                \(net) SELECT NULL, 1, CASE WHEN n < 0 THEN image END, CASE WHEN n > 0 THEN image END, n > 0, abs(n) FROM net WHERE n <> 0 ORDER BY first_id
                """
        }
    }

    /// Names are compared as SQLite compares them.
    static let generations = "SELECT capture FROM main.tidemark_capture WHERE table_name = ?3 COLLATE NOCASE"
}
