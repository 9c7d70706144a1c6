/// Something that is not built in, and that a table refers to.
struct UsedObject {
    struct Identity: Hashable {
        /// The catalogue that it is in.
        let catalog: String
        let oid: String
    }

    let identity: Identity
    /// For people: what of the table refers to it.
    let usedBy: String

    func with(_ identity: Identity) -> UsedObject { UsedObject(identity: identity, usedBy: usedBy) }

    /// Those that columns, defaults, constraints, indexes and partition keys of the relations refer to.
    static func all(by relations: [String], in session: PostgresSession) throws -> [UsedObject] {
        try read(
            """
            with part (catalog, oid, place, user_name) as (
                select 'pg_class'::regclass, attrelid, attnum::int, format('column %I', attname) from pg_attribute
                where attrelid = any ($1::oid[]) and not attisdropped
                union all
                select 'pg_class'::regclass, r, 0, 'the partition key' from unnest($1::oid[]) r
                union all
                select 'pg_attrdef'::regclass, d.oid, 0, format(
                    case when a.attgenerated = '' then 'the default of column %I' else 'the expression of column %I' end, a.attname)
                from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                where d.adrelid = any ($1::oid[])
                union all
                select 'pg_constraint'::regclass, oid, 0, format('constraint %I', conname) from pg_constraint
                where conrelid = any ($1::oid[]) and contype in ('c', 'x', 'f')
                union all
                select 'pg_class'::regclass, i.indexrelid, 0, format('index %I', c.relname)
                from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = any ($1::oid[]) and i.indisvalid)
            select distinct on (p.refclassid, p.refobjid) p.refclassid::regclass, p.refobjid, part.user_name
            from part cross join lateral (
                -- by its index, also where nothing is known about the catalogue's size yet
                select * from pg_depend where classid = part.catalog and objid = part.oid and objsubid = part.place offset 0) p
            where \(reference)
            order by p.refclassid, p.refobjid, part.user_name
            """, "{\(relations.joined(separator: ","))}", in: session)
    }

    /// The types of these columns of a relation, with their collations, and of these OIDs.
    static func types(ofColumns columns: [String], of relation: String, and types: [String], in session: PostgresSession) throws -> [UsedObject] {
        let rows = try session.query(
            """
            with own as (select a.atttypid, a.attcollation, format('column %I', a.attname) as words from pg_attribute a
                         where a.attrelid = $1 and a.attname in (select json_array_elements_text($2)))
            select distinct on (1, 2) * from (
                select 'pg_type', atttypid::text, words from own where atttypid >= 16384
                union all select 'pg_collation', attcollation::text, words from own where attcollation >= 16384
                union all select 'pg_type', t, 'a computed column' from unnest($3::text[]) t where t::oid >= 16384) used
            order by 1, 2
            """, [.text(relation), .json(JSONText.array(columns)), .text("{\(types.joined(separator: ","))}")])
        return (0..<rows.count).map { row in
            UsedObject(identity: Identity(catalog: rows[row, 0] ?? "", oid: rows[row, 1] ?? ""), usedBy: rows[row, 2] ?? "")
        }
    }

    /// What a type refers to itself: its columns' types, what it is a domain or a range of, and its constraints'.
    func parts(in session: PostgresSession) throws -> [UsedObject] {
        try Self.read(
            """
            with part (catalog, oid) as (
                select 'pg_type'::regclass, $1::oid
                union all
                select 'pg_class'::regclass, typrelid from pg_type where oid = $1 and typtype = 'c'
                union all
                select 'pg_constraint'::regclass, oid from pg_constraint where contypid = $1)
            select distinct p.refclassid::regclass, p.refobjid, format_type($1, null)
            from part join pg_depend p on p.classid = part.catalog and p.objid = part.oid
            where \(Self.reference) and p.refobjid <> $1
            order by 1, 2
            """, identity.oid, in: session
        ).map { UsedObject(identity: $0.identity, usedBy: "\(usedBy), whose type is \($0.usedBy)") }
    }

    /// Objects below 16384 are PostgreSQL's own.
    private static let reference = """
        p.refobjid >= 16384 and p.deptype in ('n', 'a', 'i') and p.refclassid = any (
            '{pg_type,pg_collation,pg_proc,pg_operator,pg_opclass,pg_ts_config,pg_ts_dict}'::regclass[])
        """

    private static func read(_ query: String, _ parameter: String, in session: PostgresSession) throws -> [UsedObject] {
        let rows = try session.query(query, [.text(parameter)])
        return (0..<rows.count).map { row in
            UsedObject(identity: Identity(catalog: rows[row, 0] ?? "", oid: rows[row, 1] ?? ""), usedBy: rows[row, 2] ?? "")
        }
    }
}

extension UsedObject {
    func owningExtension(in session: PostgresSession) throws -> (name: String, schema: String)? {
        let rows = try session.query(
            """
            select e.extname, n.nspname from pg_depend p
            join pg_extension e on e.oid = p.refobjid join pg_namespace n on n.oid = e.extnamespace
            where p.classid = $1::regclass and p.objid = $2 and p.refclassid = 'pg_extension'::regclass and p.deptype = 'e'
            """, [.text(identity.catalog), .text(identity.oid)])
        return rows[0, 0].map { ($0, rows[0, 1] ?? "") }
    }

    /// The constructors of a range type are functions that came with it.
    func typeThatMadeIt(in session: PostgresSession) throws -> UsedObject? {
        let rows = try session.query(
            """
            select refobjid from pg_depend
            where classid = $1::regclass and objid = $2 and refclassid = 'pg_type'::regclass and deptype = 'i'
            """, [.text(identity.catalog), .text(identity.oid)])
        return rows[0, 0].map { with(Identity(catalog: "pg_type", oid: $0)) }
    }

    /// As SQL names it: `s.f(integer)`.
    func described(as type: String, in session: PostgresSession) throws -> String {
        try session.query("select $1::oid::\(type)", [.text(identity.oid)])[0, 0] ?? ""
    }

    /// As a person would say it.
    func words(in session: PostgresSession) throws -> String {
        try session.query("select pg_describe_object($1::regclass, $2, 0)", [.text(identity.catalog), .text(identity.oid)])[0, 0] ?? ""
    }
}
