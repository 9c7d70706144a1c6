import TidemarkCore

/// A table as the target of a shaped pipeline has to make it: from its columns, its key, and the indexes and foreign keys of
/// which all columns travel as they are. It is a plain table, also where the source's is partitioned; defaults, checks and
/// sequences stay with the source, where rows are made.
struct ShapedDefinition {
    let session: PostgresSession
    let rules: TableRules

    func definition(of source: SourceTable) throws -> TableDefinition {
        let shape = try ShapedTable(CapturedTable(source), by: rules, in: session)
        let target = shape.table.atTarget
        let tree = try TableTree(source.name, in: session)
        let known = Dictionary(uniqueKeysWithValues: try DefinedColumn.all(of: tree.root.oid, in: session).map { ($0.name, $0) })
        var needs = Prerequisites(session)
        needs.addSchema(target.schema ?? "public")
        let kept = shape.columns.filter { shape.computed[$0.name] == nil }
        try needs.addTypes(ofColumns: kept.compactMap(\.source), of: tree.root.oid, and: shape.computed.values.map(\.oid))
        let columns = shape.columns.map { column in
            let computed = shape.computed[column.name]
            let own = computed == nil ? column.source.flatMap { known[$0] } : nil
            return (name: column.name, type: own?.type ?? computed?.type ?? "text", isNotNull: own?.isNotNull ?? false)
        }
        let names = Dictionary(uniqueKeysWithValues: kept.map { ($0.source ?? $0.name, $0.name) })
        let quoted = PostgresIdentifier.quoted(target)
        let key = shape.table.keyColumns.isEmpty ? [] : ["primary key (\(Self.list(shape.table.keyColumns)))"]
        let elements = columns.map { "\(PostgresIdentifier.quoted($0.name)) \($0.type)\($0.isNotNull ? " not null" : "")" } + key
        let indexes = try TableIndexes(of: tree, keyColumns: source.keyColumns, in: session).plain.compactMap { index in
            let renamed = index.columns.compactMap { names[$0] }
            return renamed.count == index.columns.count ? TableDefinition.Index(columns: renamed, isUnique: index.isUnique) : nil
        }
        var definition = TableDefinition(
            engine: PostgresEngine().name, table: target,
            columns: zip(columns, shape.table.columns).map { column, captured in
                TableDefinition.Column(name: column.name, type: captured.type, isNotNull: column.isNotNull, isGenerated: false)
            },
            keyColumns: shape.table.keyColumns, indexes: indexes,
            statementsBefore: needs.statements + ["create table if not exists \(quoted) (\n    \(elements.joined(separator: ",\n    "))\n)"],
            statementsAfter: indexes.map { index in
                "create \(index.isUnique ? "unique " : "")index if not exists \(PostgresIdentifier.quoted(Self.indexName(index, on: target))) on \(quoted) (\(Self.list(index.columns)))"
            },
            foreignKeys: try foreignKeys(of: tree.root.oid, names, on: quoted), requirements: needs.requirements)
        definition.sourceName = source.name == target ? nil : source.name
        return definition
    }

    /// Of a table that is shaped by no rule, and refers to one that is.
    func foreignKeys(ofUnchanged table: SourceTable) throws -> [String] {
        let names = Dictionary(table.columns.map { ($0.name, $0.name) }, uniquingKeysWith: { first, _ in first })
        return try foreignKeys(of: try TableTree(table.name, in: session).root.oid, names, on: PostgresIdentifier.quoted(table.name))
    }

    private static func list(_ names: [String]) -> String { names.map(PostgresIdentifier.quoted).joined(separator: ", ") }

    /// The same for the same index, so that a run that is repeated finds it.
    private static func indexName(_ index: TableDefinition.Index, on table: TableName) -> String {
        let name = "\(table.name)_\(index.columns.joined(separator: "_"))_idx"
        guard name.utf8.count > 63 else { return name }
        let hash = name.utf8.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        var start = String.UnicodeScalarView()
        for scalar in name.unicodeScalars where String(start).utf8.count + UTF8.width(scalar) <= 46 { start.append(scalar) }
        return "\(String(start))_\(String(hash, radix: 16))"
    }

    /// Those between columns that both tables have at the target. One into a table of which rows are left out may have nothing at
    /// its other end, so it is none of the target's.
    private func foreignKeys(of relation: String, _ names: [String: String], on quoted: String) throws -> [String] {
        let rows = try session.query(
            """
            select f.conname, n.nspname, c.relname,
                   to_json(array(select a.attname from unnest(f.conkey) with ordinality k(n, o) join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n order by o)),
                   to_json(array(select a.attname from unnest(f.confkey) with ordinality k(n, o) join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n order by o)),
                   to_json(array(select attname from pg_attribute where attrelid = f.confrelid and attnum > 0 and not attisdropped)),
                   (regexp_match(pg_get_constraintdef(f.oid), 'REFERENCES .*?\\)((?: .*)?)$'))[1]
            from pg_constraint f join pg_class c on c.oid = f.confrelid join pg_namespace n on n.oid = c.relnamespace
            where f.conrelid = $1 and f.contype = 'f' and f.conparentid = 0 order by f.conname
            """, [.text(relation)])
        return try (0..<rows.count).compactMap { row in
            let parent = TableName(schema: rows[row, 1], name: rows[row, 2] ?? "")
            let shaping = rules.shaping(of: parent, having: try JSONText.strings(rows[row, 5] ?? "[]"))
            let columns = try JSONText.strings(rows[row, 3] ?? "[]")
            let referenced = try JSONText.strings(rows[row, 4] ?? "[]")
            let own = columns.compactMap { names[$0] }
            let travels = referenced.allSatisfy { column in
                !shaping.omitted.contains(column) && (shaping.columns?.contains(column) ?? true) && !shaping.expressions.contains { $0.column == column }
            }
            guard own.count == columns.count, shaping.filter == nil, travels else { return nil }
            return "alter table \(quoted) add constraint \(PostgresIdentifier.quoted(rows[row, 0] ?? "")) foreign key (\(Self.list(own))) references "
                + "\(PostgresIdentifier.quoted(rules.target(of: parent))) (\(Self.list(referenced.map { shaping.renamedColumns[$0] ?? $0 })))\(rows[row, 6] ?? "")"
        }
    }
}
