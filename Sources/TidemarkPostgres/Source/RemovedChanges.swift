import TidemarkCore

/// What was removed from the log, and whether a target lacks it.
struct RemovedChanges {
    let session: PostgresSession

    /// May something be gone that a target at this place lacks? What was removed, the pipeline had confirmed, and the end
    /// of what is retained sees it.
    func mayBeLacked(at place: TransactionSnapshot, by pipeline: String) throws -> Bool {
        let rows = try session.query(
            "select snapshot from tidemark.pipeline where name = $1 union all select snapshot from tidemark.retained", [.text(pipeline)])
        let ends = try (0..<rows.count).map { row in try rows[row, 0].map { try TransactionSnapshot.parsed($0) } }
        // One that has never confirmed still has everything.
        return !ends.isEmpty && !ends.contains { $0?.isContained(in: place) ?? true }
    }

    /// A target that was restored may hold a cursor whose witness is still there, and lack rows that are not: a witness
    /// may serve many windows, and is kept with what is retained.
    func refuse(_ cursor: Cursor, at place: TransactionSnapshot, of pipeline: String) throws {
        if try mayBeLacked(at: place, by: pipeline) { throw TickWriting.witnessGone(cursor) }
    }
}
