import Glibc

/// Waits on the thread that looks for work, longer each time: handing each look to another thread and back
/// would cost more than the look.
package struct Backoff {
    private var nextMs: Int
    private let maxMs: Int
    private var leftMs: Int

    /// - Parameter totalMs: after so long there is no more waiting, so that the caller sees to other things.
    package init(fromMs: Int, toMs: Int, totalMs: Int) {
        (nextMs, maxMs, leftMs) = (fromMs, toMs, totalMs)
    }

    /// - Returns: whether it waited.
    package mutating func wait() -> Bool {
        guard leftMs > 0 else { return false }
        usleep(UInt32(nextMs) * 1000)
        leftMs -= max(1, nextMs)
        nextMs = min(max(1, nextMs * 2), maxMs)
        return true
    }
}
