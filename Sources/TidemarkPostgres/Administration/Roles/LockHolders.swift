import TidemarkCore

/// Who keeps writers' locks on tables, for whoever waits for them to end.
struct LockHolders {
    let session: PostgresSession
    /// As many are named as fit into a sentence.
    private static let namedMax = 3

    /// - Parameter relations: an array of regclass; their partitions count, too.
    func refusal(_ what: String, on relations: String, pipeline: String) throws -> TidemarkError {
        let holders = try holders(of: relations)
        var refusal = TidemarkError(
            what, pipeline: pipeline, table: holders.first?.table,
            why: "writers held a table all the while, though none does at the moment",
            remedy: "Nothing was changed. Type the command again; where it fails again, let the applications pause.", retry: .later)
        guard let first = holders.first else { return refusal }
        let more = holders.count > Self.namedMax ? "; and \(holders.count - Self.namedMax) more" : ""
        refusal.why = holders.prefix(Self.namedMax).map(\.who).joined(separator: "; ") + more
        refusal.remedy = "Nothing was changed. Let \(holders.count == 1 ? "it" : "them") end, or type in psql: \(first.end) Then type the command again."
        return refusal
    }

    private struct Holder {
        var table: TableName
        var who: String
        var end: String
    }

    /// Of each session, or prepared transaction, the table that comes first.
    private func holders(of relations: String) throws -> [Holder] {
        let rows = try session.query(
            """
            select distinct on (l.pid, l.virtualtransaction) n.nspname, c.relname, l.pid, a.usename, a.application_name,
                   extract(epoch from clock_timestamp() - coalesce(a.xact_start, x.prepared))::bigint, a.backend_type, x.gid, x.owner
            from tidemark.guards($1::regclass[]) g
            join pg_locks l on l.locktype = 'relation' and l.relation = g.relation::oid and l.granted
            join pg_class c on c.oid = l.relation join pg_namespace n on n.oid = c.relnamespace
            left join pg_stat_activity a on a.pid = l.pid
            left join pg_locks own on l.pid is null and own.pid is null and own.locktype = 'transactionid' and own.virtualtransaction = l.virtualtransaction
            left join pg_prepared_xacts x on x.transaction = own.transactionid
            where l.database = (select oid from pg_database where datname = current_database())
              and l.pid is distinct from pg_backend_pid()
              and l.mode not in ('AccessShareLock', 'RowShareLock')
            order by l.pid, l.virtualtransaction, 1, 2
            """, [.text(relations)])
        return (0..<rows.count).map { row in
            let table = TableName(schema: rows[row, 0], name: rows[row, 1] ?? "")
            let age = rows[row, 5].map { ", open for \($0) s" } ?? ""
            if let gid = rows[row, 7] {
                return Holder(
                    table: table, who: "the prepared transaction \(PostgresIdentifier.literal(gid)) of user \(rows[row, 8] ?? "?") has \(table)\(age)",
                    end: "commit prepared \(PostgresIdentifier.literal(gid)); (or rollback prepared …)")
            }
            let pid = rows[row, 2] ?? "?"
            guard rows[row, 6] != "autovacuum worker" else {
                return Holder(table: table, who: "autovacuum (process \(pid)) works on \(table)", end: "select pg_cancel_backend(\(pid));")
            }
            let application = rows[row, 4].flatMap { $0.isEmpty ? nil : ", application \($0)" } ?? ""
            return Holder(
                table: table, who: "process \(pid) of user \(rows[row, 3] ?? "?")\(application) has a transaction on \(table)\(age)",
                end: "select pg_terminate_backend(\(pid));")
        }
    }
}
