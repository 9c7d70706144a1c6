import TidemarkCore

/// Takes a pipeline out of a source; with the last one, everything of tidemark.
struct Removal {
    let session: PostgresSession
    let pipeline: String

    func plan() throws -> [PlannedStatement] {
        guard try CaptureRegistry.isInstalled(in: session) else { return [] }
        let standing = try RoleRemoval(session: session, pipeline: pipeline).plan() + WaitGrants(session: session, pipeline: pipeline).removal()
        guard try isLast() else {
            return standing + [PlannedStatement("delete from tidemark.pipeline where name = \(PostgresIdentifier.literal(pipeline))", lock: "none on any table of yours")]
        }
        return try standing + captured().map {
            PlannedStatement(
                "select tidemark.detach(\(PostgresIdentifier.literal(PostgresIdentifier.quoted($0.name))))", lock: "ACCESS EXCLUSIVE on \($0.name)")
        } + (try dropping()).map { PlannedStatement($0, lock: "none on any table of yours") }
    }

    func run() throws {
        guard try CaptureRegistry.isInstalled(in: session) else { return }
        try RoleRemoval(session: session, pipeline: pipeline).run()
        for statement in try WaitGrants(session: session, pipeline: pipeline).removal() { try session.run(statement.sql) }
        guard try isLast() else {
            try session.query("delete from tidemark.pipeline where name = $1", [.text(pipeline)])
            return
        }
        let locks = TableLocks(session: session)
        for table in try captured() {
            try locks.holding(table.name, doing: "capture cannot be taken off a table") {
                try session.query("select tidemark.detach($1::oid::regclass)", [.text(table.relation)])
            }
        }
        for statement in try dropping() { try session.run(statement) }
    }

    private func dropping() throws -> [String] {
        let segments = (0..<LogPruner.segments).map { "data_changes_\($0)" }
        return try OwnSchema(session: session).dropping(segments + ["data_changes", "capture", "tick", "pipeline", "log_limit", "retained", "applied", "sequence_site", "installation"])
    }

    private func isLast() throws -> Bool {
        try session.query("select exists (select from tidemark.pipeline where name <> $1)", [.text(pipeline)])[0, 0] != "t"
    }

    private func captured() throws -> [(relation: String, name: TableName)] {
        let rows = try session.query(
            """
            select c.relation, n.nspname, r.relname from tidemark.capture c
            join pg_class r on r.oid = c.relation join pg_namespace n on n.oid = r.relnamespace
            where c.retired_at is null order by c.id
            """)
        return (0..<rows.count).map { (rows[$0, 0] ?? "", TableName(schema: rows[$0, 1], name: rows[$0, 2] ?? "")) }
    }
}
