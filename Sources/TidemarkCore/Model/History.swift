/// A place of a source's history as a person names it.
package enum PlaceName: Hashable, Sendable {
    /// The newest place at or before a moment, as `2026-01-02T03:04:05.123456Z`.
    case time(String)
    /// The newest place before a change.
    case change(Int64)

    /// - Parameter now: by the source's clock, or one that goes with it.
    package init(_ place: LogPlace, now: SourceTime) {
        switch place.fixed(at: now) {
        case .change(let id): self = .change(id)
        case .time(let time): self = .time(time.exact)
        case .ago: self = .time(now.exact)
        }
    }
}

/// A place of a source's history between whole transactions, to which its log leads back.
package struct HistoryPlace: Hashable, Sendable {
    package var snapshot: Snapshot
    /// A cursor that stands here names it.
    package var witness: String
    /// The highest change id seen here, for people.
    package var lastID: Int64
    /// By the source's clock, in UTC.
    package var time: String

    package init(snapshot: Snapshot, witness: String, lastID: Int64, time: String) {
        (self.snapshot, self.witness, self.lastID, self.time) = (snapshot, witness, lastID, time)
    }
}

/// What became of one row, or of equal whole rows, between two places.
package struct RowHistory: Hashable, Sendable {
    package enum Before: Hashable, Sendable {
        /// The log does not hold old images of it.
        case unknown
        case absent
        case tooLarge
        case image(String)
    }

    /// JSON; nil where rows are known by all their values, and `count` says how many more or fewer there are.
    package var key: String?
    package var before: Before
    /// The row as it is now; nil where it is gone.
    package var after: String?
    /// As the log says, where the old image is not known.
    package var wasInserted: Bool
    package var count: Int64

    package init(key: String?, before: Before, after: String?, wasInserted: Bool, count: Int64 = 1) {
        (self.key, self.before, self.after, self.wasInserted, self.count) = (key, before, after, wasInserted, count)
    }
}

/// A row as it was before a transaction changed it.
package struct OldImage: Hashable, Sendable {
    /// JSON, both.
    package var key: String
    package var image: String
    package var capture: Int32

    package init(capture: Int32, key: String, image: String) { (self.capture, self.key, self.image) = (capture, key, image) }
}

/// The changes that take a target back carry ids that go up as the log's go down: what came last is undone first.
package enum BackwardID {
    package static let origin = Int64(1) << 62
    package static func logged(_ id: Int64) -> Int64 { origin - id }
}

extension Window {
    /// Does it lead back to what its start has already seen?
    package var isBackward: Bool { start != end && end.isContained(in: start) }
}
