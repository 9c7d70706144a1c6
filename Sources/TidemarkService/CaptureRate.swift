import Synchronization
import TidemarkPipeline

/// How many rows this process has written to measure the way from a source, by the source's address.
final class HeartbeatCounts: Sendable {
    private let counts = Mutex<[String: Int64]>([:])

    func note(_ source: String) { counts.withLock { $0[source, default: 0] += 1 } }
    func written(to source: String) -> Int64 { counts.withLock { $0[source] ?? 0 } }
}

/// Changes captured per second: ids that a source has drawn, without those of this process's own heartbeats.
struct CaptureRate {
    private var earlier: (instant: ContinuousClock.Instant, source: String, drawn: Int64, heartbeats: Int64)?
    /// Heartbeats that were counted before their ids were seen.
    private var ahead: Int64 = 0
    private(set) var perSecond = 0.0

    /// - Parameters:
    ///   - drawn: the highest id that the source had drawn when it was asked.
    ///   - heartbeats: how many were written by then, or a little later.
    mutating func note(drawn: Int64?, from source: String, heartbeats: Int64, at now: ContinuousClock.Instant) {
        guard let drawn else { return }
        defer { earlier = (now, source, drawn, heartbeats) }
        // Ids of another source, which is followed since the roles were changed, go on from somewhere else.
        guard let earlier, earlier.source == source else { return (ahead, perSecond) = (0, 0) }
        let own = heartbeats - earlier.heartbeats + ahead
        let captured = max(0, drawn - earlier.drawn) - own
        ahead = max(0, -captured)
        perSecond = Double(max(0, captured)) / max(0.001, earlier.instant.duration(to: now).inSeconds)
    }
}
