import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// The same random histories from file to file: after every round the target holds what the source holds.
@Suite struct ReplicationTests {
    @Test(arguments: Array(HistoryTests.schemas.indices), Array(HistoryTests.applications.indices))
    func targetEqualsSource(schema: Int, application: Int) throws {
        for history in 0..<max(1, HistoryTests.histories / 8) {
            var random = SplitMix(state: UInt64(7_000_000 + schema * 100_000 + application * 1000 + history))
            let app = HistoryTests.applications[application]
            let replica = try Replica("\(HistoryTests.schemas[schema]); \(app)", target: HistoryTests.schemas[schema])
            replica.source.limitTriggerDepth()
            replica.limits.pageChangesMax = history % 2 == 0 ? 3 : 1000
            replica.limits.tickEveryChanges = 20
            replica.limits.confirmEveryMs = 0
            try replica.source.execute("PRAGMA synchronous = OFF; PRAGMA recursive_triggers = \(history % 4 < 2 ? "ON" : "OFF")")
            for round in 0..<9 {
                for _ in 0..<Int.random(in: 1...12, using: &random) {
                    // A conflict is part of the history.
                    try? replica.source.execute(HistoryTests.statement(&random, keyless: schema == 5 || schema == 6))
                    // It may have left a savepoint open.
                    if replica.source.isInTransaction { try replica.source.execute("COMMIT") }
                }
                for window in try replica.windows() {
                    if round % 3 == 2 {
                        try replica.apply(window, order: .staged)
                    } else {
                        try replica.apply(window)
                    }
                }
                try replica.replicate()
                #expect(try replica.isEqual(), "history \(history), round \(round)")
            }
        }
    }
}
