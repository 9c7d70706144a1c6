import TidemarkCore

/// Records how far a pipeline is durable, and removes what every pipeline has. Rarely and in small transactions: each
/// of them makes the application's writers wait.
struct Confirmation {
    private let database: SQLiteDatabase
    private let limits: SQLiteSourceLimits
    private let clock = ContinuousClock()
    private let write: BriefWrite
    private var removal: Removal
    private var last: (time: ContinuousClock.Instant, cursor: Cursor)?

    init(_ database: SQLiteDatabase, limits: SQLiteSourceLimits) {
        self.database = database
        self.limits = limits
        write = BriefWrite(database: database, waitMs: limits.rareWriteWaitMs)
        removal = Removal(write, limits: limits)
    }

    /// - Returns: false where something is left for another time.
    mutating func confirm(_ cursor: Cursor, of pipeline: String) throws(SQLiteFailure) -> Bool {
        let now = clock.now
        if let last {
            guard cursor.witness != last.cursor.witness else { return true }
            let isDue = now - last.time >= .milliseconds(limits.confirmEveryMs)
                || cursor.lastApplied - last.cursor.lastApplied >= limits.confirmEveryChanges
            guard isDue else { return true }
        }
        let durability = try relaxDurability()
        defer { if let durability { try? database.execute("PRAGMA main.synchronous = \(durability)") } }
        let deadline = now + .milliseconds(limits.pruneBudgetMs)
        guard try write.attempt({ () throws(SQLiteFailure) in try record(cursor, of: pipeline) }) != nil else { return false }
        let log = try PrunedLog(database, stepRows: limits.pruneStepRows)
        guard try removal.run(until: deadline, log.step), try dropNotes(until: deadline) else { return false }
        // What is still there is there for a reason.
        let enforcement = LogLimitEnforcement(database: database, pipeline: pipeline)
        guard try write.attempt({ () throws(SQLiteFailure) in try enforcement.run() }) != nil else { return false }
        last = (now, cursor)
        return true
    }

    /// What is removed may come back when the power fails, and is removed again: so nobody has to wait until the disk
    /// has it. A rollback journal protects the file only where the disk is waited for.
    /// - Returns: what to set this connection back to.
    private func relaxDurability() throws(SQLiteFailure) -> Int64? {
        guard try database.rows("PRAGMA main.journal_mode").first?.first == .string("wal"),
            let durability = try database.rows("PRAGMA main.synchronous").first?.first?.integer
        else { return nil }
        try database.execute("PRAGMA main.synchronous = NORMAL")
        return durability
    }

    private func record(_ cursor: Cursor, of pipeline: String) throws(SQLiteFailure) {
        let values: [SQLiteValue] = [.integer(cursor.lastApplied), .string(cursor.witness), .string(pipeline)]
        let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
        _ = try database.rows(
            "UPDATE main.tidemark_pipeline SET confirmed_id = ?, token = ?, confirmed_at = \(now) WHERE name = ? AND lost_at IS NULL", values)
        if database.changes == 0, try LogLimitRecord(database: database).loss(of: pipeline) == nil {
            _ = try database.rows(
                "INSERT INTO main.tidemark_pipeline (confirmed_id, token, name, confirmed_at) VALUES (?, ?, ?, \(now))", values)
        }
        if try database.hasTable("tidemark_applied") {
            try database.execute("DELETE FROM main.tidemark_applied WHERE through_id < (SELECT min(id) FROM main.data_changes)")
        }
        let retained = try RetainedLog(database: database).firstID() ?? .max
        try database.execute("DELETE FROM main.tidemark_tick WHERE last_id < min(\(PrunedLog.lowestConfirmed), \(retained))")
    }

    /// A note serves the statement that wrote it, and whoever holds the write lock knows that none is running: all
    /// that are there now were left over by statements that ignored a conflict.
    private mutating func dropNotes(until deadline: ContinuousClock.Instant) throws(SQLiteFailure) -> Bool {
        guard try !database.rows("SELECT 1 FROM main.tidemark_replaced LIMIT 1").isEmpty else { return true }
        let (database, rows) = (database, limits.pruneStepRows)
        return try removal.run(until: deadline) { () throws(SQLiteFailure) -> Bool in
            try database.execute(
                "DELETE FROM main.tidemark_replaced WHERE id IN (SELECT id FROM main.tidemark_replaced LIMIT \(rows))")
            return database.changes > 0
        }
    }
}
