import TidemarkCore

/// A table as its shape leaves it: made from its columns and key, as the source's own text says more than that. Defaults, checks, foreign
/// keys and what computes a column stay behind; the values come from the source.
struct ShapedDefinition {
    private struct Column {
        var shaped: CapturedColumn
        /// Nil for one that is computed on its way.
        var own: SQLiteTable.Column?
    }

    private let shape: RowShape
    private let table: SQLiteTable
    private let database: SQLiteDatabase
    private let columns: [Column]

    init(_ shape: RowShape, of table: SQLiteTable, in database: SQLiteDatabase) {
        (self.shape, self.table, self.database) = (shape, table, database)
        columns = zip(shape.shaped.columns, shape.values).map { column, value in
            guard case .column(let place) = value else { return Column(shaped: column, own: nil) }
            return Column(shaped: column, own: table.columns[place])
        }
    }

    func definition() throws(SQLiteFailure) -> TableDefinition {
        let shaped = shape.shaped
        let indexes = try indexes()
        var definition = TableDefinition(
            engine: SQLiteEngine().name, table: shaped.atTarget,
            columns: columns.map { column in
                TableDefinition.Column(
                    name: column.shaped.name, type: column.shaped.type, isNotNull: isNotNull(column), isGenerated: column.shaped.isGenerated)
            },
            keyColumns: shaped.keyColumns, indexes: indexes.map { TableDefinition.Index(columns: $0.terms.map(\.column), isUnique: $0.isUnique) },
            statementsBefore: [creation(indexes)], statementsAfter: indexes.compactMap(statement), foreignKeys: [])
        if shaped.targetName != nil { definition.sourceName = shaped.name }
        return definition
    }

    private func isNotNull(_ column: Column) -> Bool {
        column.own?.notNull == true || shape.shaped.keyColumns.contains(column.shaped.name)
    }

    // MARK: The table

    private var quotedName: String { SQLiteIdentifier.quoted(shape.shaped.atTarget.name) }

    private func creation(_ indexes: [Index]) -> String {
        let key = table.key
        let further = indexes.filter { $0.name == nil }.map { "UNIQUE (\(list($0.terms)))" }
        let lines = columns.map { line($0, isRowID: key?.isRowID == true && $0.own?.name == key?.columns.first) } + keyLine + further
        let options = [table.isWithoutRowID ? "WITHOUT ROWID" : nil, table.isStrict ? "STRICT" : nil].compactMap(\.self)
        return "CREATE TABLE \(quotedName) (\n    \(lines.joined(separator: ",\n    "))\n)"
            + (options.isEmpty ? "" : " " + options.joined(separator: ", "))
    }

    private func line(_ column: Column, isRowID: Bool) -> String {
        var line = SQLiteIdentifier.quoted(column.shaped.name)
        let type = isRowID ? "INTEGER" : self.type(column)
        if !type.isEmpty { line += " \(type)" }
        if isRowID, let own = column.own {
            return line + " PRIMARY KEY" + (database.isAutoincrement(own.name, of: table.name) ? " AUTOINCREMENT" : "")
        }
        if let own = column.own, let collation = database.collation(of: own.name, in: table.name) { line += collated(collation) }
        return isNotNull(column) ? line + " NOT NULL" : line
    }

    /// As it was declared, unless that would not be read as a type again.
    private func type(_ column: Column) -> String {
        let type = column.shaped.type
        if table.isStrict { return ["INT", "INTEGER", "REAL", "TEXT", "BLOB"].contains(type.uppercased()) ? type : "ANY" }
        let isPlain = type.unicodeScalars.allSatisfy { $0 == " " || $0 == "_" || ("0"..."9").contains($0) || ("a"..."z").contains($0) || ("A"..."Z").contains($0) }
        if isPlain { return type }
        // Numbers in parentheses say nothing to SQLite.
        return SQLiteTable.Affinity(declaredType: type, strict: false).typeName
    }

    /// An INTEGER alone in a PRIMARY KEY would become the rowid, which holds nothing else.
    private var keyLine: [String] {
        guard let key = table.key, !key.isRowID else { return [] }
        let terms = zip(shape.shaped.keyColumns, key.terms).map { Term(column: $0, collation: $1.collation, isDescending: false) }
        let isAlone = !table.isWithoutRowID && terms.count == 1
        return ["\(isAlone ? "UNIQUE" : "PRIMARY KEY") (\(list(terms)))"]
    }

    // MARK: Indexes

    private struct Term {
        var column: String
        var collation: String
        var isDescending: Bool
    }

    private struct Index {
        /// Nil where the table's own text makes it.
        var name: String?
        var isUnique: Bool
        var terms: [Term]
    }

    /// Those over columns that travel as they are. Others, with expressions or predicates, are for a person to make.
    private func indexes() throws(SQLiteFailure) -> [Index] {
        let list = try database.rows(
            """
            SELECT l.name, l."unique", m.sql IS NOT NULL FROM pragma_index_list(?, 'main') AS l
            LEFT JOIN main.sqlite_schema AS m ON m.type = 'index' AND m.name = l.name WHERE NOT l.partial ORDER BY l.name
            """, [.string(table.name)])
        var indexes: [Index] = []
        for row in list {
            let terms = try database.rows(
                "SELECT name, coll, \"desc\" FROM pragma_index_xinfo(?, 'main') WHERE key ORDER BY seqno", [row[0]]
            ).map { term in
                columns.first { $0.own != nil && $0.own?.name == term[0].string }.map { column in
                    Term(column: column.shaped.name, collation: term[1].string ?? "BINARY", isDescending: term[2] == .integer(1))
                }
            }
            let found = terms.compactMap(\.self)
            let isKey = row[1] == .integer(1) && found.map(\.column) == shape.shaped.keyColumns
            guard found.count == terms.count, !isKey else { continue }
            indexes.append(Index(name: row[2] == .integer(1) ? row[0].string : nil, isUnique: row[1] == .integer(1), terms: found))
        }
        return indexes
    }

    private func statement(_ index: Index) -> String? {
        index.name.map { name in
            "CREATE \(index.isUnique ? "UNIQUE " : "")INDEX IF NOT EXISTS \(SQLiteIdentifier.quoted(name)) ON \(quotedName) (\(list(index.terms)))"
        }
    }

    private func list(_ terms: [Term]) -> String {
        terms.map { SQLiteIdentifier.quoted($0.column) + collated($0.collation) + ($0.isDescending ? " DESC" : "") }.joined(separator: ", ")
    }

    private func collated(_ collation: String) -> String {
        collation.uppercased() == "BINARY" ? "" : " COLLATE \(SQLiteIdentifier.quoted(collation))"
    }
}
