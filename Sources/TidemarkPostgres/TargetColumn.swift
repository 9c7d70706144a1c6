import TidemarkCore

/// A column of the target, as far as statements need to know it.
struct TargetColumn {
    let name: String
    /// Schema-qualified, with modifiers.
    let type: String
    let isJSON: Bool
    let isGenerated: Bool
    let isIdentityAlways: Bool
    let comparesByText: Bool
    /// The operator that its key index compares with, schema-qualified.
    let equality: String

    var quoted: String { PostgresIdentifier.quoted(name) }

    /// How the image holds it: json travels as the text of its text, or its `null` would be lost.
    var recordDefinition: String { "\(quoted) \(isJSON ? "text" : type)" }

    var fromRecord: String { isJSON ? "\(quoted)::\(type)" : quoted }

    /// The target's columns for a captured table, in the order of the image.
    /// - Throws: if the table, or a column that the image holds, is not there.
    static func all(
        of table: CapturedTable, in session: PostgresSession, pipeline: String
    ) throws -> [TargetColumn] {
        let rows = try session.query(
            query, [.text(table.name.schema ?? "public"), .text(table.name.name)])
        guard rows.count > 0 else {
            throw TidemarkError(
                "the target lacks a table", pipeline: pipeline, table: table.name,
                why: "the source captures it",
                remedy: "Create it on the target, or leave it out with --exclude; then type: tidemark run …")
        }
        var found: [String: TargetColumn] = [:]
        for row in 0..<rows.count {
            let name = rows[row, 0] ?? ""
            found[name] = TargetColumn(
                name: name, type: rows[row, 1] ?? "text", isJSON: rows[row, 2] == "t",
                isGenerated: rows[row, 3] == "t", isIdentityAlways: rows[row, 4] == "t",
                comparesByText: rows[row, 5] == "t", equality: rows[row, 6] ?? "pg_catalog.=")
        }
        return try table.columns.map { name in
            guard let column = found[name] else {
                throw TidemarkError(
                    "the target lacks a column", pipeline: pipeline, table: table.name,
                    why: "the source has a column \(PostgresIdentifier.quoted(name)) that the target has not",
                    remedy: "Type on the target: alter table \(PostgresIdentifier.quoted(table.name)) add column"
                        + " \(PostgresIdentifier.quoted(name)) …; then type: tidemark run …")
            }
            return column
        }
    }

    /// `search_path` is pinned to pg_catalog, so `format_type` qualifies every other type.
    private static let query = """
        select a.attname, format_type(a.atttypid, a.atttypmod),
               coalesce(nullif(t.typbasetype, 0), t.oid) in ('json'::regtype, 'jsonb'::regtype),
               a.attgenerated <> '', a.attidentity = 'a',
               t.oid = any ('{int2,int4,int8,oid,bool,text,varchar,uuid,date,timestamp,timestamptz,bytea}'::regtype[])
                   and (a.attcollation = 0 or (select collisdeterministic from pg_collation where oid = a.attcollation)),
               (select format('%I.%s', n.nspname, o.oprname)
                from pg_index i
                cross join lateral unnest(i.indkey::int2[], i.indclass::oid[]) as k(attnum, opclass)
                join pg_opclass c on c.oid = k.opclass
                join pg_amop m on m.amopfamily = c.opcfamily and m.amopstrategy = 3
                    and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype
                join pg_operator o on o.oid = m.amopopr
                join pg_namespace n on n.oid = o.oprnamespace
                where i.indrelid = a.attrelid and i.indisunique and k.attnum = a.attnum
                order by i.indisprimary desc limit 1)
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        join pg_class r on r.oid = a.attrelid
        join pg_namespace s on s.oid = r.relnamespace
        where s.nspname = $1 and r.relname = $2 and a.attnum > 0 and not a.attisdropped
        """
}
