/// The persisted place of a pipeline in its target. It moves in the transaction of the data, by
/// compare-and-set, and nothing else says what has been applied.
package struct Cursor: Hashable, Sendable {
    /// Which source this place is in: server, database and installation. A cursor means nothing in
    /// any other.
    package var source: String
    /// Everything seen here is in the target, and nothing else.
    package var snapshot: Snapshot
    /// The token of a tick that the source committed after `snapshot`: its presence proves that
    /// this source still has every transaction that was applied.
    package var witness: String
    /// The highest change id applied, for people; no decision rests on it.
    package var lastID: Int64
    /// Which worker holds the pipeline: a later one raises it, and the earlier one's moves fail.
    package var epoch: Int64

    package init(source: String, snapshot: Snapshot, witness: String, lastID: Int64, epoch: Int64) {
        self.source = source
        self.snapshot = snapshot
        self.witness = witness
        self.lastID = lastID
        self.epoch = epoch
    }
}

/// Whole transactions: everything that `end` sees and `start` does not.
package struct Window: Hashable, Sendable {
    package var start: Snapshot
    package var end: Snapshot
    /// Committed on the source after `end` was taken.
    package var witness: String
    /// No change of the window has a lower or equal id: where reading may begin.
    package var afterID: Int64

    package init(start: Snapshot, end: Snapshot, witness: String, afterID: Int64) {
        self.start = start
        self.end = end
        self.witness = witness
        self.afterID = afterID
    }
}
