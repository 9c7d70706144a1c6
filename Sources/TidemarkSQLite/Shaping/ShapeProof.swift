import TidemarkCore

/// Tries a table's filter and expressions on an empty table like it, in a database in memory: whether SQLite can read them, and whether
/// they are functions of the row alone. Nothing of the application's is touched.
struct ShapeProof {
    private let database: SQLiteDatabase
    private let table: String
    private let anyColumn: String

    /// - Parameter table: as the expressions may call it, with the source's columns.
    init(_ table: LikeTable) throws(SQLiteFailure) {
        self.table = SQLiteIdentifier.quoted(table.name)
        anyColumn = SQLiteIdentifier.quoted(table.columns.first?.name ?? "")
        database = try SQLiteDatabase(path: ":memory:", mode: .create)
        try database.refuseQuotedTexts()
        try database.addShapingFunctions()
        // Without a rowid, as no image has one.
        try database.execute("CREATE TABLE \(self.table) (\(table.definitions), PRIMARY KEY (\(anyColumn))) WITHOUT ROWID")
    }

    /// What keeps a filter from being used; nil for nothing.
    func fault(ofFilter sql: String) throws(SQLiteFailure) -> ShapeFault? {
        guard let why = try refusal(sql, "SELECT 1 FROM \(table) WHERE ", "") else { return nil }
        return ShapeFault("where: \(sql): \(why)", remedy: "where: takes what would stand behind WHERE in SQLite's SQL, about one row: \(Self.example). \(Self.quotes)")
    }

    func fault(ofExpression sql: String, for column: String) throws(SQLiteFailure) -> ShapeFault? {
        guard let why = try refusal(sql, "SELECT ", " FROM \(table)") else { return nil }
        return ShapeFault(
            "set: \(column): \(sql): \(why)",
            remedy: "set: takes SQLite's SQL about one row, such as substr(name, 1, 1) || '…'. \(Self.quotes)")
    }

    /// The type that an expression has of itself, as a cast or a column; empty for none.
    func type(of sql: String) throws(SQLiteFailure) -> String {
        try database.execute("DROP TABLE IF EXISTS tidemark_types")
        try database.execute("CREATE TABLE tidemark_types AS SELECT (\(sql)\n) AS value FROM \(table)")
        return try database.rows("SELECT type FROM pragma_table_info('tidemark_types')").first?.first?.string ?? ""
    }

    private static let example = "region = 'EU' AND total > 100"
    private static let quotes = "A text stands in 'such' quotes, a column in none or in \"such\"."

    private func refusal(_ sql: String, _ before: String, _ after: String) throws(SQLiteFailure) -> String? {
        guard !sql.utf8.contains(0) else { return "it contains a NUL" }
        do {
            // Of an index, SQLite wants the same: that it is always the same of the same row.
            let (creation, isFollowed) = try database.prepareOnly("CREATE INDEX tidemark_proof ON \(table) (\(anyColumn)) WHERE (\(sql)\n) IS NOT NULL")
            if isFollowed { return Self.follows }
            // Also without parentheses, so that none of its own can close ours.
            for text in [sql, "(\(sql)\n)"] {
                let (statement, isFollowed) = try database.prepareOnly("\(before)\(text)\n\(after)")
                if isFollowed || statement.columnCount != 1 { return Self.follows }
            }
            try creation.run()
        } catch {
            return Self.words(for: error.message)
        }
        defer { try? database.execute("DROP INDEX tidemark_proof") }
        do {
            try database.execute("INSERT INTO \(table) (\(anyColumn)) VALUES (1)")
            try database.execute("DELETE FROM \(table)")
        } catch {
            // A value that it cannot take says nothing about it.
            if error.message.hasPrefix("non-deterministic") { return Self.words(for: error.message) }
        }
        return ClockWords.found(in: sql).map { "it depends on more than the row: \($0)" }
    }

    private static let follows = "something follows the expression"

    private static func words(for message: String) -> String {
        // Without where SQLite looked.
        let end = [" prohibited in ", " in an index"].compactMap { message.firstRange(of: $0)?.lowerBound }.min()
        guard let end else { return "SQLite says: \(message)" }
        let what = String(message[..<end])
        return what.hasPrefix("non-deterministic") ? "it depends on more than the row: \(what)" : "it has to be about one row, without \(what)"
    }
}

/// A table with the columns, affinities and collations of a source's.
struct LikeTable {
    struct Column {
        var name: String
        var affinity: SQLiteTable.Affinity
        var collation: String
    }

    let name: String
    var columns: [Column]

    /// - Parameter captured: one generation. Columns that came later are there too, as they were in its rows: empty.
    init(_ captured: CapturedTable, in database: SQLiteDatabase) throws(SQLiteFailure) {
        name = captured.name.name
        let standing = try SQLiteCatalog(database).table(name)
        columns = captured.columns.map { column in
            Column(
                name: column.name, affinity: .init(declaredType: column.type, strict: standing?.isStrict ?? false),
                collation: standing.flatMap { database.collation(of: column.name, in: $0.name) } ?? "BINARY")
        }
        let known = Set(captured.columns.map { SQLiteIdentifier.folded($0.name) })
        for column in standing?.columns ?? [] where !known.contains(SQLiteIdentifier.folded(column.name)) {
            columns.append(Column(name: column.name, affinity: column.affinity, collation: database.collation(of: column.name, in: name) ?? "BINARY"))
        }
    }

    var definitions: String {
        columns.map { "\(SQLiteIdentifier.quoted($0.name)) \($0.affinity.typeName) COLLATE \(SQLiteIdentifier.quoted($0.collation))" }
            .joined(separator: ", ")
    }
}

extension SQLiteTable.Affinity {
    /// A declared type that has it.
    var typeName: String {
        switch self {
        case .integer: "INTEGER"
        case .text: "TEXT"
        case .blob: "BLOB"
        case .real: "REAL"
        case .numeric: "NUMERIC"
        }
    }
}
