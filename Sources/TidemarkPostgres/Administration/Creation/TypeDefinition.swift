/// A type of the user's.
struct TypeDefinition {
    let schema: String
    /// As `format_type` writes it: qualified.
    let name: String
    /// The type that this one came with: an array's element, a multirange's range.
    let madeWith: String?
    private let oid: String
    private let kind: String
    private let quoted: String

    init(_ oid: String, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            select n.nspname, t.typname, format_type(t.oid, null),
                   case when t.typtype = 'c' and c.relkind <> 'c' then 'table' else t.typtype::text end,
                   case when t.typsubscript = 'array_subscript_handler'::regproc and t.typtype = 'b' then t.typelem
                        when t.typtype = 'm' then (select rngtypid from pg_range where rngmultitypid = t.oid) end
            from pg_type t join pg_namespace n on n.oid = t.typnamespace left join pg_class c on c.oid = t.typrelid
            where t.oid = $1
            """, [.text(oid)])
        self.oid = oid
        schema = rows[0, 0] ?? ""
        name = rows[0, 2] ?? ""
        kind = rows[0, 3] ?? ""
        madeWith = rows[0, 4]
        quoted = PostgresIdentifier.qualified(schema, rows[0, 1] ?? "")
    }

    /// Nil for what SQL alone cannot make here: types in C, and the row types of tables.
    func statement(in session: PostgresSession) throws -> String? {
        switch kind {
        case "e": "create type \(quoted) as enum (\(try list(Self.labels, in: session)))"
        case "c": "create type \(quoted) as (\(try list(Self.attributes, in: session)))"
        case "r": "create type \(quoted) as range (\(try list(Self.range, in: session)))"
        case "d": "create domain \(quoted) as \(try list(Self.domain, separator: " ", in: session))"
        default: nil
        }
    }

    private func list(_ query: String, separator: String = ", ", in session: PostgresSession) throws -> String {
        let rows = try session.query(query, [.text(oid)])
        return (0..<rows.count).compactMap { rows[$0, 0] }.joined(separator: separator)
    }

    private static let labels = "select quote_literal(enumlabel) from pg_enum where enumtypid = $1 order by enumsortorder"

    private static let attributes = """
        select format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
               || coalesce((select format(' collate %I.%I', n.nspname, l.collname)
                            from pg_collation l join pg_namespace n on n.oid = l.collnamespace
                            where l.oid = a.attcollation and a.attcollation <> b.typcollation), '')
        from pg_type t join pg_attribute a on a.attrelid = t.typrelid join pg_type b on b.oid = a.atttypid
        where t.oid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum
        """

    private static let range = """
        select o from pg_range r
        join pg_opclass c on c.oid = r.rngsubopc join pg_namespace cn on cn.oid = c.opcnamespace
        cross join lateral (values
            (1, 'subtype = ' || format_type(r.rngsubtype, null)),
            (2, format('subtype_opclass = %I.%I', cn.nspname, c.opcname)),
            (3, (select format('collation = %I.%I', n.nspname, l.collname) from pg_collation l
                 join pg_namespace n on n.oid = l.collnamespace where l.oid = r.rngcollation)),
            (4, (select format('canonical = %I.%I', n.nspname, p.proname) from pg_proc p
                 join pg_namespace n on n.oid = p.pronamespace where p.oid = r.rngcanonical)),
            (5, (select format('subtype_diff = %I.%I', n.nspname, p.proname) from pg_proc p
                 join pg_namespace n on n.oid = p.pronamespace where p.oid = r.rngsubdiff)),
            (6, (select format('multirange_type_name = %I.%I', n.nspname, t.typname) from pg_type t
                 join pg_namespace n on n.oid = t.typnamespace where t.oid = r.rngmultitypid))) v (place, o)
        where r.rngtypid = $1 and o is not null order by place
        """

    private static let domain = """
        select o from pg_type t join pg_type b on b.oid = t.typbasetype
        cross join lateral (
            values (1, '', format_type(t.typbasetype, t.typtypmod)),
                   (2, '', (select format('collate %I.%I', n.nspname, l.collname)
                        from pg_collation l join pg_namespace n on n.oid = l.collnamespace
                        where l.oid = t.typcollation and t.typcollation <> b.typcollation)),
                   (3, '', 'default ' || coalesce(pg_get_expr(t.typdefaultbin, 'pg_type'::regclass), quote_literal(t.typdefault))),
                   (4, '', case when t.typnotnull then 'not null' end)
            union all
            select 5, conname, format('constraint %I %s', conname, regexp_replace(pg_get_constraintdef(oid), ' NOT VALID$', ''))
            from pg_constraint where contypid = t.oid and contype = 'c') v (place, name, o)
        where t.oid = $1 and o is not null order by place, name
        """
}

/// A collation of the user's.
struct CollationDefinition {
    let schema: String
    let statement: String

    init(_ oid: String, in session: PostgresSession) throws {
        // By way of JSON, since the columns are others in every version.
        let rows = try session.query(
            """
            select n.nspname, l.collname, case l.collprovider when 'i' then 'icu' when 'b' then 'builtin' else 'libc' end,
                   l.collisdeterministic, coalesce(j->>'colllocale', j->>'colliculocale', case when l.collprovider = 'i' then l.collcollate end),
                   l.collcollate, l.collctype, j->>'collicurules'
            from pg_collation l join pg_namespace n on n.oid = l.collnamespace cross join to_jsonb(l) j where l.oid = $1
            """, [.text(oid)])
        let literal = PostgresIdentifier.literal
        let places = rows[0, 4].map { ["locale = \(literal($0))"] }
            ?? ["lc_collate = \(literal(rows[0, 5] ?? "C"))", "lc_ctype = \(literal(rows[0, 6] ?? "C"))"]
        let rules = rows[0, 7].map { ["rules = \(literal($0))"] } ?? []
        let options = ["provider = \(rows[0, 2] ?? "libc")"] + places + (rows[0, 3] == "t" ? [] : ["deterministic = false"]) + rules
        schema = rows[0, 0] ?? ""
        statement = "create collation if not exists \(PostgresIdentifier.qualified(schema, rows[0, 1] ?? "")) (\(options.joined(separator: ", ")))"
    }
}
