import TidemarkCore

/// A table of another engine, made from its columns, key and indexes by the documented mapping of types.
struct ColumnwiseTable {
    private let source: TableDefinition
    private let types: [String: String]

    /// - Throws: for a column whose type leaves open what it holds.
    init(_ source: TableDefinition) throws {
        self.source = source
        let indexed = Set(source.keyColumns + source.indexes.flatMap(\.columns))
        types = try Dictionary(uniqueKeysWithValues: source.columns.map { column in
            guard let type = Self.type(ofDeclared: column.type) else { throw Self.undecided(column, of: source.table) }
            // json has no order and no equality.
            return (column.name, type == "json" && indexed.contains(column.name) ? "text" : type)
        })
    }

    /// - Parameter name: finds a free name for the index on these columns.
    func definition(naming name: ([String]) throws -> String) throws -> TableDefinition {
        let table = PostgresIdentifier.quoted(source.table)
        let columns = source.columns.map { column in
            "\(PostgresIdentifier.quoted(column.name)) \(types[column.name] ?? "text")\(column.isNotNull ? " not null" : "")"
        }
        let key = source.keyColumns.isEmpty ? [] : ["primary key (\(list(source.keyColumns)))"]
        var made = source
        made.statementsBefore = [
            "create schema if not exists \(PostgresIdentifier.quoted(source.table.schema ?? "public"))",
            "create table if not exists \(table) (\n    \((columns + key).joined(separator: ",\n    "))\n)",
        ]
        made.statementsAfter = try source.indexes.map { index in
            let unique = index.isUnique && index.columns.allSatisfy { Self.keepsApart.contains(types[$0] ?? "") }
            return "create \(unique ? "unique " : "")index if not exists \(PostgresIdentifier.quoted(try name(index.columns)))"
                + " on \(table) (\(list(index.columns)))"
        }
        (made.foreignKeys, made.requirements) = ([], [])
        return made
    }

    private func list(_ names: [String]) -> String { names.map(PostgresIdentifier.quoted).joined(separator: ", ") }

    /// Types that take no two values of SQLite's for one; a date may be written in several ways.
    private static let keepsApart: Set<String> = ["bigint", "boolean", "text", "double precision", "bytea"]

    /// By SQLite's rules for a declared type, and then by the names that people give to what those leave open.
    private static func type(ofDeclared declared: String) -> String? {
        let type = declared.uppercased()
        func has(_ parts: String...) -> Bool { parts.contains { type.contains($0) } }
        if has("INT") { return "bigint" }
        if has("CHAR", "CLOB", "TEXT") { return "text" }
        if has("BLOB") { return "bytea" }
        if has("REAL", "FLOA", "DOUB") { return "double precision" }
        if has("BOOL") { return "boolean" }
        if has("TIMESTAMPTZ", "WITH TIME ZONE") { return "timestamp with time zone" }
        if has("DATETIME", "TIMESTAMP") { return "timestamp without time zone" }
        if has("DATE") { return "date" }
        if has("TIME") { return "time without time zone" }
        if has("JSON") { return "json" }
        if has("UUID") { return "uuid" }
        return has("NUMERIC", "DECIMAL") ? "numeric" : nil
    }

    private static func undecided(_ column: TableDefinition.Column, of table: TableName) -> TidemarkError {
        TidemarkError(
            "a table cannot be made on the target", table: table,
            why: "column \(PostgresIdentifier.quoted(column.name)) "
                + (column.type.isEmpty ? "is declared without a type" : "is declared as \(column.type)")
                + ", which says nothing about the values that it holds",
            remedy: "Create the table on the target by hand, with the type that fits them, or leave it out with --exclude;"
                + " then type the command again.")
    }
}

/// Names for indexes that had none, or had them in another engine: free on the target, and each given once.
struct IndexNames {
    /// Of 63 bytes, so that a number has room.
    private static let bytesMax = 58
    let session: PostgresSession
    private var given: Set<QualifiedName> = []

    init(session: PostgresSession) { self.session = session }

    mutating func next(for columns: [String], on table: TableName) throws -> String {
        let base = Self.cut("\(table.name)_\(columns.joined(separator: "_"))_idx")
        for number in 0... {
            let name = QualifiedName(schema: table.schema ?? "public", name: number == 0 ? base : "\(base)\(number)")
            guard try session.query("select to_regclass($1)", [.text(name.quoted)])[0, 0] == nil else { continue }
            if given.insert(name).inserted { return name.name }
        }
        return base
    }

    private static func cut(_ name: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in name.unicodeScalars {
            guard String(result).utf8.count + UTF8.width(scalar) <= bytesMax else { break }
            result.append(scalar)
        }
        return String(result)
    }
}
