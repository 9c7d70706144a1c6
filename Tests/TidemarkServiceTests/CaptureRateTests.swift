import Testing

@testable import TidemarkService

@Suite("How much is captured")
struct CaptureRateTests {
    private static let start = ContinuousClock.now

    /// One look a second: ids drawn, heartbeats counted, and the source.
    private func rates(_ looks: [(drawn: Int64?, heartbeats: Int64, source: String)]) -> [Double] {
        var rate = CaptureRate()
        return looks.enumerated().map { second, look in
            rate.note(drawn: look.drawn, from: look.source, heartbeats: look.heartbeats, at: Self.start + .seconds(second))
            return rate.perSecond
        }
    }

    @Test("heartbeats of this process are no changes, also where one is counted before its id is seen")
    func heartbeats() {
        #expect(rates([(100, 10, "a"), (101, 11, "a"), (102, 12, "a")]) == [0, 0, 0])
        #expect(rates([(100, 10, "a"), (100, 11, "a"), (101, 11, "a"), (112, 12, "a")]) == [0, 0, 0, 10])
        #expect(rates([(100, 0, "a"), (150, 0, "a"), (150, 0, "a")]) == [0, 50, 0])
    }

    @Test("where the roles were changed, the other source's ids are no changes")
    func otherSource() {
        #expect(rates([(100, 1, "a"), (110, 1, "a"), (90_000, 0, "b"), (90_002, 1, "b")]) == [0, 10, 0, 1])
    }

    @Test("a look that found nothing leaves the rate as it was")
    func unknown() { #expect(rates([(100, 0, "a"), (110, 0, "a"), (nil, 0, "a"), (120, 0, "a")]) == [0, 10, 10, 5]) }
}
