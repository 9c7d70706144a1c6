import TidemarkCore

/// Empties tables of the target. Never CASCADE: it would empty tables outside the pipeline.
struct Truncation {
    let session: PostgresSession
    let context: ApplyContext

    /// A foreign key of a table that was not truncated would remove or change its rows.
    struct WouldCascade: Error {
        let table: CapturedTable
        let foreignKey: String
        let child: String

        func error(_ context: ApplyContext) -> TidemarkError {
            TidemarkError(
                "a table of the target cannot be truncated", pipeline: context.pipeline, table: table.name,
                why: "\(child) still refers to its rows by \(foreignKey), and would lose them too",
                remedy: "\(context.grantOfReplicaRole) or drop that foreign key on the target; then type: tidemark run …", isAboutData: true)
        }
    }

    /// Empties tables together, so that foreign keys among them do not matter; where another table
    /// refers to them, TRUNCATE is refused and their rows are deleted (BREAKS F4).
    func empty(_ tables: [TargetTable]) throws {
        guard !tables.isEmpty else { return }
        guard try !truncated(tables.map(\.onlyName)) else { return }
        let emptied = Set(tables.map(\.oid))
        for table in ForeignKey.parentsFirst(tables).reversed() {
            for key in table.foreignKeys where key.parent == table.oid && key.actsOnDelete && !emptied.contains(key.child) {
                let given = key.childColumns.map { "\(PostgresIdentifier.quoted($0)) is not null" }.joined(separator: " and ")
                guard try session.query("select from \(key.childName) where \(given) limit 1").count == 0 else {
                    throw WouldCascade(table: table.captured, foreignKey: key.name, child: key.childName)
                }
            }
            try session.query("delete from \(table.onlyName)")
        }
    }

    /// Empties one partition, and never the root (BREAKS C2).
    func empty(_ leaf: LeafTruncation, of table: TargetTable) throws {
        let found = try session.query(
            """
            select case when c.oid is not null then
                       format('%s%I.%I', case when c.relkind <> 'p' then 'only ' end, n.nspname, c.relname) end,
                   ($1 ->> 'schema') || '.' || ($1 ->> 'table')
            from (select) one left join (pg_partition_tree($2::oid::regclass) p
                join pg_class c on c.oid = p.relid and c.oid <> $2::oid
                join pg_namespace n on n.oid = c.relnamespace)
              on n.nspname = $1 ->> 'schema' and c.relname = $1 ->> 'table'
            """, [.json(leaf.partition), .text(table.oid)])
        guard let name = found[0, 0] else {
            throw TidemarkError(
                "the target lacks a partition", pipeline: context.pipeline, table: table.captured.name, changeID: leaf.id,
                why: "the source truncated its partition \(found[0, 1] ?? ""), and which rows that removed only the partition says",
                remedy: "Type: tidemark copy --table … --existing empty …, or partition the target as the source is.", isAboutData: true)
        }
        guard try !truncated([name]) else { return }
        try session.query("delete from \(name)")
    }

    /// - Returns: false where PostgreSQL refuses, because another table refers to one of them, or
    ///   because constraints of theirs still wait to be checked.
    private func truncated(_ names: [String]) throws -> Bool {
        try session.run("savepoint tidemark_truncate")
        do {
            try session.run("truncate \(names.joined(separator: ", ")); release savepoint tidemark_truncate")
            return true
        } catch {
            guard ["0A000", "55006"].contains(error.sqlState) else { throw error }
            try session.run("rollback to savepoint tidemark_truncate; release savepoint tidemark_truncate")
            return false
        }
    }
}
