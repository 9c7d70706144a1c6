import Testing

@testable import TidemarkCore

/// When a table that is read is read again.
@Suite("Schedules as cron writes them")
struct CronScheduleTests {
    @Test(
        "the next time, in UTC",
        arguments: [
            ("0 3 * * *", "2026-11-22T03:00:00Z", "2026-11-23T03:00:00Z"), ("*/15 * * * *", "2026-11-22T02:14:59.5Z", "2026-11-22T02:15:00Z"),
            ("30 8 * * 1-5", "2026-11-20T08:30:00Z", "2026-11-23T08:30:00Z"), ("0 0 29 2 *", "2026-03-01T00:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 0 1 * 0", "2026-11-22T00:00:00Z", "2026-11-29T00:00:00Z"), ("0 0 1 * 7", "2026-11-29T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("5,10 9-17/4 * 12 *", "2026-12-31T17:10:00Z", "2027-12-01T09:05:00Z"), ("59 23 31 12 *", "2099-12-31T23:59:00Z", "2100-12-31T23:59:00Z"),
            ("0 12 28 2 *", "2000-02-28T11:59:00Z", "2000-02-28T12:00:00Z"),
        ])
    func next(_ text: String, _ after: String, _ expected: String) throws {
        let schedule = try #require(CronSchedule(text))
        #expect(schedule.next(after: try #require(SourceTime(after))) == SourceTime(expected), "\(text)")
    }

    @Test(
        "what is none is refused",
        arguments: ["", "* * * *", "* * * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *", "*/0 * * * *", "a * * * *", "0 0 30 2 *", "1,,2 * * * *", "-1 * * * *"])
    func refused(_ text: String) { #expect(CronSchedule(text) == nil) }
}
