import Synchronization

/// So many requests a second for each caller, and more at once for one who was quiet.
final class RequestRate: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: ContinuousClock.Instant
    }

    private let perSecond: Double
    private let burst: Double
    private let buckets = Mutex<[String: Bucket]>([:])

    init(perSecond: Double, burst: Double) { (self.perSecond, self.burst) = (perSecond, burst) }

    /// Takes one; nil if it may, else the seconds until it may.
    func take(_ caller: String, at now: ContinuousClock.Instant = .now) -> Int? {
        buckets.withLock { buckets in
            var bucket = refilled(buckets[caller], at: now)
            defer { buckets[caller] = bucket }
            if buckets.count > 4096 { buckets = buckets.filter { refilled($0.value, at: now).tokens < burst } }
            guard bucket.tokens >= 1 else { return wait(bucket) }
            bucket.tokens -= 1
            return nil
        }
    }

    /// The seconds until one may be taken; nil where that is now.
    func wait(_ caller: String, at now: ContinuousClock.Instant = .now) -> Int? {
        buckets.withLock { buckets in
            let bucket = refilled(buckets[caller], at: now)
            return bucket.tokens >= 1 ? nil : wait(bucket)
        }
    }

    private func wait(_ bucket: Bucket) -> Int { Int(((1 - bucket.tokens) / perSecond).rounded(.up)) }

    private func refilled(_ bucket: Bucket?, at now: ContinuousClock.Instant) -> Bucket {
        guard let bucket else { return Bucket(tokens: burst, at: now) }
        return Bucket(tokens: min(burst, bucket.tokens + max(0, bucket.at.duration(to: now) / .seconds(1)) * perSecond), at: now)
    }
}
