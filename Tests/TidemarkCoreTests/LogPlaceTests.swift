import Testing
import TidemarkCore

@Suite("Places in a log")
struct LogPlaceTests {
    @Test(
        "what an operator types",
        arguments: [
            ("48151623", LogPlace.change(48_151_623)), ("10m", .ago(seconds: 600)),
            ("1970-01-01T00:00:00Z", .time(SourceTime(microseconds: 0))),
            ("2026-01-02 03:04:05", .time(SourceTime(microseconds: 1_767_323_045_000_000))),
            ("2026-01-02T03:04:05.678901Z", .time(SourceTime(microseconds: 1_767_323_045_678_901))),
            ("2026-01-02T05:04:05+02:00", .time(SourceTime(microseconds: 1_767_323_045_000_000))),
            ("2026-01-01 22:04:05-0500", .time(SourceTime(microseconds: 1_767_323_045_000_000))),
            ("2026-01-02", .time(SourceTime(microseconds: 1_767_312_000_000_000))),
            ("2000-02-29 00:00", .time(SourceTime(microseconds: 951_782_400_000_000))),
            ("1969-12-31T23:59:59.999Z", .time(SourceTime(microseconds: -1_000))),
        ])
    func parsed(text: String, place: LogPlace) { #expect(LogPlace(parsing: text) == place) }

    @Test(
        "what is none",
        arguments: [
            "", "0", "-5", "yesterday", "2026-02-29", "2026-13-01", "2026-01-02T25:00", "2026-01-02T03:04:60Z", "2026-01-02T03:04:05.Z",
            "2026-01-02X03:04:05", "2026-01-02T03:04:05 Europe/Berlin", "12 m", "２０２６-01-02",
        ])
    func refused(text: String) { #expect(LogPlace(parsing: text) == nil) }

    @Test("a time is written as it is read, and sorts as the moments do")
    func description() {
        var texts: [String] = []
        for microseconds in stride(from: Int64(-62_000_000_000_000_000), through: 250_000_000_000_000_000, by: 1_234_567_890_123_000) {
            let time = SourceTime(microseconds: microseconds)
            #expect(SourceTime(time.description) == time)
            texts.append(time.description)
        }
        #expect(texts == texts.sorted())
        #expect(SourceTime(microseconds: 951_782_400_000_000).description == "2000-02-29T00:00:00.000Z")
    }
}
