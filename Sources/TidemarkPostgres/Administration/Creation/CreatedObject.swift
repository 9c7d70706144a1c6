import TidemarkCore

/// What a statement of a table's creation makes, so that one whose work is done already can be left out.
/// It reads the statements that definitions and creations write, not any SQL.
enum CreatedObject: Hashable {
    case schema(String)
    case type(QualifiedName)
    case table(QualifiedName)
    case sequence(QualifiedName)
    case index(String, on: QualifiedName)
    case constraint(String, on: QualifiedName)

    /// Nil for a statement that may run again, or that changes something which is there.
    init?(_ sql: String) {
        var words = SQLWords(sql)
        if words.take("create", "schema") {
            _ = words.take("if", "not", "exists")
            guard let name = words.next() else { return nil }
            self = .schema(name.text)
        } else if words.take("create", "type") || words.take("create", "domain") {
            guard let name = QualifiedName(&words) else { return nil }
            self = .type(name)
        } else if words.take("create", "table") {
            _ = words.take("if", "not", "exists")
            guard let name = QualifiedName(&words) else { return nil }
            self = .table(name)
        } else if words.take("create", "sequence") {
            _ = words.take("if", "not", "exists")
            guard let name = QualifiedName(&words) else { return nil }
            self = .sequence(name)
        } else if words.take("create", "index") || words.take("create", "unique", "index") {
            _ = words.take("if", "not", "exists")
            guard let name = words.next(), words.take("on"), let table = QualifiedName(&words) else { return nil }
            self = .index(name.text, on: table)
        } else if words.take("alter", "table") {
            guard let table = QualifiedName(&words), words.take("add", "constraint"), let name = words.next() else { return nil }
            self = .constraint(name.text, on: table)
        } else {
            return nil
        }
    }

    var table: QualifiedName? {
        guard case .table(let name) = self else { return nil }
        return name
    }

    func exists(in session: PostgresSession) throws -> Bool {
        let rows = switch self {
        case .schema(let name): try session.query("select to_regnamespace($1)", [.text(PostgresIdentifier.quoted(name))])
        case .type(let name): try session.query("select to_regtype($1)", [.text(name.quoted)])
        case .table(let name), .sequence(let name): try session.query("select to_regclass($1)", [.text(name.quoted)])
        case .index(let name, let table):
            try session.query(
                "select (select indexrelid from pg_index where indexrelid = to_regclass($1) and indrelid = to_regclass($2))",
                [.text(QualifiedName(schema: table.schema, name: name).quoted), .text(table.quoted)])
        case .constraint(let name, let table):
            try session.query(
                "select (select oid from pg_constraint where conrelid = to_regclass($1) and conname = $2)",
                [.text(table.quoted), .text(name)])
        }
        return rows[0, 0] != nil
    }
}
