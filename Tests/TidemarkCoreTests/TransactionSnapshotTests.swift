import Testing
import TidemarkTestSupport

@testable import TidemarkCore

@Suite("Snapshots")
struct TransactionSnapshotTests {
    @Test("PostgreSQL's text form is read and written back", arguments: ["3:3:", "9458:9460:9458", "10:20:10,14,15"])
    func roundTrip(text: String) throws {
        #expect(try #require(TransactionSnapshot(text)).description == text)
        #expect(try #require(Snapshot(text)).description == text)
    }

    @Test("what is no snapshot is refused", arguments: ["", "5", "5:4:", "1:5:7", "1:5:x", "1:5:2,,3", "-1:5:", "a:b:c"])
    func malformed(text: String) {
        #expect(TransactionSnapshot(text) == nil)
    }

    @Test("visibility is what pg_visible_in_snapshot says")
    func visibility() throws {
        let snapshot = try #require(TransactionSnapshot("10:20:10,14"))
        #expect((8...21).filter { snapshot.sees($0) } == [8, 9, 11, 12, 13, 15, 16, 17, 18, 19])
    }

    @Test("A1: a tick counts the transaction that wrote it as open")
    func tickOfOpenTransaction() throws {
        let taken = try #require(TransactionSnapshot("1053:1055:"))
        let tick = Tick(token: "t", snapshot: taken, writer: 1053, lastID: 7)
        #expect(taken.sees(1053))
        #expect(!tick.cut.sees(1053))
        #expect(tick.cut.sees(1054))
        #expect(tick.cut.description == "1053:1055:1053")
        let earlierXmin = try #require(TransactionSnapshot("30:40:35"))
        #expect(earlierXmin.countingAsOpen(12).description == "12:40:12,35")
        #expect(earlierXmin.countingAsOpen(40) == earlierXmin)
    }

    @Test("containment means: every transaction seen here is seen there")
    func containment() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<5_000 {
            let a = Self.snapshot(&random)
            let b = Self.snapshot(&random)
            let every = (0..<UInt64(16)).allSatisfy { !a.sees($0) || b.sees($0) }
            if a.isContained(in: b) { #expect(every, "\(a) in \(b)") }
            if every, a.xmax <= b.xmax { #expect(a.isContained(in: b), "\(a) in \(b)") }
        }
    }

    private static func snapshot(_ random: inout SeededRandom) -> TransactionSnapshot {
        let xmin = UInt64.random(in: 0...10, using: &random)
        let xmax = xmin + UInt64.random(in: 0...5, using: &random)
        let open = (xmin..<xmax).filter { _ in Bool.random(using: &random) }
        return TransactionSnapshot(xmin: xmin, xmax: xmax, inProgress: open)!
    }
}
