/// Reads the tables of a database.
package struct SQLiteCatalog {
    private let database: SQLiteDatabase

    package init(_ database: SQLiteDatabase) { self.database = database }

    /// The names of tidemark's own tables, in a source and in a target.
    package static let ownTables = [
        "data_changes", "tidemark_capture", "tidemark_column", "tidemark_replaced", "tidemark_tick", "tidemark_applied",
        "tidemark_pipeline", "tidemark_log_limit", "tidemark_sequence_site", "tidemark_installation",
    ] + targetTables + [roleTable]

    /// What a target keeps.
    static let targetTables = ["tidemark_cursor", "tidemark_table_copy", "tidemark_table_proof", "tidemark_sync_unit", "tidemark_repair"] + parkedTables
        + conflictTables

    /// What it keeps of transactions that were set aside.
    static let parkedTables = [
        "tidemark_parked", "tidemark_parked_change", "tidemark_parked_capture", "tidemark_parked_column", "tidemark_parked_audit",
        "tidemark_parked_audit_table",
    ]

    /// And of tables that others write, too.
    static let conflictTables = [tombstones, "tidemark_shared_table", "tidemark_conflict"]
    static let tombstones = "tidemark_tombstone"

    /// What a source and a target keep.
    static let roleTable = "tidemark_role"

    /// All user tables, by name. Virtual and shadow tables, SQLite's and tidemark's own are left out.
    package func tables() throws(SQLiteFailure) -> [SQLiteTable] {
        try tables(where: "1", [])
    }

    /// One user table, its name compared as SQLite does.
    package func table(_ name: String) throws(SQLiteFailure) -> SQLiteTable? {
        try tables(where: "name = ? COLLATE NOCASE", [.string(name)]).first
    }

    private func tables(where condition: String, _ values: [SQLiteValue]) throws(SQLiteFailure) -> [SQLiteTable] {
        let own = Self.ownTables.map(SQLiteIdentifier.literal).joined(separator: ", ")
        let rows = try database.rows(
            """
            SELECT name, wr, strict FROM pragma_table_list
            WHERE schema = 'main' AND type = 'table' AND lower(substr(name, 1, 7)) <> 'sqlite_'
              AND lower(name) NOT IN (\(own)) AND \(condition)
            ORDER BY name
            """, values)
        var tables: [SQLiteTable] = []
        for row in rows {
            guard let name = row[0].string else { continue }
            tables.append(try table(name, withoutRowID: row[1] == .integer(1), strict: row[2] == .integer(1)))
        }
        return tables
    }

    private func table(_ name: String, withoutRowID: Bool, strict: Bool) throws(SQLiteFailure) -> SQLiteTable {
        let columns = try columns(name, strict: strict)
        let indexes = try uniqueIndexes(name)
        return SQLiteTable(
            name: name, columns: columns, isWithoutRowID: withoutRowID, isStrict: strict, uniqueIndexes: indexes,
            key: Self.key(columns, indexes, withoutRowID: withoutRowID))
    }

    private func columns(_ table: String, strict: Bool) throws(SQLiteFailure) -> [SQLiteTable.Column] {
        try database.rows(
            "SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?, 'main') ORDER BY cid",
            [.string(table)]
        ).map { row in
            SQLiteTable.Column(
                name: row[0].string ?? "", declaredType: row[1].string ?? "", notNull: row[2] == .integer(1),
                defaultSQL: row[3].string, primaryKeyPosition: Int(row[4].integer ?? 0),
                isGenerated: row[5] == .integer(2) || row[5] == .integer(3),
                affinity: .init(declaredType: row[1].string ?? "", strict: strict))
        }
    }

    private func uniqueIndexes(_ table: String) throws(SQLiteFailure) -> [SQLiteTable.Index] {
        let list = try database.rows(
            """
            SELECT l.name, l.origin, l.partial, m.sql FROM pragma_index_list(?, 'main') AS l
            LEFT JOIN main.sqlite_schema AS m ON m.type = 'index' AND m.name = l.name
            WHERE l."unique" ORDER BY l.name
            """, [.string(table)])
        var indexes: [SQLiteTable.Index] = []
        for row in list {
            guard let name = row[0].string else { continue }
            let text = row[3].string.flatMap(SQLiteIndexText.init)
            let terms = try database.rows(
                "SELECT cid, name, coll FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno", [.string(name)])
            var read: [SQLiteTable.Index.Term] = []
            for (place, term) in terms.enumerated() {
                let column = term[1].string
                let expression = text.flatMap { place < $0.terms.count ? $0.terms[place] : nil }
                guard let sql = column.map(SQLiteIdentifier.quoted) ?? expression else {
                    throw SQLiteFailure(code: 1, message: "cannot read the text of index \(name)", sql: row[3].string)
                }
                read.append(.init(column: column, sql: sql, collation: term[2].string ?? "BINARY"))
            }
            let predicate = row[2] == .integer(1) ? text?.predicate : nil
            indexes.append(
                .init(name: name, isPrimaryKey: row[1].string == "pk", terms: read, predicate: predicate))
        }
        return indexes
    }

    /// The row's identity. An implicit rowid is none: VACUUM renumbers it.
    private static func key(
        _ columns: [SQLiteTable.Column], _ indexes: [SQLiteTable.Index], withoutRowID: Bool
    ) -> SQLiteTable.Key? {
        let primary = columns.filter { $0.primaryKeyPosition > 0 }
        // An index for it means that it is no alias of the rowid (`INTEGER PRIMARY KEY DESC`).
        if let only = primary.first, primary.count == 1, !withoutRowID, only.declaredType.uppercased() == "INTEGER",
            !indexes.contains(where: \.isPrimaryKey)
        {
            let sql = SQLiteIdentifier.quoted(only.name)
            return .init(terms: [.init(column: only.name, sql: sql, collation: "BINARY")], isRowID: true)
        }
        let usable = indexes.filter { index in
            guard index.predicate == nil else { return false }
            return index.terms.allSatisfy { term in
                guard let column = columns.first(where: { $0.name == term.column }) else { return false }
                return !column.isGenerated && (column.notNull || (withoutRowID && column.primaryKeyPosition > 0))
            }
        }
        // The narrowest one, and of equals always the same one.
        let best = usable.first(where: \.isPrimaryKey)
            ?? usable.min { ($0.terms.count, $0.name) < ($1.terms.count, $1.name) }
        return best.map { .init(terms: $0.terms, isRowID: false) }
    }
}
