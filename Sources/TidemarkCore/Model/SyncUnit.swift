/// How far a polled table is, as its target keeps it: in the transaction of the rows.
package struct SyncUnit: Hashable, Sendable {
    package enum State: String, Hashable, Sendable, CaseIterable {
        /// It was never begun.
        case waiting
        /// It is under way, or was, when its process ended.
        case running
        /// It came to its end.
        case done
        case failed
    }

    package var table: TableName
    package var mode: SyncMode
    package var state = State.waiting
    /// Of the pass that is under way, or the last one.
    package var rowsDone = Int64(0)
    /// What the pass will have read, by the source's estimate; 0 where it is not known.
    package var rowsTotal = Int64(0)
    /// Rows that the pass has written, and removed, at the target.
    package var rowsWritten = Int64(0)
    package var rowsDeleted = Int64(0)
    /// The key up to which the pass has come, as JSON; nil where it is at its end, or not begun.
    package var doneThrough: String?
    /// `incremental`: rows up to here need not be read again, as the source writes it (`ChangeMark`).
    package var mark: ChangeMark?
    /// A mark that counts once everything that was open at the source when it was taken has ended.
    package var nextMark: ChangeMark?
    /// What the source said to know that by.
    package var nextMarkHorizon: String?
    /// As the target writes times, UTC. Of two passes over a table the one that began later counts: what the other one would save is refused.
    package var startedAt: String?
    package var finishedAt: String?
    /// When keys were last compared.
    package var deletesAt: String?
    /// Why the last pass failed, and what to type.
    package var failure: String?
    package var failures = 0

    package init(_ table: TableName, _ mode: SyncMode) { (self.table, self.mode) = (table, mode) }

    /// What a pass is told that another one has overtaken.
    package static func overtaken(_ table: TableName, pipeline: String) -> TidemarkError {
        TidemarkError(
            "another pass over the table has begun", pipeline: pipeline, table: table, why: "another process reads it by now",
            remedy: "Nothing to do: what that one reads is younger. tidemark status … says how far it is.", retry: .moved)
    }
}

/// The highest values of the columns that tell what has changed, as JSON: an object, like a key.
package struct ChangeMark: Hashable, Sendable {
    package var json: String
    package init(json: String) { self.json = json }
}
