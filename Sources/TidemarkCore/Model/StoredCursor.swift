/// A pipeline's row in its target: the cursor, and what people want to know about it.
package struct StoredCursor: Hashable, Sendable {
    package var cursor: Cursor
    /// When it last moved, as the target writes times; nil if it never has.
    package var appliedAt: String?
    /// Who holds the pipeline, or was the last to.
    package var worker: String?
    /// What stopped that worker for good; nil while it can go on by itself.
    package var failure: String?
    /// Why no worker may move it.
    package var hold: CursorHold?
    /// When this database was promoted: nobody moves the cursor any more.
    package var closedAt: String?
    /// What the last heartbeat knew of the source.
    package var heartbeat: SourceHeartbeat?

    package init(cursor: Cursor, appliedAt: String?, worker: String?, failure: String?) {
        self.cursor = cursor
        self.appliedAt = appliedAt
        self.worker = worker
        self.failure = failure
    }
}

extension StoredCursor {
    /// Why a worker may not move the cursor; nil where it may.
    package func refusal(of worker: String?, pipeline: String) -> TidemarkError? {
        if let closedAt { return Self.isClosed(at: closedAt, pipeline: pipeline) }
        guard let hold, hold.by != worker else { return nil }
        return hold.refusal(pipeline: pipeline)
    }

    /// What to say to who would write into a database that applications write to now.
    package static func isClosed(at closedAt: String, pipeline: String) -> TidemarkError {
        TidemarkError(
            "the target was promoted", pipeline: pipeline,
            why: "since \(closedAt) it is a primary of its own, and what its old source logs is not applied to it any more",
            remedy: "Type: tidemark status --pipeline \(pipeline) …, and give the primary that it names as --source. Where the"
                + " other database was left behind by a failover, first type: tidemark failback --pipeline \(pipeline) …")
    }
}

/// A target that an older version set up keeps no word of holds and promotions: nobody writes into it until setup has
/// renewed it.
package enum OlderTarget {
    package static func error(_ pipeline: String) -> TidemarkError {
        TidemarkError(
            "the target was set up by an older version", pipeline: pipeline, why: "what it keeps of the pipeline lacks columns",
            remedy: "Type: tidemark setup --pipeline \(pipeline) …; nothing is lost by that.")
    }
}

/// A cursor that only one process may move.
package struct CursorHold: Hashable, Sendable {
    package enum Reason: String, Sendable {
        /// An operator wants the target to stay as it is.
        case paused
        /// Roles are being changed.
        case switchover
        /// The changes of a source that was left behind are being undone.
        case failback
    }

    package var reason: Reason
    /// The worker that may move it all the same.
    package var by: String
    /// As the target writes times.
    package var at: String

    package init(_ reason: Reason, by: String, at: String) {
        (self.reason, self.by, self.at) = (reason, by, at)
    }

    func refusal(pipeline: String) -> TidemarkError {
        let remedy = switch reason {
        case .paused: "To go on, type: tidemark resume --pipeline \(pipeline) …"
        case .switchover:
            "Let it end. If it was interrupted, type tidemark switchover --pipeline \(pipeline) … again, or take it back with --undo."
        case .failback: "Let it end. If it was interrupted, type again: tidemark failback --pipeline \(pipeline) …"
        }
        return TidemarkError(
            "the pipeline is held", pipeline: pipeline, why: "\(what) by \(by) since \(at)", remedy: remedy,
            retry: reason == .paused ? .paused : .later)
    }

    private var what: String {
        switch reason {
        case .paused: "it is paused"
        case .switchover: "a switchover is under way"
        case .failback: "a failback is under way"
        }
    }
}

/// What a target knows of its source, by the source's clock.
package struct SourceHeartbeat: Hashable, Sendable {
    /// When the snapshot that is applied was taken.
    package var appliedAt: String?
    /// The highest change id drawn when the source was last looked at, and when that was.
    package var seenID: Int64?
    package var seenAt: String?

    package init(appliedAt: String?, seenID: Int64?, seenAt: String?) {
        (self.appliedAt, self.seenID, self.seenAt) = (appliedAt, seenID, seenAt)
    }
}
