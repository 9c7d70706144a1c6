import Foundation
package import TidemarkCore

/// The time of day, as reports and proofs carry it.
package enum Clock {
    static var now: String { Date.now.formatted(.iso8601) }
    package static var time: SourceTime { SourceTime(microseconds: Int64(Date.now.timeIntervalSince1970 * 1_000_000)) }
}
