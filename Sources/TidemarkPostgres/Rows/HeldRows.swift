import TidemarkCore

/// The rows that a transaction of one side sees, as both sides of a comparison read them.
struct HeldRows {
    let session: PostgresSession
    /// At a source, how its rows become those that the target gets.
    var shaping: SourceShaping?
    private let relations = Relations()

    /// Looked up once for each position that is held.
    private final class Relations {
        var found: [Int32: RowRelation] = [:]
    }

    func relation(_ table: CapturedTable) throws -> RowRelation {
        if let known = relations.found[table.capture], known.table == table { return known }
        let relation: RowRelation
        if let shaping {
            relation = try RowRelation(table, at: table.name, shaped: try shaping.changed(table), in: session)
        } else {
            relation = try RowRelation(table, at: table.atTarget, in: session)
        }
        relations.found[table.capture] = relation
        return relation
    }

    func release() {
        session.rollback()
        relations.found = [:]
    }

    /// Begins a REPEATABLE READ transaction that has locked tables against being altered before its snapshot is
    /// taken (BREAKS A7): so nothing but LOCK TABLE may run in it first, which takes none.
    ///
    /// It never queues for long: who wants to write waits behind one that wants to alter, and that one behind this.
    func begin(_ mode: String, locking tables: [TableName]) throws {
        release()
        let statements = try tables.compactMap { try lockStatement($0) }
        for attempt in 1...TableLocks.attempts {
            do {
                try session.run("begin isolation level repeatable read \(mode)")
                try session.run("set local lock_timeout = '\(TableLocks.timeoutMs)ms'")
                for statement in statements { try session.run(statement) }
                return
            } catch {
                session.rollback()
                guard error.sqlState == "55P03", attempt < TableLocks.attempts else { throw error }
            }
        }
    }

    /// Not the tables that inherit from it, but the partitions, which LOCK TABLE takes with their root.
    private func lockStatement(_ table: TableName) throws(PostgresFailure) -> String? {
        let rows = try session.query(
            """
            select c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')
            """, [.text(table.schema ?? "public"), .text(table.name)])
        guard rows.count == 1 else { return nil }
        return "lock table \(rows[0, 0] == "p" ? "" : "only ")\(PostgresIdentifier.quoted(table)) in access share mode"
    }

    func isInTheWay() throws -> Bool {
        let rows = try session.query(
            """
            select exists (select from pg_locks waiting join pg_locks own using (locktype, database, relation)
                           where not waiting.granted and own.pid = pg_backend_pid() and own.locktype = 'relation')
            """)
        return rows[0, 0] == "t"
    }

    func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] {
        let relation = try relation(part.table)
        let condition = PartCondition(part, of: relation)
        try condition.bind(in: session)
        // offset 0 keeps the row's hash from being computed twice where it is the bucket as well.
        let rows = try session.query(
            """
            select bucket, count(*), sum(hash) from (
                select \(relation.bucket(of: buckets)) as bucket, \(relation.rowHash) as hash from \(condition.from)) r
            group by bucket
            """)
        var digests: [Int: RowDigest] = [:]
        for row in 0..<rows.count {
            digests[Int(rows[row, 0] ?? "") ?? 0] = RowDigest(rows: Int64(rows[row, 1] ?? "") ?? 0, sum: rows[row, 2] ?? "")
        }
        return digests
    }

    func list(_ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void) throws {
        let relation = try relation(part.table)
        let condition = PartCondition(part, of: relation)
        try condition.bind(in: session)
        let rows = try session.query(
            """
            select \(relation.identity()), \(relation.rowHash)
            from \(condition.from(and: "\(relation.bucket(of: buckets)) = any ($1::int[])"))
            """, [.text("{\(chosen.sorted().map(String.init).joined(separator: ","))}")])
        for row in 0..<rows.count {
            try receive(RowFingerprint(key: rows[row, 0] ?? "", hash: Int64(rows[row, 1] ?? "") ?? 0))
        }
    }

    func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]] {
        let relation = try relation(table)
        guard !relation.keys.isEmpty else { return [:] }
        // By place in the list, since a key may be written in several ways.
        let definitions = relation.keys.map(\.recordDefinition).joined(separator: ", ")
        let names = (relation.keys.map(\.quoted) + ["tidemark_place"]).joined(separator: ", ")
        let hashes = relation.columns.map { "hashtextextended(\(relation.line(of: [$0])), 0)" }.joined(separator: ", ")
        let rows = try session.query(
            """
            select x.tidemark_place, to_json(array[\(hashes)]::text[])
            from rows from (json_to_recordset($1) as (\(definitions))) with ordinality as x(\(names))
            join \(relation.from) as t on \(relation.keys.map(\.matches).joined(separator: " and "))
            """, [.json(Array("[\(keys.joined(separator: ","))]".utf8))])
        var found: [String: [Int64]] = [:]
        for row in 0..<rows.count {
            guard let place = Int(rows[row, 0] ?? ""), keys.indices.contains(place - 1) else { continue }
            found[keys[place - 1]] = try JSONText.strings(rows[row, 1] ?? "[]").map { Int64($0) ?? 0 }
        }
        return found
    }
}
