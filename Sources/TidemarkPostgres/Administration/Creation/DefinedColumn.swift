/// A column as CREATE TABLE takes it.
struct DefinedColumn {
    let name: String
    let isNotNull: Bool
    /// With modifiers, and the collation where it is not the type's own.
    let type: String
    /// The default, or the expression of a generated column.
    private let expression: String?
    /// `s`: stored; `v`: computed when read; empty: not generated.
    private let generated: String
    /// The whole `generated … as identity (…)`.
    private let identity: String?

    var definition: String {
        [quoted, type, value].compactMap(\.self).joined(separator: " ") + (isNotNull ? " not null" : "")
    }

    /// What a partition's column has beyond its parent's, as `PARTITION OF` takes it.
    func difference(from parent: DefinedColumn) -> String? {
        var parts: [String] = []
        if generated.isEmpty, expression != parent.expression { parts.append("default \(expression ?? "null")") }
        if isNotNull, !parent.isNotNull { parts.append("not null") }
        return parts.isEmpty ? nil : "\(quoted) \(parts.joined(separator: " "))"
    }

    private var quoted: String { PostgresIdentifier.quoted(name) }

    private var value: String? {
        if let identity { return identity }
        guard let expression else { return nil }
        return switch generated {
        case "s": "generated always as (\(expression)) stored"
        case "v": "generated always as (\(expression)) virtual"
        default: "default \(expression)"
        }
    }

    static func all(of relation: String, in session: PostgresSession) throws -> [DefinedColumn] {
        let rows = try session.query(
            """
            select a.attname, format_type(a.atttypid, a.atttypmod), ln.nspname, l.collname, a.attnotnull, a.attgenerated,
                   pg_get_expr(d.adbin, d.adrelid), a.attidentity, n.nspname, c.relname, s.seqstart, s.seqincrement, s.seqmin,
                   s.seqmax, s.seqcache, s.seqcycle
            from pg_attribute a
            join pg_type t on t.oid = a.atttypid
            left join pg_collation l on l.oid = a.attcollation and a.attcollation <> t.typcollation
            left join pg_namespace ln on ln.oid = l.collnamespace
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            left join pg_depend p on p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass
                and p.refobjid = a.attrelid and p.refobjsubid = a.attnum and p.deptype = 'i' and a.attidentity <> ''
            left join pg_sequence s on s.seqrelid = p.objid
            left join pg_class c on c.oid = s.seqrelid
            left join pg_namespace n on n.oid = c.relnamespace
            where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
            order by a.attnum
            """, [.text(relation)])
        return (0..<rows.count).map { row in
            let type = rows[row, 1] ?? ""
            let collation = rows[row, 3].map { " collate \(PostgresIdentifier.qualified(rows[row, 2], $0))" } ?? ""
            return DefinedColumn(
                name: rows[row, 0] ?? "", isNotNull: rows[row, 4] == "t", type: type + collation, expression: rows[row, 6],
                generated: rows[row, 5] ?? "", identity: identity(rows, row))
        }
    }

    private static func identity(_ rows: PostgresRows, _ row: Int) -> String? {
        guard let kind = rows[row, 7], !kind.isEmpty, let name = rows[row, 9] else { return nil }
        let options = SequenceOptions(
            start: rows[row, 10] ?? "", increment: rows[row, 11] ?? "", minimum: rows[row, 12] ?? "", maximum: rows[row, 13] ?? "",
            cache: rows[row, 14] ?? "", cycles: rows[row, 15] == "t")
        return "generated \(kind == "a" ? "always" : "by default") as identity"
            + " (sequence name \(PostgresIdentifier.qualified(rows[row, 8], name)) \(options.text))"
    }
}

extension PostgresIdentifier {
    /// Of anything that lies in a schema.
    static func qualified(_ schema: String?, _ name: String) -> String { quoted(schema ?? "pg_catalog") + "." + quoted(name) }
}
