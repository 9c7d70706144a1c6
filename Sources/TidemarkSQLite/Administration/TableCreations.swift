package import TidemarkCore

extension SQLiteTargetAdministration {
    package func creations(of definitions: [TableDefinition]) throws -> [TableCreation] {
        try saying("the tables' creation cannot be planned", path: path) {
            let creations = TableCreations(database: database)
            let missing = try definitions.filter { try !creations.exists($0.table) }
            return missing.isEmpty ? [] : try creations.all(of: missing, among: definitions)
        }
    }

    /// All of a table or nothing: where this is interrupted, the next run finds no half of it.
    package func create(_ creation: TableCreation) throws {
        try saying("a table cannot be made on the target", table: creation.sourceName ?? creation.table, path: path) {
            try WriteLock(database: database).hold {
                guard try !TableCreations(database: database).exists(creation.table) else { return }
                for statement in creation.statementsBefore { try database.execute(statement.sql) }
            }
        }
    }
}

/// What makes the tables that a target lacks: the source's own SQL where it is a SQLite file too, else from
/// its columns.
struct TableCreations {
    private static let lock = "none: the table is new"
    let database: SQLiteDatabase

    func exists(_ table: TableName) throws(SQLiteFailure) -> Bool { try SQLiteCatalog(database).table(table.name) != nil }

    /// - Parameters:
    ///   - missing: tables that the target lacks.
    ///   - all: those and the ones that it has.
    func all(of missing: [TableDefinition], among all: [TableDefinition]) throws -> [TableCreation] {
        let names = Dictionary(grouping: all) { SQLiteIdentifier.folded($0.table.name) }
        if let same = names.values.first(where: { $0.count > 1 })?.map({ $0.sourceName ?? $0.table }) {
            throw TargetTables.sameName(same[0], same[1], pipeline: nil)
        }
        var free = IndexNames(database: database)
        return try missing.map { definition in
            let (before, after) = definition.engine == SQLiteEngine().name
                ? (definition.statementsBefore, definition.statementsAfter)
                : try ColumnwiseTable(source: definition).statements { try free.next(for: $0, on: definition.table.name) }
            return TableCreation(
                table: definition.table, sourceName: definition.sourceName, statementsBefore: before.map { PlannedStatement($0, lock: Self.lock) },
                statementsAfter: after, statementsLast: [])
        }
    }
}
