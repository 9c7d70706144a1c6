import Testing
import TidemarkApp

@testable import TidemarkService

/// What the target keeps of conflicts becomes fewer, and a counter must not.
@Suite("Counting conflicts")
struct ConflictCountingTests {
    private func report(_ tallies: (table: String, conflicts: Int64, lastAt: String)...) throws -> StatusReport {
        var report: StatusReport = try .example([:])
        report.conflicts = tallies.map { StatusReport.ConflictTally(table: $0.table, conflicts: $0.conflicts, lastAt: $0.lastAt) }
        return report
    }

    @Test("new ones are counted and said once; what was there before, and what is forgotten, is not")
    func counted() throws {
        var counting = ConflictCounting()
        let unruled = counting.note(try .example([:]))
        #expect(unruled == nil && counting.seen == nil)
        let first = counting.note(try report(("a", 40, "1")))
        #expect(first == nil && counting.seen == 0)
        let line = counting.note(try report(("a", 42, "2"), ("b", 1, "2")))
        #expect(line?.contains("2 conflicts in a, 1 conflict in b") == true && counting.seen == 3)
        let same = counting.note(try report(("a", 42, "2"), ("b", 1, "2")))
        #expect(same == nil && counting.seen == 3)
        // Old ones were forgotten; then a new one came as others went.
        let fewer = counting.note(try report(("a", 2, "2"), ("b", 1, "2")))
        #expect(fewer == nil && counting.seen == 3)
        let again = counting.note(try report(("a", 1, "3"), ("b", 1, "2")))
        #expect(again != nil && counting.seen == 4)
    }
}
