import Glibc

/// Waits on the thread that looks for work, longer each time: handing each look to another thread and back
/// would cost more than the look.
package struct Backoff {
    private var nextMs: Int
    private let maxMs: Int
    private let totalMs: Int
    private var end: ContinuousClock.Instant?

    /// - Parameter totalMs: so long after the first wait there is no more waiting, so that the caller sees to other things.
    package init(fromMs: Int, toMs: Int, totalMs: Int) {
        (nextMs, maxMs, self.totalMs) = (fromMs, toMs, totalMs)
    }

    /// - Returns: whether it waited.
    package mutating func wait() -> Bool {
        let now = ContinuousClock.now
        let end = end ?? now + .milliseconds(totalMs)
        self.end = end
        guard now < end else { return false }
        usleep(UInt32(nextMs) * 1000)
        nextMs = min(max(1, nextMs * 2), maxMs)
        return true
    }
}
