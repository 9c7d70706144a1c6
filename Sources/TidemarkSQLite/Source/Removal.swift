import Glibc

/// Removes many rows of a source in transactions that hold the write lock for a moment each, with pauses in which
/// whoever waits for it gets it.
struct Removal {
    private let write: BriefWrite
    private let limits: SQLiteSourceLimits
    private let clock = ContinuousClock()
    /// How long a transaction may remove rows so that, with its commit, it holds the lock no longer than it should.
    private var removing: Duration

    init(_ write: BriefWrite, limits: SQLiteSourceLimits) {
        self.write = write
        self.limits = limits
        removing = .milliseconds(limits.pruneHoldMs) / 4
    }

    /// - Parameter step: removes a few rows, and says whether it found any.
    /// - Returns: false where rows are left: it was time, or the application was writing.
    mutating func run(until deadline: ContinuousClock.Instant, _ step: () throws(SQLiteFailure) -> Bool) throws(SQLiteFailure) -> Bool {
        while true {
            let enough = removing
            var began = clock.now
            let removed = try write.attempt { () throws(SQLiteFailure) -> Bool in
                began = clock.now
                repeat {
                    guard try step() else { return true }
                } while clock.now - began < enough
                return false
            }
            guard let isDone = removed else { return false }
            guard !isDone else { return true }
            let held = clock.now - began
            adapt(to: held)
            guard clock.now < deadline else { return false }
            pause(after: held)
        }
    }

    /// What a commit takes is the disk's and the journal's affair, and only known afterwards.
    private mutating func adapt(to held: Duration) {
        let wanted = Duration.milliseconds(limits.pruneHoldMs)
        removing = min(max(removing * min(2, wanted / held), wanted / 4), wanted)
    }

    /// Longer than any pause of SQLite's own waiting in its first 100 ms (1, 2, 5, 10, 15, 20, 25, 25 …), so that a
    /// writer with so long a timeout looks again before the lock is taken again.
    private func pause(after held: Duration) {
        let pause = max(.milliseconds(limits.prunePauseMs), held * 2)
        usleep(UInt32(clamping: pause.components.seconds * 1_000_000 + pause.components.attoseconds / 1_000_000_000_000))
    }
}
