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
