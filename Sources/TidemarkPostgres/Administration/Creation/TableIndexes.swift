import TidemarkCore

/// The indexes of a table and its partitions, with the constraints that they serve. Those that partitions
/// have from their parent's come with it.
struct TableIndexes {
    /// What makes the key by which rows are found: it has to be there before them.
    private(set) var key: [String] = []
    private(set) var others: [String] = []
    /// Of the root, without the key, and without expressions and predicates.
    private(set) var plain: [TableDefinition.Index] = []

    init(of tree: TableTree, keyColumns: [String], in session: PostgresSession) throws {
        let rows = try session.query(
            Self.query, [.text("{\(tree.relations.map(\.oid).joined(separator: ","))}"), .text(tree.root.oid)])
        for row in 0..<rows.count {
            let columns = try JSONText.strings(rows[row, 2] ?? "[]")
            let isKey = key.isEmpty && !keyColumns.isEmpty && rows[row, 1] == "t" && columns == keyColumns
            if isKey { key.append(rows[row, 0] ?? "") } else { others.append(rows[row, 0] ?? "") }
            if !isKey, rows[row, 3] == "t" {
                plain.append(TableDefinition.Index(columns: columns, isUnique: rows[row, 4] == "t"))
            }
        }
    }

    /// Statement; could it be the key; its columns; is it one of the root over columns alone; is it unique
    /// by an equality that another engine has too. The key's order is that of `tidemark.key_index()`.
    private static let query = """
        select case when k.oid is not null
                    then format('alter table %I.%I add constraint %I %s', n.nspname, r.relname, k.conname, pg_get_constraintdef(k.oid))
                    else format('create %sindex if not exists %I on %s', case when i.indisunique then 'unique ' end, c.relname,
                                regexp_replace(substr(pg_get_indexdef(c.oid), length(
                                    format('CREATE %sINDEX %I ON ', case when i.indisunique then 'UNIQUE ' end, c.relname)) + 1), '^ONLY ', ''))
               end,
               i.indrelid = $2 and i.indisunique and i.indislive and i.indimmediate and i.indpred is null and i.indexprs is null,
               to_json(array(select a.attname::text from generate_series(0, i.indnkeyatts - 1) p
                             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[p] order by p)),
               i.indrelid = $2 and i.indpred is null and i.indexprs is null and m.amname = 'btree',
               i.indisunique and not exists (
                   select from generate_series(0, i.indnkeyatts - 1) p join pg_collation l on l.oid = i.indcollation[p]
                   where not l.collisdeterministic)
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_am m on m.oid = c.relam
        join pg_class r on r.oid = i.indrelid
        join pg_namespace n on n.oid = r.relnamespace
        left join pg_constraint k on k.conindid = i.indexrelid and k.conrelid = i.indrelid and k.contype in ('p', 'u', 'x')
        where i.indrelid = any ($1::oid[]) and i.indisvalid and not c.relispartition
        order by i.indrelid <> $2, i.indisprimary desc, i.indnkeyatts, i.indexrelid
        """
}
