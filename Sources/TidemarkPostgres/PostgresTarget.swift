package import TidemarkBlocking
package import TidemarkCore

/// Applies windows to one PostgreSQL database, and keeps the cursor there. Confined to one thread.
package final class PostgresTarget {
    let session: PostgresSession
    private let pipeline: String
    private var statements: [Int32: TableStatements] = [:]

    /// - Throws: if the role may not set `session_replication_role`. Without it the target's foreign
    ///   keys and triggers would act on every replicated row.
    package init(_ url: String, pipeline: String) throws {
        session = try PostgresSession(url)
        self.pipeline = pipeline
        do {
            try session.run("set session session_replication_role = replica")
        } catch {
            guard error.sqlState == "42501" else { throw error }
            throw TidemarkError(
                "the target's role may not hold foreign keys and triggers still", pipeline: pipeline,
                why: "it lacks the right to set session_replication_role",
                remedy: "From PostgreSQL 15: grant set on parameter session_replication_role to <role>; before, use a superuser.")
        }
    }

    /// Takes the pipeline over: raises the epoch, so that an earlier worker's moves fail from now on.
    package func takeOver(worker: String) throws -> Cursor {
        let rows = try session.query(
            """
            update tidemark.cursor set epoch = epoch + 1, worker = $2 where pipeline = $1
            returning source, snapshot, witness, last_id, epoch
            """, [.text(pipeline), .text(worker)])
        guard rows.count == 1 else {
            throw TidemarkError(
                "the pipeline is not set up", pipeline: pipeline, why: "the target holds no cursor for it",
                remedy: "Type: tidemark setup --pipeline \(pipeline) --source … --target …")
        }
        guard let snapshot = Snapshot(rows[0, 1] ?? ""), let lastID = Int64(rows[0, 3] ?? ""), let epoch = Int64(rows[0, 4] ?? "")
        else {
            throw TidemarkError(
                "the cursor cannot be read", pipeline: pipeline, why: "its snapshot is “\(rows[0, 1] ?? "")”",
                remedy: "The row of tidemark.cursor was altered by hand: restore it, or set the pipeline up again.")
        }
        return Cursor(
            source: rows[0, 0] ?? "", snapshot: snapshot, witness: rows[0, 2] ?? "", lastID: lastID, epoch: epoch)
    }

    /// Applies one window and moves the cursor over it, in one transaction.
    ///
    /// The cursor moves first: its row lock makes a second worker wait, and its compare-and-set
    /// makes it fail.
    package func apply(
        _ window: Window, from slots: PageSlots, tables: [Int32: CapturedTable], moving cursor: Cursor
    ) throws -> Cursor {
        defer { slots.abandon() }
        do {
            try session.run("begin")
            var moved = cursor
            (moved.snapshot, moved.witness) = (window.end, window.witness)
            try move(cursor, to: moved)
            var staged = WholeRowDeletions()
            while let page = try slots.next() {
                try apply(page, tables: tables, staging: &staged)
                moved.lastID = max(moved.lastID, page.changes.last?.id ?? 0)
            }
            for capture in staged.captures.sorted() { try statements[capture]?.deleteWholeRows(in: session) }
            try session.query(
                "update tidemark.cursor set last_id = $2 where pipeline = $1",
                [.text(pipeline), .text(String(moved.lastID))])
            try session.run("commit")
            return moved
        } catch {
            _ = try? session.run("rollback")
            throw error
        }
    }

    private func move(_ cursor: Cursor, to moved: Cursor) throws {
        let rows = try session.query(
            """
            update tidemark.cursor set snapshot = $2, witness = $3, applied_at = now()
            where pipeline = $1 and snapshot = $4 and witness = $5 and epoch = $6
            """,
            [
                .text(pipeline), .text(moved.snapshot.description), .text(moved.witness),
                .text(cursor.snapshot.description), .text(cursor.witness), .text(String(cursor.epoch)),
            ])
        guard rows.affected == 1 else {
            throw TidemarkError(
                "another worker has taken the pipeline over", pipeline: pipeline,
                why: "the cursor is no longer where this worker left it",
                remedy: "Nothing was applied by this one. Let one worker run each pipeline.")
        }
    }

    private func apply(
        _ page: ChangePage, tables: [Int32: CapturedTable], staging staged: inout WholeRowDeletions
    ) throws {
        for capture in Set(page.changes.map(\.capture)) where statements[capture] == nil {
            guard let table = tables[capture] else { continue }
            statements[capture] = try TableStatements(table, in: session, pipeline: pipeline)
        }
        let plan: PagePlan
        do {
            plan = try PagePlan(
                coalescing: page, keysCompareByText: { statements[$0]?.keysCompareByText ?? false })
        } catch {
            throw refusal(of: page.changes[error.index], in: page, tables: tables)
        }
        try truncate(plan.tables.filter(\.truncates).map(\.capture), staging: &staged)
        for table in plan.tables {
            guard let statements = statements[table.capture] else { continue }
            do {
                try statements.apply(table, of: page, in: session, staging: &staged)
            } catch let failure as PostgresFailure where !failure.isConnectionLost {
                throw PageFault(pipeline: pipeline, table: statements.table, failure: failure)
                    .located(in: page, table, statements, session)
            }
        }
    }

    /// Tables truncated together go into one TRUNCATE, so that foreign keys among them do not
    /// matter; where another table refers to them, their rows are deleted. Never CASCADE: it would
    /// empty tables outside the pipeline (BREAKS F4).
    private func truncate(_ captures: [Int32], staging staged: inout WholeRowDeletions) throws {
        guard !captures.isEmpty else { return }
        let names = captures.compactMap { statements[$0]?.quotedName }
        try session.run("savepoint tidemark_truncate")
        do {
            try session.run("truncate only \(names.joined(separator: ", only "))")
        } catch {
            guard ["0A000", "42809"].contains(error.sqlState) else { throw error }
            try session.run("rollback to savepoint tidemark_truncate")
            for name in names { try session.run("delete from \(name)") }
        }
        for capture in captures { try staged.forget(capture, in: session) }
    }

    private func refusal(
        of change: Change, in page: ChangePage, tables: [Int32: CapturedTable]
    ) -> TidemarkError {
        let table = tables[change.capture]?.name
        let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
        if change.operation == .imageTooLarge {
            return TidemarkError(
                "a row is not in the change log", pipeline: pipeline, table: table, key: key, changeID: change.id,
                why: "its image was too large for JSON when it was captured",
                remedy: "Make the row smaller, or leave the table out with --exclude and type: tidemark setup …")
        }
        return TidemarkError(
            "a table was altered", pipeline: pipeline, table: table, changeID: change.id,
            why: "its columns are no longer those that its capture was made for, so rows written since are not in the log",
            remedy: "Type: tidemark setup … and load the table anew.")
    }
}
