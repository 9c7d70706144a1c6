import TidemarkCore

/// Records how far a pipeline is durable, and removes what every pipeline has. Rarely and in small transactions: each
/// of them makes the application's writers wait.
struct Confirmation {
    private let database: SQLiteDatabase
    private let limits: SQLiteSourceLimits
    private let clock = ContinuousClock()
    private var last: (time: ContinuousClock.Instant, cursor: Cursor)?

    init(_ database: SQLiteDatabase, limits: SQLiteSourceLimits) {
        self.database = database
        self.limits = limits
    }

    mutating func confirm(_ cursor: Cursor, of pipeline: String) throws(SQLiteFailure) {
        let now = clock.now
        if let last {
            guard cursor.witness != last.cursor.witness else { return }
            let isDue = now - last.time >= .milliseconds(limits.confirmEveryMs)
                || cursor.lastApplied - last.cursor.lastApplied >= limits.confirmEveryChanges
            guard isDue else { return }
        }
        database.setBusyTimeout(milliseconds: limits.rareWriteWaitMs)
        defer { database.setBusyTimeout(milliseconds: SQLiteDatabase.busyTimeoutDefaultMs) }
        do {
            try record(cursor, of: pipeline)
            last = (now, cursor)
            let deadline = now + .milliseconds(limits.pruneBudgetMs)
            while try prune() >= limits.pruneBatchRows, clock.now < deadline {}
            while try dropNotes() >= limits.pruneBatchRows, clock.now < deadline {}
        } catch {
            if database.isInTransaction { try? database.execute("ROLLBACK") }
            // The application is writing: what is left undone costs space only.
            guard error.isRetryable else { throw error }
        }
    }

    private func record(_ cursor: Cursor, of pipeline: String) throws(SQLiteFailure) {
        try database.execute("BEGIN IMMEDIATE")
        let values: [SQLiteValue] = [.integer(cursor.lastApplied), .string(cursor.witness), .string(pipeline)]
        let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        _ = try database.rows(
            "UPDATE main.tidemark_pipeline SET confirmed_id = ?, token = ?, confirmed_at = \(now) WHERE name = ?", values)
        if database.changes == 0 {
            _ = try database.rows(
                "INSERT INTO main.tidemark_pipeline (confirmed_id, token, name, confirmed_at) VALUES (?, ?, ?, \(now))", values)
        }
        try database.execute("COMMIT")
    }

    /// Never the last row of the log, or its ids would return, and never a row that some cursor names as its witness.
    private func prune() throws(SQLiteFailure) -> Int64 {
        let lowest = "(SELECT min(coalesce(confirmed_id, 0)) FROM main.tidemark_pipeline)"
        _ = try database.rows(
            """
            DELETE FROM main.data_changes WHERE id IN (
                SELECT id FROM main.data_changes
                WHERE id <= \(lowest) AND id < (SELECT max(id) FROM main.data_changes)
                  AND id NOT IN (SELECT coalesce(confirmed_id, 0) FROM main.tidemark_pipeline)
                ORDER BY id LIMIT \(limits.pruneBatchRows))
            """)
        let removed = database.changes
        _ = try database.rows("DELETE FROM main.tidemark_tick WHERE last_id < \(lowest)")
        return removed
    }

    /// A note serves the statement that wrote it, and whoever holds the write lock knows that none is running: all
    /// that are there now were left over by statements that ignored a conflict.
    private func dropNotes() throws(SQLiteFailure) -> Int64 {
        guard try !database.rows("SELECT 1 FROM main.tidemark_replaced LIMIT 1").isEmpty else { return 0 }
        try database.execute(
            "DELETE FROM main.tidemark_replaced WHERE id IN (SELECT id FROM main.tidemark_replaced LIMIT \(limits.pruneBatchRows))")
        return database.changes
    }
}
