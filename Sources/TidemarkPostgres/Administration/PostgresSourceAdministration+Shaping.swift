package import TidemarkCore

extension PostgresSourceAdministration {
    package func shaped(_ tables: [SourceTable], by rules: TableRules) throws -> [SourceTable] {
        guard rules.isShaping else { return tables }
        return try reporting("the tables cannot be shaped") {
            try tables.map { table in
                let shaped = try ShapedTable(CapturedTable(table), by: rules, in: session).table
                var result = table
                (result.columns, result.keyColumns, result.targetName) = (shaped.columns, shaped.keyColumns, shaped.targetName)
                return result
            }
        }
    }

    package func check(_ rules: TableRules, on tables: [SourceTable]) throws -> [Finding] {
        guard rules.isShaping else { return [] }
        return try reporting("the rules for tables cannot be checked") {
            let wrong = try tables.flatMap { try ShapeProof(session: session).findings($0, by: rules) }
            let targets = Dictionary(grouping: tables.map(\.name), by: rules.target(of:)).filter { $0.value.count > 1 }
            return wrong
                + targets.sorted { $0.key < $1.key }.map { target, sources in
                    Finding(
                        .problem, table: sources[0], "\(sources.map(\.description).joined(separator: " and ")) would both be \(target) at the target",
                        remedy: "Give one of them another name with to:, or leave it out with exclude:.")
                }
        }
    }

    package func definitions(of shaped: [SourceTable], as rules: TableRules) throws -> [TableDefinition] {
        guard rules.isShaping else { return try definitions(of: shaped) }
        let own = try reporting("the source's tables cannot be listed") { try UserTables.all(in: session) }
        return try shaped.map { table in
            guard let source = own.first(where: { $0.name == table.name }), rules.shape(of: table.name) != nil else {
                var definition = try definitions(of: [table])[0]
                let meetsShape = definition.foreignKeys.contains { statement in
                    QualifiedName(after: "references", in: statement).map { rules.shape(of: TableName(schema: $0.schema, name: $0.name)) != nil } ?? false
                }
                guard meetsShape else { return definition }
                definition.foreignKeys = try reporting("the tables' definitions cannot be read") {
                    try ShapedDefinition(session: session, rules: rules).foreignKeys(ofUnchanged: table)
                }
                return definition
            }
            return try reporting("the tables' definitions cannot be read") {
                try session.run("begin transaction read only")
                defer { session.rollback() }
                return try ShapedDefinition(session: session, rules: rules).definition(of: source)
            }
        }
    }
}
