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
            try SourceIdentity.ifInstalled(in: session)
        }
    }

    package func planInstall() throws -> [PlannedStatement] {
        [PlannedStatement(PostgresSQL.target, lock: "none on any table of yours; makes schema tidemark")]
    }

    package func install() throws {
        let what = "the cursor's table cannot be made"
        try reporting(what) { try OwnSchema(session: session).make(by: PostgresSQL.target, doing: what) }
    }

    package func cursor(of pipeline: String) throws -> StoredCursor? {
        try reporting("the cursor cannot be read") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return nil }
            return try CursorRow(session: session, pipeline: pipeline).stored()
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

    package func check(_ sequences: [SequenceState]) throws -> [Finding] {
        try reporting("the target's sequences cannot be checked") { try SequenceSwitch(session: session).findings(sequences) }
    }

    package func setSequences(_ states: [SequenceState], margin: Int64) throws -> [String] {
        try reporting("the sequences cannot be set") { try SequenceSwitch(session: session).set(states, margin: margin) }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try reporting("the removal cannot be planned") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return [] }
            let statements = try forgetting(pipeline) + (isLast(pipeline) ? dropping() : [])
            return try RoleRemoval(session: session, pipeline: pipeline).plan() + WaitGrants(session: session, pipeline: pipeline).removal()
                + TombstoneTriggers(session: session, pipeline: pipeline).planRemoval() + statements.map { PlannedStatement($0, lock: "none on any table of yours") }
        }
    }

    package func remove(_ pipeline: String) throws {
        try reporting("the cursor cannot be removed") {
            try OwnSchema(session: session).refuseForeign()
            guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return }
            try RoleRemoval(session: session, pipeline: pipeline).run()
            for statement in try WaitGrants(session: session, pipeline: pipeline).removal() { try session.run(statement.sql) }
            try TombstoneTriggers(session: session, pipeline: pipeline).prepare([])
            let statements = try forgetting(pipeline) + (isLast(pipeline) ? dropping() : [])
            for statement in statements { try session.run(statement) }
        }
    }

    package func copies(of pipeline: String) throws -> [TableCopy] {
        try reporting("the copies cannot be read") {
            let records = CopyRecords(session: session, pipeline: pipeline)
            return try records.exist() ? records.copies() : []
        }
    }

    package func proofs(of pipeline: String) throws -> [TableProof] {
        try reporting("the proofs cannot be read") {
            let records = CopyRecords(session: session, pipeline: pipeline)
            return try records.exist() ? records.proofs() : []
        }
    }

    package func expect(_ copies: [TableCopy], of pipeline: String) throws {
        try reporting("the copies cannot be recorded") {
            guard !copies.isEmpty else { return }
            try session.run("begin")
            for copy in copies { try CopyRecords(session: session, pipeline: pipeline).save(copy) }
            // A worker that runs has to leave these tables out from now on.
            try session.query("update tidemark.cursor set revision = revision + 1 where pipeline = $1", [.text(pipeline)])
            try session.run("commit")
        }
    }

    private static let tables = ["cursor", "table_copy", "table_proof", "repair", "lease", "sync_unit", "conflict", "shared_table"] + ParkedRecords.tables

    private func dropping() throws -> [String] { try OwnSchema(session: session).dropping(Self.tables + ["tombstone"]) }

    /// What is kept of one pipeline only.
    private func forgetting(_ pipeline: String) throws -> [String] {
        let standing = try session.query(
            "select relname from pg_class where relnamespace = 'tidemark'::regnamespace and relname = any ($1::text[])",
            [.text("{\(Self.tables.joined(separator: ","))}")])
        return (0..<standing.count).compactMap { standing[$0, 0] }.sorted().map {
            "delete from tidemark.\($0) where pipeline = \(PostgresIdentifier.literal(pipeline))"
        }
    }

    private func isLast(_ pipeline: String) throws -> Bool {
        try session.query("select exists (select from tidemark.cursor where pipeline <> $1)", [.text(pipeline)])[0, 0] != "t"
    }
}
