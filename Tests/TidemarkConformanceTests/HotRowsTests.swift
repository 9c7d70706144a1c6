import Testing
import TidemarkTestSupport

/// Where few rows take most of the changes, not every change has to travel.
@Suite("Conformance: hot rows")
struct HotRowsTests {
    @Test("few rows that change very often arrive", arguments: Direction.all)
    func hotRows(direction: Direction) async throws {
        let flow = try Flow(direction, ConformanceTests.account)
        try flow.setUp()
        try flow.source.run(
            """
            insert into account with recursive n(i) as (select 1 union all select i + 1 from n where i < 600)
            select i, 'o' || i, i from n
            """)
        for round in 0..<35 { try flow.source.run("update account set balance = balance + \(round)") }
        try flow.source.run("delete from account where id % 3 = 0; insert into account values (3, 'o3', 3), (1000, 'o6', 6)")
        try await flow.follow()
        try flow.expectEqual("account", ConformanceTests.columns)
    }
}
