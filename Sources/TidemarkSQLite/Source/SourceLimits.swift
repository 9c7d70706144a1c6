/// How much of a source is read at once, and how rarely it is written.
package struct SQLiteSourceLimits: Sendable {
    package var pageChangesMax = 4_096
    package var pageBytesMax = 1 << 20
    /// How many ids the log grows before a place to cut a backlog at is written.
    package var tickEveryChanges: Int64 = 50_000
    /// Or how old the last one is, where the log is kept to look back: each is a place to which it leads.
    package var tickEverySeconds = 10
    /// The confirmed place is written, and the log pruned, at most this often …
    package var confirmEveryMs: Int64 = 2_000
    /// … or after this many changes.
    package var confirmEveryChanges: Int64 = 100_000
    /// How long one transaction of the pruning holds the write lock, and the pause behind it.
    package var pruneHoldMs: Int64 = 10
    package var prunePauseMs: Int64 = 30
    /// Rows that are removed between two looks at the clock: images may be large.
    package var pruneStepRows: Int64 = 64
    /// What is left then is removed after the next confirmation.
    package var pruneBudgetMs: Int64 = 2_000
    /// How long such a write waits for the application's; then it is left for another time.
    package var rareWriteWaitMs: Int32 = 50

    package init() {}
}
