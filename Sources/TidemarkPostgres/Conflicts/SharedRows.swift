import TidemarkCore

/// Writes a row of a shared table as text, and reads it from there: what is compared, kept and recorded is text of one form.
struct SharedRows {
    let columns: [TargetColumn]
    let keys: [TargetColumn]
    private let forms: [String: TypeForm]

    init(_ target: TargetTable, in session: PostgresSession) throws(PostgresFailure) {
        columns = target.written
        // By name: other pipelines, and the triggers here, have to write the same text.
        keys = target.keys.sorted { $0.name < $1.name }
        forms = try Self.forms(of: target.oid, in: session)
    }

    static func forms(of relation: String, in session: PostgresSession) throws(PostgresFailure) -> [String: TypeForm] {
        let rows = try session.query(
            "select attname, atttypid from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped", [.text(relation)])
        let types = (0..<rows.count).map { (name: rows[$0, 0] ?? "", type: UInt32(rows[$0, 1] ?? "") ?? 0) }
        let forms = try TypeForm.all(of: types.map(\.type), in: session)
        return Dictionary(uniqueKeysWithValues: types.compactMap { column in forms[column.type].map { (column.name, $0) } })
    }

    /// The row under an alias.
    func image(_ alias: String) -> String { ImageExpressions(of: columns.compactMap(form), alias: alias).json }

    /// Some columns of it, by name: the ends may have them in other orders.
    func image(of names: Set<String>, _ alias: String) -> String {
        ImageExpressions(of: columns.filter { names.contains($0.name) }.sorted { $0.name < $1.name }.compactMap(form), alias: alias).json
    }

    func key(_ alias: String) -> String { ImageExpressions(of: keys.compactMap(form), alias: alias).key(keys.map(\.name)) }

    /// A relation of one row with the table's columns, from an expression of its image; all of them are NULL where that is.
    func record(_ image: String) -> String { Self.record(columns, image) }

    func keyRecord(_ key: String) -> String { Self.record(keys, key) }

    /// The condition under which a row t is that of a key's text.
    func matches(_ key: String) -> String {
        "json_to_record((\(key))::json) as x(\(keys.map(\.recordDefinition).joined(separator: ", ")))"
    }

    var match: String { keys.map(\.matches).joined(separator: " and ") }

    private static func record(_ columns: [TargetColumn], _ image: String) -> String {
        let values = columns.map { "\($0.fromRecord()) as \($0.quoted)" }.joined(separator: ", ")
        let definitions = columns.map(\.recordDefinition).joined(separator: ", ")
        return "(select \(values) from json_to_record((\(image))::json) as x(\(definitions)) offset 0)"
    }

    private func form(_ column: TargetColumn) -> ImageColumn? { forms[column.name].map { ImageColumn(name: column.name, form: $0) } }
}
