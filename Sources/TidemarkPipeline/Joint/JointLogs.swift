import Synchronization

/// The logs that pipelines of this process read, each known to all who read it.
package final class JointLogs: Sendable {
    private struct Known {
        weak var log: JointLog?
    }

    private let logs = Mutex<[String: Known]>([:])
    private let bytesMax: Int

    /// - Parameter bytesMax: how many bytes of pages are kept of each log for those who follow.
    package init(bytesMax: Int = 32 << 20) { self.bytesMax = bytesMax }

    /// - Parameter name: as the source's connection tells it.
    func log(named name: String) -> JointLog {
        logs.withLock { logs in
            if let log = logs[name]?.log { return log }
            logs = logs.filter { $0.value.log != nil }
            let log = JointLog(bytesMax: bytesMax)
            logs[name] = Known(log: log)
            return log
        }
    }
}
