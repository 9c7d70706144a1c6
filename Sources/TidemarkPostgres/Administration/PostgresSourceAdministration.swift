import PostgresSQL
package import TidemarkCore

/// Installs, examines and removes capture in one PostgreSQL database.
package final class PostgresSourceAdministration: SourceAdministration {
    let session: PostgresSession

    package init(_ url: String) throws {
        session = try reporting("the source cannot be reached") { try PostgresSession(url) }
    }

    package func tables(_ selection: TableSelection) throws -> [SourceTable] {
        try reporting("the source's tables cannot be listed") {
            try UserTables.all(in: session).filter { selection.takes($0.name) }
        }
    }

    package func planInstall(_ request: CaptureRequest) throws -> [PlannedStatement] {
        try reporting("the installation cannot be planned") { try InstallPlan(session: session).statements(request) }
    }

    package func installLog() throws {
        let what = "the change log cannot be installed"
        try reporting(what) { try OwnSchema(session: session).make(by: PostgresSQL.install, doing: what) }
    }

    package func identity() throws -> String? {
        try reporting("the source cannot be identified") {
            try SourceIdentity.ifInstalled(in: session)
        }
    }

    /// The tick is committed before the first trigger exists, so every captured change lies after it.
    package func startCursor(of pipeline: String) throws -> Cursor {
        try reporting("the first place in the change log cannot be taken") {
            try session.query(
                """
                insert into tidemark.pipeline (name) values ($1)
                on conflict (name) do update set snapshot = null, witness = null, last_id = null, lost_at = null, lost_why = null,
                    incomplete = '{0}'
                """, [.text(pipeline)])
            let id = try CaptureRegistry.lastDrawnID(in: session)
            let tick = try session.query(
                """
                insert into tidemark.tick (snapshot, xid, last_id, low_id)
                values (pg_current_snapshot(), pg_current_xact_id(), $1, $1) returning snapshot, token
                """, [.text(String(id))])
            return Cursor(
                source: try SourceIdentity.read(in: session),
                snapshot: .transactions(try TransactionSnapshot.parsed(tick[0, 0])), witness: tick[0, 1] ?? "",
                lastID: id, epoch: 0)
        }
    }

    package func install(_ request: CaptureRequest) throws -> [SourceTable] {
        try request.refuseContradiction()
        let tables = try tables(request.selection)
        guard !tables.isEmpty else { throw Self.nothingSelected(request) }
        if request.requiresKey, let keyless = tables.first(where: \.keyColumns.isEmpty) {
            throw TidemarkError(
                "a table has no key", pipeline: request.pipeline, table: keyless.name,
                why: "--require-key was given, and the table has no primary key and no unique index on NOT NULL columns",
                remedy: "Give it a primary key, leave it out with --exclude, or do without --require-key.")
        }
        // Recorded first: a worker that runs has to take every change of a table from the first on.
        try reporting("the pipeline cannot be recorded") { try RecordedRequest(request).write(in: session) }
        // Before capture, which does not begin again where the log is still at its cap.
        try reporting("the cap of the change log cannot be set") { try LogLimitRecord(session: session).write(request.logLimit) }
        let locks = TableLocks(session: session)
        for table in tables {
            try locks.holding(table.name, doing: "a table cannot be captured") {
                let images = try RecordedRequest.images(of: table.name, for: request, in: session)
                let capturesApplied = try RecordedRequest.capturesApplied(table.name, for: request, in: session)
                try session.query(
                    "select tidemark.attach($1::regclass, $2, $3::boolean, $4, $5::boolean)",
                    [
                        .text(PostgresIdentifier.quoted(table.name)), .text(request.kind(with: images).rawValue),
                        .text(request.capturesReplicaRole ? "t" : "f"), .text(images.rawValue),
                        .text(capturesApplied ? "t" : "f"),
                    ])
            }
        }
        try reporting("capture of tables that nobody takes cannot be removed") { try releaseUnselected(locks) }
        return tables
    }

    /// Takes capture off the tables that no pipeline wants any more, and that are gone.
    private func releaseUnselected(_ locks: TableLocks) throws {
        let names = try session.query("select name from tidemark.pipeline")
        let selections = try (0..<names.count).map { row in
            // A pipeline that is known by its confirmations only may want any table.
            try RecordedRequest(of: names[row, 0] ?? "", in: session)?.request.selection ?? TableSelection()
        }
        let captured = try session.query(
            """
            select c.relation, c.schema_name, c.table_name, exists (select from pg_class r where r.oid = c.relation)
            from tidemark.capture c where c.retired_at is null order by c.id
            """)
        for row in 0..<captured.count {
            let name = TableName(schema: captured[row, 1], name: captured[row, 2] ?? "")
            guard captured[row, 3] != "t" || !selections.contains(where: { $0.takes(name) }) else { continue }
            try locks.holding(name, doing: "capture cannot be taken off a table") {
                try session.query("select tidemark.detach($1::oid::regclass)", [.text(captured[row, 0] ?? "")])
            }
        }
    }

    package func recordedRequest(of pipeline: String) throws -> CaptureRequest? {
        try reporting("the pipeline's record cannot be read") {
            try CaptureRegistry.isInstalled(in: session) ? RecordedRequest(of: pipeline, in: session)?.request : nil
        }
    }

    package func loss(of pipeline: String) throws -> PipelineLoss? {
        try reporting("the pipeline's record cannot be read") {
            try LogLimitRecord.isInstalled(in: session) ? try LogLimitRecord(session: session).loss(of: pipeline) : nil
        }
    }

    package func makeRoom(behind cursor: Cursor, of pipeline: String) throws {
        try reporting("the change log cannot be emptied") {
            do {
                try TickWriting.requireWitness(of: cursor, in: session)
                try LogPruner(session: session).confirm(cursor, of: pipeline)
            } catch let failure as TidemarkError where failure.retry == .unlessMoved {
                // The worker says so.
                return
            }
        }
    }

    package func check(_ request: CaptureRequest) throws -> [Finding] {
        try reporting("the source cannot be checked") {
            try SourceCheck(session: session).findings(request, tables: try tables(request.selection))
        }
    }

    package func sequences(_ selection: TableSelection) throws -> [SequenceState] {
        try reporting("the sequences cannot be read") { try SourceSequences(session: session).states(selection) }
    }

    package func status(
        of pipeline: String, at cursor: Cursor?, settledThrough: [TableName: Int32]
    ) throws -> SourceStatus {
        try reporting("the change log's state cannot be read") {
            try LogStatus(session: session).read(pipeline, at: cursor, settledThrough: settledThrough)
        }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try reporting("the removal cannot be planned") { try Removal(session: session, pipeline: pipeline).plan() }
    }

    package func remove(_ pipeline: String) throws {
        try reporting("capture cannot be removed") { try Removal(session: session, pipeline: pipeline).run() }
    }

    private static func nothingSelected(_ request: CaptureRequest) -> TidemarkError {
        let patterns = request.selection.include.map(\.text).joined(separator: ", ")
        return TidemarkError(
            "no table is selected", pipeline: request.pipeline,
            why: patterns.isEmpty ? "the source has no user table that is not excluded" : "no user table of the source matches \(patterns)",
            remedy: "Patterns are schema.table with *; psql's \\dt *.* lists the tables.")
    }
}
