import Foundation
package import TidemarkCore

/// The time of day, as reports and proofs carry it.
package enum Clock {
    package static var now: String { Date.now.formatted(.iso8601) }
    /// With milliseconds, where moments have to sort.
    package static var precise: String { Date.now.formatted(.iso8601.year().month().day().dateTimeSeparator(.standard).time(includingFractionalSeconds: true).timeZone(separator: .omitted)) }
    package static var time: SourceTime { SourceTime(microseconds: Int64(Date.now.timeIntervalSince1970 * 1_000_000)) }
}
