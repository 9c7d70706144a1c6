import Synchronization

/// The epoch with which this process holds its pipeline: what it writes beside the stream is guarded by the same one.
package final class Tenure: Sendable {
    private let held = Mutex<Int64?>(nil)

    package init() {}

    /// Nil while it does not: before the stream has taken the pipeline over, and while that waits or begins anew.
    package var epoch: Int64? { held.withLock { $0 } }

    func hold(_ epoch: Int64) { held.withLock { $0 = epoch } }
    func leave() { held.withLock { $0 = nil } }
}
