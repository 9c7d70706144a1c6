package import TidemarkCore

/// Writes changes to a PostgreSQL primary as an application would.
package final class PostgresReplayTarget: ReplayTarget {
    private let session: PostgresSession
    private let context: ApplyContext
    private let tables: TargetTables

    package init(_ url: String, pipeline: String) throws {
        do {
            session = try PostgresSession(url)
            let rows = try session.query("select current_user, current_database(), current_setting('server_version_num')")
            context = ApplyContext(
                pipeline: pipeline, role: rows[0, 0] ?? "", database: rows[0, 1] ?? "", holdsTriggersStill: false,
                serverVersion: rows[0, 2].flatMap { Int($0) } ?? 0)
        } catch {
            throw TargetFault(error, pipeline: pipeline).error("the new primary cannot be used")
        }
        tables = TargetTables(session: session, context: context)
    }

    package func replay(tables captured: [Int32: CapturedTable], pages: (_ receive: (ChangePage) throws -> Void) throws -> Void) throws {
        tables.captured = captured
        do {
            try session.run(context.begin)
            try session.query("update tidemark.role set replayed_at = now() where pipeline = $1", [.text(context.pipeline)])
            var window = PagedWindow(tables)
            try pages { try window.apply($0) }
            try window.finish()
            try session.run("commit")
        } catch {
            session.rollback()
            if let refusal = error as? PageRefusal { throw refusal.refusingReplay(context) }
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("lost changes cannot be replayed")
        }
    }
}

extension PageRefusal {
    /// Rows that other rows of the new primary leave no room for: which is for a person to decide.
    fileprivate func refusingReplay(_ context: ApplyContext) -> TidemarkError {
        TidemarkError(
            "a lost change does not fit any more", pipeline: context.pipeline, table: table?.name,
            why: "the new primary refuses it: \(failure?.message ?? "rows that it needs are gone")",
            remedy: "Nothing was replayed. Take the changes back instead (--lost undo), and enter those of the export that still count by hand.")
    }
}
