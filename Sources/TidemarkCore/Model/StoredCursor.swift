/// A pipeline's row in its target: the cursor, and what people want to know about it.
package struct StoredCursor: Hashable, Sendable {
    package var cursor: Cursor
    /// When it last moved, as the target writes times; nil if it never has.
    package var appliedAt: String?
    /// Who holds the pipeline, or was the last to.
    package var worker: String?
    /// What stopped that worker for good; nil while it can go on by itself.
    package var failure: String?

    package init(cursor: Cursor, appliedAt: String?, worker: String?, failure: String?) {
        self.cursor = cursor
        self.appliedAt = appliedAt
        self.worker = worker
        self.failure = failure
    }
}
