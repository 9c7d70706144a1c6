import TidemarkCore

/// The tables of a database that a user made and that capture could take.
enum UserTables {
    /// Partitions are taken with their root; what belongs to an extension is the extension's.
    static func all(in session: PostgresSession) throws -> [SourceTable] {
        let rows = try session.query(
            """
            select n.nspname, c.relname, to_json(s.names), to_json(s.types), to_json(s.generated), to_json(k.names)
            from pg_class c
            join pg_namespace n on n.oid = c.relnamespace
            cross join lateral (
                select array_agg(a.attname::text order by a.attnum) as names,
                       array_agg(format_type(coalesce(nullif(t.typbasetype, 0), a.atttypid),
                                             case when t.typbasetype = 0 then a.atttypmod else t.typtypmod end)
                                 order by a.attnum) as types,
                       array_agg(case when a.attgenerated = '' then '0' else '1' end order by a.attnum) as generated
                from pg_attribute a join pg_type t on t.oid = a.atttypid
                where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) s
            cross join lateral (
                -- as REPLICA IDENTITY would accept it; the same rule as tidemark.key_index()
                select array_agg(a.attname::text order by p.place) as names
                from (select i.indkey, i.indnkeyatts from pg_index i
                      where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indislive and i.indimmediate
                        and i.indpred is null and i.indexprs is null
                        and not exists (select from generate_series(0, i.indnkeyatts - 1) x
                                        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[x]
                                        where not a.attnotnull)
                      order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1) i
                cross join lateral generate_series(0, i.indnkeyatts - 1) as p(place)
                join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[p.place]) k
            where s.names is not null and c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence <> 't'
              and n.nspname not in ('pg_catalog', 'information_schema', 'tidemark') and n.nspname !~ '^pg_'
              and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e')
            order by 1, 2
            """)
        return try (0..<rows.count).map { row in
            SourceTable(
                name: TableName(schema: rows[row, 0], name: rows[row, 1] ?? ""),
                columns: try CaptureRegistry.columns(rows[row, 2], rows[row, 3], rows[row, 4]),
                keyColumns: try JSONText.strings(rows[row, 5] ?? "[]"), encoding: .typedText)
        }
    }
}
