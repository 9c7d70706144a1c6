import TidemarkCore

/// How large a table is with its partitions, by what the catalogue says.
enum RelationSize {
    /// - Parameter relation: by OID.
    static func read(of relation: String, in session: PostgresSession) throws(PostgresFailure) -> TableSize {
        let found = try session.query(
            """
            select sum(greatest(c.reltuples, 0))::bigint, sum(pg_table_size(c.oid))::bigint, bool_or(c.reltuples < 0)
            from (select $1::oid as oid union select relid from pg_partition_tree($1::oid::regclass)) p
            join pg_class c on c.oid = p.oid and c.relkind = 'r'
            """, [.text(relation)])
        let bytes = Int64(found[0, 1] ?? "") ?? 0
        let known = found[0, 2] == "t" ? nil : Int64(found[0, 0] ?? "")
        // Never analyzed: by a usual width of rows.
        return TableSize(rows: known ?? bytes / 100, bytes: bytes)
    }
}
