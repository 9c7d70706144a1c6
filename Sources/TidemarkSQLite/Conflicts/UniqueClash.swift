import TidemarkCore

/// Rows with different keys that would have one value where it has to be unique: the greatest version keeps it, the others go.
struct UniqueClash {
    let sql: ConflictSQL
    let index: SQLiteTable.Index

    /// Those besides the key's, over columns that the source has, in an order that both ends know.
    static func all(_ sql: ConflictSQL) -> [UniqueClash] {
        let known = Set(sql.names)
        let key = Set(sql.keys)
        return sql.target.table.uniqueIndexes.filter { index in
            let columns = index.terms.map(\.column)
            guard columns.allSatisfy({ $0.map(known.contains) ?? true }) else { return false }
            return index.predicate != nil || Set(columns) != Set(key.map { $0 })
        }.sorted { $0.terms.map(\.sql).lexicographicallyPrecedes($1.terms.map(\.sql)) }.map { UniqueClash(sql: sql, index: $0) }
    }

    private var places: [String] { index.terms.indices.map { "tidemark_v\($0)" } }
    private var predicate: String { index.predicate.map { " AND (\($0))" } ?? "" }

    var clearing: String { "DELETE FROM \(sql.clashing)" }

    /// The values of the rows that will be there. An index takes NULL for no value.
    var filling: String {
        let terms = index.terms.map(\.sql)
        return "INSERT INTO \(sql.clashing) (tidemark_key, \(places.joined(separator: ", "))) SELECT tidemark_key, \(terms.joined(separator: ", "))"
            + " FROM \(sql.result) WHERE NOT tidemark_deleted AND \(terms.map { "(\($0)) IS NOT NULL" }.joined(separator: " AND "))\(predicate)"
    }

    /// Rows that stand, and have such a value.
    var addingStanding: String {
        let equal = zip(index.terms, places).map { "(\($0.sql)) = c.\($1) COLLATE \(SQLiteIdentifier.quoted($0.collation))" }
        let key = sql.keyText(of: "t")
        return """
            INSERT OR IGNORE INTO \(sql.result) (\(sql.list), tidemark_key, tidemark_deleted, tidemark_standing, tidemark_wins, tidemark_written)
            SELECT \(sql.list(of: "t")), \(key), 0, 1, 0, 0 FROM \(sql.clashing) AS c CROSS JOIN \(sql.target.quotedName) AS t
            WHERE \(equal.joined(separator: " AND "))\(predicate) AND \(key) NOT IN (SELECT r.tidemark_key FROM \(sql.result) AS r)
            """
    }

    var losing: String {
        let equal = zip(index.terms, places).map { "q.\($1) = p.\($1) COLLATE \(SQLiteIdentifier.quoted($0.collation))" }
        return """
            UPDATE \(sql.result) SET tidemark_deleted = 1, tidemark_lost = 1 WHERE tidemark_key IN (
                SELECT p.tidemark_key FROM \(sql.clashing) AS p CROSS JOIN \(sql.clashing) AS q CROSS JOIN \(sql.result) AS one CROSS JOIN \(sql.result) AS other
                WHERE \(equal.joined(separator: " AND ")) AND q.tidemark_key <> p.tidemark_key
                  AND one.tidemark_key = q.tidemark_key AND other.tidemark_key = p.tidemark_key AND (\(isGreater)))
            """
    }

    private var isGreater: String {
        let version = sql.order.isGreater("one", than: "other", else: "one.tidemark_key > other.tidemark_key")
        return switch sql.rule.strategy {
        case .sourceWins: VersionOrder.isGreater("one.tidemark_wins", than: "other.tidemark_wins", else: version)
        case .targetWins: VersionOrder.isGreater("other.tidemark_wins", than: "one.tidemark_wins", else: version)
        case .lastWriteWins, .highestVersion, .merge, .stop, .custom: version
        }
    }
}
