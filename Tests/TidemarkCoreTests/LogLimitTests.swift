import Testing

@testable import TidemarkCore

@Suite("Times and sizes as people write them")
struct LogLimitTests {
    @Test("a time has s, m, h or d; a size KB, MB, GB or TB; 0 is nothing; all else is refused")
    func parsed() {
        #expect(Retention(parsing: "30s") == .seconds(30))
        #expect(Retention(parsing: "90m") == .seconds(5400))
        #expect(Retention(parsing: "24h") == .seconds(86400))
        #expect(Retention(parsing: "7d") == .seconds(7 * 86400))
        #expect(Retention(parsing: "10GB") == .bytes(10 << 30))
        #expect(Retention(parsing: "512kb") == .bytes(512 << 10))
        #expect(Retention(parsing: "0") == Retention.none)
        for wrong in ["", "soon", "24", "h", "-1h", "1.5h", "0h", "24 h", "GB", "-5GB", "5PB", "99999999TB", "9999999999999999999d", "365000d"] {
            #expect(Retention(parsing: wrong) == nil, "\(wrong)")
        }
        #expect(ByteCount.parsed("0") == 0 && ByteCount.parsed("20GB") == 20 << 30 && ByteCount.parsed("20") == nil)
    }

    @Test("times are said in the largest unit that is exact, forecasts in one that is not")
    func texts() {
        #expect(["\(TimeSpan.text(86400))", TimeSpan.text(5400), TimeSpan.text(30), TimeSpan.text(3601)] == ["1 d", "90 min", "30 s", "3601 s"])
        #expect(TimeSpan.estimate(10_900) == "about 3 h" && TimeSpan.estimate(90) == "about 90 s" && TimeSpan.estimate(1e300) == "about 9999 d")
    }

    @Test("a policy alone changes that of a cap that is there; 0 takes the cap away; without one it is refused")
    func applied() throws {
        let cap = LogLimit(maxBytes: 100, policy: .warn)
        #expect(try LogLimitRequest().applied(to: cap) == cap)
        #expect(try LogLimitRequest(policy: .stop).applied(to: cap) == LogLimit(maxBytes: 100, policy: .stop))
        #expect(try LogLimitRequest(maxBytes: 5).applied(to: LogLimit(maxBytes: 100, policy: .drop)) == LogLimit(maxBytes: 5, policy: .drop))
        #expect(try LogLimitRequest(maxBytes: 0, policy: .drop).applied(to: cap) == nil)
        #expect(throws: TidemarkError.self) { try LogLimitRequest(policy: .drop).applied(to: nil) }
    }

    @Test("check warns from four fifths of the cap, has a problem at it, and names what was given up and stopped")
    func findings() {
        func found(_ bytes: Int64) -> [Finding.Severity] { LogStanding(limit: LogLimit(maxBytes: 1000, policy: .drop), bytes: bytes).findings.map(\.severity) }
        #expect(found(799) == [] && found(800) == [.warning] && found(999) == [.warning] && found(1000) == [.problem])
        let standing = LogStanding(stop: CaptureStop(at: "now", why: "full"), lost: ["a": PipelineLoss(at: "then", why: "full")])
        #expect(standing.findings.count == 2 && standing.findings.allSatisfy { $0.severity == .problem && $0.remedy.contains("tidemark setup") })
        #expect(standing.alarm?.contains("pipeline a was given up") == true)
    }
}
