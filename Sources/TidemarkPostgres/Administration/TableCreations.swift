package import TidemarkCore

extension PostgresTargetAdministration {
    package func creations(of definitions: [TableDefinition]) throws -> [TableCreation] {
        try reporting("the tables' creation cannot be planned") {
            let creations = TableCreations(session: session)
            let missing = try definitions.filter { try !creations.exists($0.table) }
            return missing.isEmpty ? [] : try creations.all(of: missing)
        }
    }

    /// All of a table or nothing: where this is interrupted, the next run finds no half of it.
    package func create(_ creation: TableCreation) throws {
        do {
            guard try !TableCreations(session: session).exists(creation.table) else { return }
            try session.run("begin")
            for statement in creation.statementsBefore {
                if try CreatedObject(statement.sql)?.exists(in: session) == true { continue }
                try session.run(statement.sql)
            }
            try session.run("commit")
        } catch {
            session.rollback()
            guard let failure = error as? PostgresFailure else { throw error }
            var reported = failure.reported("a table cannot be made on the target")
            reported.table = creation.table
            throw reported
        }
    }
}

/// What makes the tables that a target lacks: the source's own SQL where it is a PostgreSQL too, else from
/// its columns.
struct TableCreations {
    private static let lock = "none: the table is new"
    let session: PostgresSession

    /// Also as a view or as anything else: `check` says what is wrong with it.
    func exists(_ table: TableName) throws -> Bool {
        try session.query("select to_regclass($1)", [.text(PostgresIdentifier.quoted(table))])[0, 0] != nil
    }

    /// - Parameter missing: tables that the target lacks.
    func all(of missing: [TableDefinition]) throws -> [TableCreation] {
        let isOwn = { (definition: TableDefinition) in definition.engine == PostgresEngine().name }
        for definition in missing where isOwn(definition) {
            try refuseUnmet(definition)
            try refuseTakenPartitions(definition)
        }
        var names = IndexNames(session: session)
        let complete = try missing.map { definition in
            isOwn(definition) ? definition : try ColumnwiseTable(definition).definition(naming: { try names.next(for: $0, on: definition.table) })
        }
        let made = Set(complete.flatMap(\.statementsBefore).compactMap { CreatedObject($0)?.table })
        // What several tables need, the first of them makes.
        var planned: Set<String> = []
        return try complete.map { definition in
            let before = try definition.statementsBefore.filter { try planned.insert($0).inserted && !isThere($0) }
            return TableCreation(
                table: definition.table, sourceName: definition.sourceName, statementsBefore: before.map { PlannedStatement($0, lock: Self.lock) },
                statementsAfter: definition.statementsAfter,
                statementsLast: try definition.foreignKeys.filter { try isKept(foreignKey: $0, making: made) })
        }
    }

    private func isThere(_ statement: String) throws -> Bool { try CreatedObject(statement)?.exists(in: session) ?? false }

    /// A foreign key into a table that is neither here nor about to be made is left out.
    private func isKept(foreignKey statement: String, making made: Set<QualifiedName>) throws -> Bool {
        guard let referenced = QualifiedName(after: "references", in: statement) else { return true }
        return try made.contains(referenced) || session.query("select to_regclass($1)", [.text(referenced.quoted)])[0, 0] != nil
    }

    private func refuseUnmet(_ definition: TableDefinition) throws {
        for requirement in definition.requirements {
            let lookUp: String? = switch requirement.kind {
            case .function: "to_regprocedure"
            case .operation: "to_regoperator"
            case .type: "to_regtype"
            case .other: nil
            }
            if let lookUp, try finds(requirement.name, by: lookUp) { continue }
            let byHand = "create the table there by hand (pg_dump --schema-only -t '\(PostgresIdentifier.quoted(definition.table))' shows it)"
            throw TidemarkError(
                "a table cannot be made on the target", table: definition.table,
                why: "\(requirement.usedBy) uses \(requirement.inWords), which the target lacks and tidemark does not copy",
                remedy: requirement.kind == .other
                    ? "Please \(byHand), or leave it out with --exclude; then type the command again."
                    : "Create \(requirement.inWords) on the target, or \(byHand); then type the command again.")
        }
    }

    private func finds(_ name: String, by lookUp: String) throws -> Bool {
        do {
            return try session.query("select \(lookUp)($1)", [.text(name)])[0, 0] != nil
        } catch {
            // Servers before 16 look for the function's own types, and fail where one is missing.
            guard ["42704", "3F000"].contains(error.sqlState) else { throw error }
            return false
        }
    }

    /// Left alone, it would be a table beside the new one, and no partition of it.
    private func refuseTakenPartitions(_ definition: TableDefinition) throws {
        for statement in definition.statementsBefore {
            guard let object = CreatedObject(statement), let table = object.table, try object.exists(in: session) else { continue }
            throw TidemarkError(
                "a table cannot be made on the target", table: definition.table,
                why: "the target has its partition \(table.quoted) already, as a table of its own",
                remedy: "Type on the target: drop table \(table.quoted); or make the partitioned table by hand and attach it.")
        }
    }
}

extension TableDefinition.Requirement {
    var inWords: String {
        switch kind {
        case .function: "function \(name)"
        case .operation: "operator \(name)"
        case .type: "type \(name)"
        case .other: name
        }
    }
}
