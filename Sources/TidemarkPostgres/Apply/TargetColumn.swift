import TidemarkCore

/// A column of the target, as far as statements need to know it.
struct TargetColumn {
    var name: String
    /// As a column definition takes it: schema-qualified, with modifiers; a domain by its own name.
    let type: String
    /// The type below any domains, with the modifiers that hold for it.
    let baseType: String
    let isJSON: Bool
    let isGenerated: Bool
    let isIdentityAlways: Bool
    let isNotNull: Bool
    /// Is a value found for it where an image has none: a default, an identity, an expression, or NULL?
    let isOptional: Bool
    /// Are two values equal exactly if their text is?
    let comparesByText: Bool
    /// May `pg_catalog.=` compare it, and a hash or an index serve that?
    let comparesPlainly: Bool
    /// For a key column, the operator and collation that its unique index compares with.
    let equality: String
    let collation: String?

    var quoted: String { PostgresIdentifier.quoted(name) }

    /// How the image holds it: json travels as the text of its text, or its `null` would be lost.
    var recordDefinition: String {
        "\(quoted) \(isJSON ? "text" : type)" + (isJSON ? "" : collation.map { " collate \($0)" } ?? "")
    }

    func fromRecord(_ alias: String = "x") -> String {
        isJSON ? "\(alias).\(quoted)::\(type)" : "\(alias).\(quoted)"
    }

    func called(_ name: String) -> TargetColumn {
        var column = self
        column.name = name
        return column
    }

    /// The target's own equality between the table's column and the record's.
    var matches: String {
        "t.\(quoted)\(collation.map { " collate \($0)" } ?? "") operator(\(equality)) \(fromRecord())"
    }

    /// The unique indexes on just these columns, in any order, by OID; a deferrable one first.
    static func keyIndexes(
        of relation: String, on columns: [String], in session: PostgresSession
    ) throws(PostgresFailure) -> [(oid: String, name: String, isImmediate: Bool)] {
        let rows = try session.query(
            """
            select i.indexrelid, c.relname, i.indimmediate
            from pg_index i join pg_class c on c.oid = i.indexrelid
            where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indislive
              and i.indpred is null and i.indexprs is null
              and array(select a.attname::text collate "C" from generate_series(0, i.indnkeyatts - 1) p
                        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p] order by 1)
                = array(select k collate "C" from json_array_elements_text($2) k order by 1)
            order by i.indimmediate, i.indisprimary desc, i.indexrelid
            """, [.text(relation), .json(JSONText.array(columns))])
        return (0..<rows.count).map { (rows[$0, 0] ?? "0", rows[$0, 1] ?? "", rows[$0, 2] == "t") }
    }

    /// All columns of a relation.
    /// - Parameter keyIndex: the unique index whose operators key columns compare with; 0 = none.
    static func all(
        of relation: String, keyIndex: String, in session: PostgresSession
    ) throws(PostgresFailure) -> [TargetColumn] {
        let rows = try session.query(query, [.text(relation), .text(keyIndex)])
        return (0..<rows.count).map { row in
            TargetColumn(
                name: rows[row, 0] ?? "", type: rows[row, 1] ?? "text", baseType: rows[row, 2] ?? "text",
                isJSON: rows[row, 3] == "t", isGenerated: rows[row, 4] == "t",
                isIdentityAlways: rows[row, 5] == "t", isNotNull: rows[row, 6] == "t",
                isOptional: rows[row, 7] == "t", comparesByText: rows[row, 8] == "t",
                comparesPlainly: rows[row, 9] == "t", equality: rows[row, 10] ?? "pg_catalog.=",
                collation: rows[row, 11])
        }
    }

    /// `search_path` is pinned to pg_catalog, so `format_type` qualifies every other type.
    private static let query = """
        with recursive base (attnum, type, modifier) as (
            select attnum, atttypid, atttypmod from pg_attribute
            where attrelid = $1 and attnum > 0 and not attisdropped
            union all
            select b.attnum, t.typbasetype, coalesce(nullif(b.modifier, -1), t.typtypmod)
            from base b join pg_type t on t.oid = b.type where t.typtype = 'd'
        )
        select a.attname, format_type(a.atttypid, a.atttypmod), format_type(b.type, b.modifier),
               b.type in ('json'::regtype, 'jsonb'::regtype),
               a.attgenerated <> '', a.attidentity = 'a', a.attnotnull,
               a.atthasdef or a.attidentity <> '' or not a.attnotnull or t.typdefault is not null,
               b.type = any ('{int2,int4,int8,oid,bool,text,varchar,uuid,date,timestamp,timestamptz,bytea}'::regtype[])
                   and coalesce(l.collisdeterministic, true)
                   and coalesce((select collisdeterministic from pg_collation where oid = k.collation), true),
               b.type = any ('{int2,int4,int8,oid,bool,text,varchar,uuid,date,timestamp,timestamptz,numeric,bytea}'::regtype[])
                   and coalesce(l.collisdeterministic, true),
               k.equality,
               (select format('%I.%I', n.nspname, c.collname) from pg_collation c join pg_namespace n on n.oid = c.collnamespace
                where c.oid = k.collation and k.collation <> t.typcollation)
        from pg_attribute a
        join base b on b.attnum = a.attnum
            and not exists (select from pg_type d where d.oid = b.type and d.typtype = 'd')
        join pg_type t on t.oid = a.atttypid
        left join pg_collation l on l.oid = a.attcollation
        left join lateral (
            select i.indcollation[p] as collation, format('%I.%s', n.nspname, o.oprname) as equality
            from pg_index i cross join lateral generate_series(0, i.indnkeyatts - 1) p
            join pg_opclass c on c.oid = i.indclass[p]
            join pg_amop m on m.amopfamily = c.opcfamily and m.amopstrategy = 3
                and m.amoplefttype = c.opcintype and m.amoprighttype = c.opcintype
            join pg_operator o on o.oid = m.amopopr
            join pg_namespace n on n.oid = o.oprnamespace
            where i.indexrelid = $2 and i.indkey[p] = a.attnum limit 1
        ) k on true
        where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """
}

extension TargetColumn {
    /// One that an expression computes: never of a key.
    init(_ name: String, _ computed: ShapedTable.Computed) {
        self.init(
            name: name, type: computed.type, baseType: computed.type, isJSON: computed.isJSON, isGenerated: false, isIdentityAlways: false,
            isNotNull: false, isOptional: true, comparesByText: false, comparesPlainly: false, equality: "pg_catalog.=", collation: nil)
    }
}
