import PostgresSQL
package import TidemarkCore

/// Installs, examines and removes what a target keeps.
package final class PostgresTargetAdministration: TargetAdministration {
    let session: PostgresSession

    package init(_ url: String) throws {
        session = try reporting("the target cannot be reached") { try PostgresSession(url) }
    }

    package func identityAsSource() throws -> String? {
        try reporting("the target cannot be identified") {
            try CaptureRegistry.isInstalled(in: session) ? try SourceIdentity.read(in: session) : nil
        }
    }

    package func planInstall() throws -> [PlannedStatement] {
        [PlannedStatement(PostgresSQL.target, lock: "none on any table of yours; makes schema tidemark")]
    }

    package func install() throws {
        try reporting("the cursor's table cannot be made") {
            try OwnSchema(session: session).refuseForeign()
            try session.run(PostgresSQL.target)
        }
    }

    package func cursor(of pipeline: String) throws -> StoredCursor? {
        try reporting("the cursor cannot be read") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return nil }
            let rows = try session.query(
                "select source, snapshot, witness, last_id, epoch, applied_at, worker, failure from tidemark.cursor where pipeline = $1",
                [.text(pipeline)])
            guard rows.count == 1, let snapshot = Snapshot(rows[0, 1] ?? "") else { return nil }
            let cursor = Cursor(
                source: rows[0, 0] ?? "", snapshot: snapshot, witness: rows[0, 2] ?? "",
                lastID: Int64(rows[0, 3] ?? "") ?? 0, epoch: Int64(rows[0, 4] ?? "") ?? 0)
            return StoredCursor(cursor: cursor, appliedAt: rows[0, 5], worker: rows[0, 6], failure: rows[0, 7])
        }
    }

    package func place(_ cursor: Cursor, of pipeline: String) throws {
        try reporting("the cursor cannot be placed") {
            try session.query(
                """
                insert into tidemark.cursor (pipeline, source, snapshot, witness, last_id, epoch)
                values ($1, $2, $3, $4, $5, 0) on conflict (pipeline) do nothing
                """,
                [
                    .text(pipeline), .text(cursor.source), .text(cursor.snapshot.description), .text(cursor.witness),
                    .text(String(cursor.lastID)),
                ])
        }
    }

    package func check(_ tables: [SourceTable]) throws -> [Finding] {
        try reporting("the target cannot be checked") { try TargetCheck(session: session).findings(tables) }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try reporting("the removal cannot be planned") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return [] }
            let forget = PlannedStatement(
                "delete from tidemark.cursor where pipeline = \(PostgresIdentifier.literal(pipeline))", lock: "none on any table of yours")
            guard try isLast(pipeline) else { return [forget] }
            return [forget] + (try dropping()).map { PlannedStatement($0, lock: "none on any table of yours") }
        }
    }

    package func remove(_ pipeline: String) throws {
        try reporting("the cursor cannot be removed") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return }
            let last = try isLast(pipeline)
            try session.query("delete from tidemark.cursor where pipeline = $1", [.text(pipeline)])
            guard last else { return }
            for statement in try dropping() { try session.run(statement) }
        }
    }

    private func dropping() throws -> [String] { try OwnSchema(session: session).dropping(["cursor"]) }

    private func isLast(_ pipeline: String) throws -> Bool {
        try session.query("select exists (select from tidemark.cursor where pipeline <> $1)", [.text(pipeline)])[0, 0] != "t"
    }
}
