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
    /// Raised when a table's copy changes what the stream has to leave out: a worker that does not know
    /// of it fails to move the cursor.
    package var revision: Int64

    package init(
        source: String, snapshot: Snapshot, witness: String, lastID: Int64, epoch: Int64, revision: Int64 = 0
    ) {
        self.source = source
        self.snapshot = snapshot
        self.witness = witness
        self.lastID = lastID
        self.epoch = epoch
        self.revision = revision
    }
}

extension Cursor {
    /// Is this the same place, as the same worker knows it? The last id is for people.
    package func isAt(_ other: Cursor) -> Bool {
        snapshot == other.snapshot && witness == other.witness && epoch == other.epoch && revision == other.revision
    }

    /// What to say where a compare-and-set from here failed.
    package func isElsewhere(than found: Cursor?, pipeline: String) -> TidemarkError {
        guard let found else {
            return TidemarkError(
                "the pipeline was removed", pipeline: pipeline, why: "the target holds no cursor for it any more",
                remedy: "Type tidemark setup … to begin anew.")
        }
        guard found.epoch == epoch else {
            return TidemarkError(
                "another worker has taken the pipeline over", pipeline: pipeline,
                why: "the cursor is no longer where this worker left it",
                remedy: "Nothing was applied by this one. Let one worker run each pipeline.", retry: .takenOver)
        }
        return TidemarkError(
            "another process moved the cursor", pipeline: pipeline, why: "a copy or a comparison works beside the worker",
            remedy: "Nothing to do: it goes on from there.", retry: .moved)
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
    /// No change of the window has a higher id: where reading may end.
    package var throughID: Int64
    /// Where sequences stood after `end` was taken: those that the target may not know so, of all windows of the look.
    package var sequences: [SequenceState]
    /// What is to be noted of the source with it; nil where nothing is known.
    package var heartbeat: SourceHeartbeat?
    /// The source's clock when `end` was taken, or just after: everything in it was committed by then.
    package var endedAt: SourceTime?

    package init(
        start: Snapshot, end: Snapshot, witness: String, afterID: Int64, throughID: Int64, sequences: [SequenceState] = [],
        heartbeat: SourceHeartbeat? = nil
    ) {
        self.heartbeat = heartbeat
        self.start = start
        self.end = end
        self.witness = witness
        self.afterID = afterID
        self.throughID = throughID
        self.sequences = sequences
    }
}

extension Cursor {
    /// The place behind a window. What the last id is, its changes will say.
    package func moved(over window: Window) -> Cursor {
        var moved = self
        (moved.snapshot, moved.witness) = (window.end, window.witness)
        return moved
    }
}
