package import TidemarkCore

extension SQLiteSourceAdministration {
    package func definitions(of tables: [SourceTable]) throws -> [TableDefinition] {
        try saying("the tables' definitions cannot be read", path: path) {
            // Everything from one moment.
            try database.transaction("BEGIN") {
                try tables.map { try TableDefinitions(database: database).definition(of: $0) }
            }
        }
    }
}

/// Tables as the file itself keeps them: the text of each CREATE, as it is.
struct TableDefinitions {
    private struct Index {
        /// Nil where the table's own text makes it.
        let sql: String?
        let isUnique: Bool
        /// Nil where a term is an expression, or where the index is partial.
        let columns: [String]?
    }

    let database: SQLiteDatabase

    func definition(of table: SourceTable) throws -> TableDefinition {
        guard let known = try SQLiteCatalog(database).table(table.name.name) else { throw Self.gone(table.name) }
        let text = try database.rows(
            "SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?", [.string(known.name)]).first?.first?.string
        let indexes = try indexes(of: known.name)
        let key = indexes.firstIndex { $0.isUnique && $0.columns == table.keyColumns && $0.sql != nil && !isInText(known, table.keyColumns, indexes) }
        let others = indexes.indices.filter { $0 != key }.map { indexes[$0] }
        return TableDefinition(
            engine: SQLiteEngine().name, table: table.name, columns: known.columns.map(Self.column(of: known)),
            keyColumns: table.keyColumns,
            indexes: indexes.filter { $0.columns != table.keyColumns || !$0.isUnique }.compactMap { index in
                index.columns.map { TableDefinition.Index(columns: $0, isUnique: index.isUnique) }
            },
            statementsBefore: [text].compactMap(\.self) + (key.flatMap { indexes[$0].sql }.map { [$0] } ?? []),
            statementsAfter: others.compactMap(\.sql), foreignKeys: [])
    }

    static func gone(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "a table cannot be read", table: table, why: "it is gone since the tables were listed", remedy: "Type the command again.")
    }

    /// Does the key stand in the table's text, as PRIMARY KEY or UNIQUE?
    private func isInText(_ table: SQLiteTable, _ key: [String], _ indexes: [Index]) -> Bool {
        table.key?.isRowID == true || indexes.contains { $0.isUnique && $0.sql == nil && $0.columns == key }
    }

    private static func column(of table: SQLiteTable) -> (SQLiteTable.Column) -> TableDefinition.Column {
        { column in
            // SQLite lets NULLs into other primary keys (a bug that it keeps).
            let isKey = column.primaryKeyPosition > 0 && (table.isWithoutRowID || table.key?.columns.contains(column.name) == true)
            return TableDefinition.Column(
                name: column.name, type: column.declaredType, isNotNull: column.notNull || isKey, isGenerated: column.isGenerated)
        }
    }

    private func indexes(of table: String) throws(SQLiteFailure) -> [Index] {
        let list = try database.rows(
            """
            SELECT l.name, l."unique", l.partial, m.sql FROM pragma_index_list(?, 'main') AS l
            LEFT JOIN main.sqlite_schema AS m ON m.type = 'index' AND m.name = l.name ORDER BY l.name
            """, [.string(table)])
        var indexes: [Index] = []
        for row in list {
            let terms = try database.rows("SELECT name FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno", [row[0]])
            let columns = terms.compactMap { $0[0].string }
            let isPlain = row[2] == .integer(0) && columns.count == terms.count
            indexes.append(Index(sql: row[3].string.map(Self.repeatable), isUnique: row[1] == .integer(1), columns: isPlain ? columns : nil))
        }
        return indexes
    }

    /// SQLite keeps the text from the name on, behind words of its own, and will keep it so again.
    private static func repeatable(_ creation: String) -> String {
        for words in ["CREATE INDEX ", "CREATE UNIQUE INDEX "] where creation.hasPrefix(words) {
            return words + "IF NOT EXISTS " + creation.dropFirst(words.count)
        }
        return creation
    }
}
