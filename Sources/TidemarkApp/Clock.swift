import Foundation

/// The time of day, as reports and proofs carry it.
enum Clock {
    static var now: String { Date.now.formatted(.iso8601) }
}
