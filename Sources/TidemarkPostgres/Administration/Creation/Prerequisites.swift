import TidemarkCore

/// What has to be there before a table: schemas, extensions, collations and types, each after what it
/// needs itself. Functions and operators of the user's are required, not made: their code may do anything.
struct Prerequisites {
    var statements: [String] = []
    private(set) var requirements: [TableDefinition.Requirement] = []
    private var seen: Set<UsedObject.Identity> = []
    private let session: PostgresSession

    init(_ session: PostgresSession) { self.session = session }

    mutating func addSchema(_ name: String) {
        add("create schema if not exists \(PostgresIdentifier.quoted(name))")
    }

    /// Everything that the relations' columns, defaults, constraints and indexes refer to.
    mutating func addUsed(by relations: [String]) throws {
        for used in try UsedObject.all(by: relations, in: session) { try add(used) }
    }

    /// The types and collations of some columns, and types besides.
    mutating func addTypes(ofColumns columns: [String], of relation: String, and types: [String]) throws {
        for used in try UsedObject.types(ofColumns: columns, of: relation, and: types, in: session) { try add(used) }
    }

    private mutating func add(_ statement: String) {
        if !statements.contains(statement) { statements.append(statement) }
    }

    private mutating func require(_ kind: TableDefinition.Requirement.Kind, _ name: String, _ user: String) {
        requirements.append(TableDefinition.Requirement(kind, name, usedBy: user))
    }

    private mutating func add(_ used: UsedObject) throws {
        guard seen.insert(used.identity).inserted else { return }
        if let (extensionName, schema) = try used.owningExtension(in: session) {
            addSchema(schema)
            add("create extension if not exists \(PostgresIdentifier.quoted(extensionName)) with schema \(PostgresIdentifier.quoted(schema)) cascade")
            return
        }
        switch used.identity.catalog {
        case "pg_type": try addType(used)
        case "pg_collation": try addCollation(used)
        case "pg_proc":
            // What made itself with a type comes with the type.
            if let type = try used.typeThatMadeIt(in: session) { return try add(type) }
            require(.function, try used.described(as: "regprocedure", in: session), used.usedBy)
        case "pg_operator": require(.operation, try used.described(as: "regoperator", in: session), used.usedBy)
        default: require(.other, try used.words(in: session), used.usedBy)
        }
    }

    private mutating func addType(_ used: UsedObject) throws {
        let type = try TypeDefinition(used.identity.oid, in: session)
        if let other = type.madeWith { return try add(used.with(UsedObject.Identity(catalog: "pg_type", oid: other))) }
        // A type that needs itself does so through a function, which is required.
        for part in try used.parts(in: session) { try add(part) }
        guard let statement = try type.statement(in: session) else {
            require(.type, type.name, used.usedBy)
            return
        }
        addSchema(type.schema)
        add(statement)
    }

    private mutating func addCollation(_ used: UsedObject) throws {
        let collation = try CollationDefinition(used.identity.oid, in: session)
        addSchema(collation.schema)
        add(collation.statement)
    }
}
