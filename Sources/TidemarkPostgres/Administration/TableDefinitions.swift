package import TidemarkCore

extension PostgresSourceAdministration {
    package func definitions(of tables: [SourceTable]) throws -> [TableDefinition] {
        try reporting("the tables' definitions cannot be read") {
            try tables.map { table in
                // Nothing but reading, and no lock that outlives one table's reading.
                try session.run("begin transaction read only")
                defer { session.rollback() }
                return try TableDefinitions(session: session).definition(of: table)
            }
        }
    }
}

/// Tables as the source's own catalogue defines them, in SQL.
///
/// Not pg_dump: its `-t` leaves out the schema and the types that a table needs, and it has to be there.
struct TableDefinitions {
    let session: PostgresSession

    func definition(of table: SourceTable) throws -> TableDefinition {
        let tree = try TableTree(table.name, in: session)
        var needs = Prerequisites(session)
        needs.addSchema(table.name.schema ?? "public")
        for relation in tree.relations { needs.addSchema(relation.name.schema ?? "public") }
        try needs.addUsed(by: tree.relations.map(\.oid))
        let sequences = try TableSequences(of: tree.relations.map(\.oid), in: session)
        for sequence in sequences.all {
            needs.addSchema(sequence.schema)
            needs.statements.append(sequence.creation)
        }
        let constraints = try TableConstraints(of: tree, in: session)
        let indexes = try TableIndexes(of: tree, keyColumns: table.keyColumns, in: session)
        let columns = try Dictionary(uniqueKeysWithValues: tree.relations.map { ($0.oid, try DefinedColumn.all(of: $0.oid, in: session)) })
        return TableDefinition(
            engine: PostgresEngine().name, table: table.name, columns: Self.columns(of: table, columns[tree.root.oid] ?? []),
            keyColumns: table.keyColumns, indexes: indexes.plain,
            statementsBefore: needs.statements + tree.creations(columns, constraints) + sequences.owned.map(\.ownership) + indexes.key,
            statementsAfter: indexes.others + constraints.unvalidated, foreignKeys: constraints.foreignKeys,
            requirements: needs.requirements + tree.requirements)
    }

    private static func columns(of table: SourceTable, _ defined: [DefinedColumn]) -> [TableDefinition.Column] {
        table.columns.map { column in
            TableDefinition.Column(
                name: column.name, type: column.type,
                isNotNull: defined.contains { $0.name == column.name && $0.isNotNull }, isGenerated: column.isGenerated)
        }
    }
}
