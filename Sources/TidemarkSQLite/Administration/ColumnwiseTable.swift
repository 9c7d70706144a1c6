import TidemarkCore

/// A table of another engine, made from its columns, key and indexes by the documented mapping of types.
struct ColumnwiseTable {
    let source: TableDefinition

    /// - Parameter name: finds a free name for the index on these columns.
    func statements(naming name: ([String]) throws -> String) rethrows -> (before: [String], after: [String]) {
        let table = SQLiteIdentifier.quoted(source.table.name)
        // So written, it is the rowid: one tree for the table and its key.
        let rowID = source.columns.first { source.keyColumns == [$0.name] && ImageBinder.Meaning(typedText: $0.type) == .integer }
        let columns = source.columns.map { column in
            SQLiteIdentifier.quoted(column.name) + " \(Self.type(of: column))" + (column == rowID ? " PRIMARY KEY" : "")
                + (column.isNotNull || source.keyColumns.contains(column.name) ? " NOT NULL" : "")
        }
        let key = source.keyColumns.isEmpty || rowID != nil ? [] : ["PRIMARY KEY (\(Self.list(source.keyColumns)))"]
        let creation = "CREATE TABLE \(table) (\n    \((columns + key).joined(separator: ",\n    "))\n)"
        let indexes = try source.indexes.map { index in
            let unique = index.isUnique && index.columns.allSatisfy(keepsApart) ? "UNIQUE " : ""
            return "CREATE \(unique)INDEX IF NOT EXISTS \(SQLiteIdentifier.quoted(try name(index.columns))) ON \(table) (\(Self.list(index.columns)))"
        }
        return ([creation], indexes)
    }

    private static func type(of column: TableDefinition.Column) -> String {
        switch ImageBinder.Meaning(typedText: column.type) {
        case .integer, .boolean: "INTEGER"
        case .real: "REAL"
        case .bytes: "BLOB"
        case .exactNumber, .text, .storageClass: "TEXT"
        }
    }

    /// Of these, PostgreSQL takes no two texts for one value: a numeric may be written in several ways.
    private func keepsApart(_ column: String) -> Bool {
        guard let type = source.columns.first(where: { $0.name == column })?.type else { return false }
        return ["smallint", "integer", "bigint", "boolean", "text", "uuid", "date", "bytea"].contains(type)
            || ["character varying", "timestamp"].contains { type.hasPrefix($0) && !type.hasSuffix("[]") }
    }

    private static func list(_ names: [String]) -> String { names.map(SQLiteIdentifier.quoted).joined(separator: ", ") }
}

/// Names for indexes that had them in another engine: free in the file, and each given once.
struct IndexNames {
    let database: SQLiteDatabase
    private var given: Set<String> = []

    init(database: SQLiteDatabase) { self.database = database }

    mutating func next(for columns: [String], on table: String) throws(SQLiteFailure) -> String {
        let base = "\(table)_\(columns.joined(separator: "_"))_idx"
        var name = base
        var number = 0
        while try !isFree(name) {
            number += 1
            name = "\(base)\(number)"
        }
        given.insert(SQLiteIdentifier.folded(name))
        return name
    }

    /// Tables, indexes and views share their names.
    private func isFree(_ name: String) throws(SQLiteFailure) -> Bool {
        guard !given.contains(SQLiteIdentifier.folded(name)) else { return false }
        return try database.rows("SELECT 1 FROM main.sqlite_schema WHERE name = ? COLLATE NOCASE", [.string(name)]).isEmpty
    }
}
