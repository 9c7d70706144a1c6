import TidemarkCore

/// Forgets what was kept for conflicts: deleted rows of which no older change can come any more, and records that are old.
final class SettledConflicts {
    private let database: SQLiteDatabase
    private let clock = ContinuousClock()
    private var last: ContinuousClock.Instant?

    private static let everySeconds = Int64(600)
    /// A link may be down for so long.
    private static let tombstoneSeconds = Int64(7 * 86_400)
    private static let conflictSeconds = Int64(90 * 86_400)
    private static let stepRows = 10_000

    init(_ database: SQLiteDatabase) { self.database = database }

    func forget() throws {
        if let last, clock.now - last < .seconds(Self.everySeconds) { return }
        last = clock.now
        guard try database.hasTable("tidemark_tombstone") else { return }
        let now = try StreamMarks(database: database, log: ChangeLog(database: database)).now()
        let oldest = try (links() + [now]).min() ?? now
        try remove("tidemark_tombstone", "deleted_at", before: oldest.earlier(bySeconds: Self.tombstoneSeconds))
        try remove("tidemark_conflict", "at", before: now.earlier(bySeconds: Self.conflictSeconds))
    }

    /// How far those have come that bring changes here, and those that take them away.
    private func links() throws(SQLiteFailure) -> [SourceTime] {
        var times = try database.rows("SELECT source_at FROM main.tidemark_cursor WHERE closed_at IS NULL")
        if try database.hasTable("tidemark_pipeline") {
            times += try database.rows("SELECT confirmed_at FROM main.tidemark_pipeline WHERE lost_at IS NULL")
        }
        return times.compactMap { $0[0].string.flatMap { SourceTime($0) } }
    }

    /// In steps that nobody feels.
    private func remove(_ table: String, _ column: String, before time: SourceTime) throws(SQLiteFailure) {
        let condition = "\(column) < ?"
        repeat {
            // Asked first: a deletion that finds nothing would wait for the write lock all the same.
            guard try !database.rows("SELECT 1 FROM main.\(table) WHERE \(condition) LIMIT 1", [.string(time.description)]).isEmpty else { return }
            _ = try database.rows(
                "DELETE FROM main.\(table) WHERE id IN (SELECT id FROM main.\(table) WHERE \(condition) LIMIT \(Self.stepRows))", [.string(time.description)])
        } while database.changes == Self.stepRows
    }
}
