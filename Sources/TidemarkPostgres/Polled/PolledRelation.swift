import TidemarkCore

/// A table that is read instead of its log, with what becomes of its rows on their way.
struct PolledRelation {
    /// As the target is to know it.
    let table: CapturedTable
    let oid: String
    /// As FROM takes it: without those that inherit from it, as everywhere.
    let bare: String
    /// Of the source, by name.
    let columns: [String: TargetColumn]
    /// With the target's names, in the key's order.
    let keys: [TargetColumn]
    let filter: String?
    private let sourceKeys: [String: String]
    /// The column's value, and its name at the target, for each.
    private let selected: [(sql: String, column: ImageColumn)]

    private static let isTaken = "tidemark_is_taken"

    init(_ found: SourceTable, by rules: TableRules, in session: PostgresSession) throws {
        let shaping = rules.shaping(of: found.name, having: found.columns.map(\.name))
        let relation = try Self.find(found.name, in: session)
        (oid, bare) = relation
        let keyIndex = found.keyColumns.isEmpty ? nil : try TargetColumn.keyIndexes(of: oid, on: found.keyColumns, in: session).first
        let all = try TargetColumn.all(of: oid, keyIndex: keyIndex?.oid ?? "0", in: session)
        columns = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        filter = shaping.filter
        try RuleCheck(table: found.name, relation: bare, session: session).check(shaping, columns: all.map(\.name), key: found.keyColumns)
        let shaped = shaping.columns(of: found.columns.map(\.name), key: found.keyColumns)
        let types = try Self.types(of: shaped, oid: oid, bare: bare, in: session)
        selected = try Self.select(shaped, types, in: session)
        keys = found.keyColumns.compactMap { name in
            var column = all.first { $0.name == name }
            column?.name = shaped.first { $0.source == name }?.name ?? name
            return column
        }
        sourceKeys = Dictionary(zip(keys.map(\.name), found.keyColumns), uniquingKeysWith: { first, _ in first })
        let generated = Set(found.columns.filter(\.isGenerated).map(\.name))
        var table = CapturedTable(
            capture: 0, name: found.name,
            columns: shaped.indices.map { place in
                let column = shaped[place]
                return CapturedColumn(
                    name: column.name, type: types[place].name, isGenerated: column.sql == nil && generated.contains(column.source ?? ""))
            }, keyColumns: keys.map(\.name), encoding: .typedText)
        let target = rules.target(of: found.name)
        table.targetName = target == found.name ? nil : target
        self.table = table
    }

    /// What a column of the key is called here.
    func sourceName(of key: String) -> String { sourceKeys[key] ?? key }

    private static func find(_ table: TableName, in session: PostgresSession) throws -> (oid: String, bare: String) {
        let rows = try session.query(
            """
            select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')
            """, [.text(table.schema ?? "public"), .text(table.name)])
        guard rows.count == 1, let oid = rows[0, 0] else {
            throw TidemarkError(
                "a table is not there", table: table, why: "it was dropped, or renamed, while it was looked at",
                remedy: "If that is meant, take it out of the pipeline's tables; otherwise type the command again.")
        }
        let quoted = PostgresIdentifier.quoted(table)
        return (oid, rows[0, 1] == "p" ? quoted : "only \(quoted)")
    }

    /// Of each column, by what the server says that its value is.
    private static func types(
        of shaped: [ShapedColumn], oid: String, bare: String, in session: PostgresSession
    ) throws -> [(oid: UInt32, name: String)] {
        let rows = try session.query(
            "select attname, atttypid from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped", [.text(oid)])
        var declared: [String: UInt32] = [:]
        for row in 0..<rows.count { declared[rows[row, 0] ?? ""] = UInt32(rows[row, 1] ?? "") }
        let values = shaped.map { $0.sql.map { "(\($0)\n)" } ?? "t.\(PostgresIdentifier.quoted($0.source ?? ""))" }
        let described = try session.query("select \(values.joined(separator: ", ")) from \(bare) as t limit 0")
        let results = described.columnTypes
        let named = try session.query(
            "select format_type(t::oid, m::int) from json_to_recordset($1) as x(t bigint, m int)",
            [.json(Array("[\(results.map { "{\"t\":\($0.oid),\"m\":\($0.modifier)}" }.joined(separator: ","))]".utf8))])
        return shaped.indices.map { place in
            // Of a domain, capture writes the values otherwise than of the type below.
            let own = shaped[place].sql == nil ? declared[shaped[place].source ?? ""] : nil
            return (own ?? results[place].oid, named[place, 0] ?? "")
        }
    }

    private static func select(
        _ shaped: [ShapedColumn], _ types: [(oid: UInt32, name: String)], in session: PostgresSession
    ) throws -> [(sql: String, column: ImageColumn)] {
        let forms = try TypeForm.all(of: types.map(\.oid), in: session)
        return shaped.indices.compactMap { place in
            let column = shaped[place]
            let value = column.sql.map { "(\($0)\n)" } ?? "t.\(PostgresIdentifier.quoted(column.source ?? ""))"
            return forms[types[place].oid].map {
                ("\(value) as \(PostgresIdentifier.quoted(column.name))", ImageColumn(name: column.name, form: $0))
            }
        }
    }

    // MARK: Queries

    /// The rows that travel, in the target's terms, as FROM takes them: conditions and an order of keys reach the table's indexes through it.
    var rows: String {
        let filter = filter.map { " where (\($0)\n)" } ?? ""
        return "(select \(selected.map(\.sql).joined(separator: ", ")) from \(bare) as t\(filter))"
    }

    /// Changes as `ChangeDecoder` reads them, of rows that lie in a part.
    func query(of range: KeyRange) -> String {
        """
        select row_number() over (), \(table.capture)::int, '\(keys.isEmpty ? "I" : "U")'::"char", r.key, r.image
        from (select (\(key))::text as key, \(images.image) as image from \(rows) as t\(range.filter) offset 0) r
        """
    }

    /// The keys of a part, as deletes, which have no image.
    func keyQuery(of range: KeyRange) -> String {
        """
        select row_number() over (), \(table.capture)::int, 'D'::"char", r.key, null::text
        from (select (\(key))::text as key from \(rows) as t\(range.filter) offset 0) r
        """
    }

    /// Changes of the rows, of a table with a key, that meet a condition over the table's own columns. What the filter leaves out is a delete.
    /// - Parameter order: terms over the table's own columns; nil for any.
    func query(where condition: String, order: String?) -> String {
        let taken = filter.map { ", ((\($0)\n) is true) as \(Self.isTaken)" } ?? ""
        let (letter, image) = filter == nil
            ? ("'U'", images.image) : ("case when r.taken then 'U' else 'D' end", "case when t.\(Self.isTaken) then \(images.image) end")
        return """
            select row_number() over (), \(table.capture)::int, (\(letter))::"char", r.key, r.image
            from (select (\(key))::text as key, \(image) as image\(filter == nil ? "" : ", t.\(Self.isTaken) as taken")
                  from (select \(selected.map(\.sql).joined(separator: ", "))\(taken)
                        from \(bare) as t where \(condition)\(order.map { " order by \($0)" } ?? "") offset 0) as t offset 0) r
            """
    }

    private var images: ImageExpressions { ImageExpressions(of: selected.map(\.column)) }
    private var key: String { keys.isEmpty ? "null" : images.key(keys.map(\.name)) }
}
