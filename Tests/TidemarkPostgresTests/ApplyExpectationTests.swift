import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The log says which rows are new and which stand; a target that disagrees gets the same rows.
@Suite("Apply: what the log says of a row, and the target does not have")
struct ApplyExpectationTests {
    private func bench(_ rows: String) throws -> ApplyBench {
        let bench = try ApplyBench("create table t (id int primary key, v int, u int unique); \(rows)")
        bench.capture(1, "t", ["id", "v", "u"], key: ["id"])
        return bench
    }

    private static func row(_ operation: Operation, _ id: Int, _ v: Int) -> TestChange {
        let image = #"{"id":\#(id),"v":\#(v),"u":\#(id)}"#
        return TestChange(capture: 1, operation: operation, key: #"{"id":\#(id)}"#, image: operation == .delete ? nil : image)
    }

    @Test("rows that are new by the log and stand in the target are written over, once more by a plain window after that")
    func preloaded() throws {
        let bench = try bench("insert into t select g, 0, g from generate_series(1, 50) g")
        try bench.follow([(1...100).map { Self.row(.insert, $0, 1) }])
        #expect(try bench.rows("t").count == 100)
        #expect(try bench.session.query("select min(v), max(v) from t")[0, 0] == "1")
        try bench.session.run("insert into t values (101, 0, 101)")
        // Not refused again: the table is known to hold such rows.
        try bench.apply(.paged, [[Self.row(.insert, 101, 2), Self.row(.insert, 102, 2)]])
        #expect(try bench.session.query("select count(*) from t where v = 2")[0, 0] == "2")
    }

    @Test("rows that stand by the log and are not in the target are inserted", arguments: [5, 200])
    func missing(count: Int) throws {
        let bench = try bench("insert into t select g, 0, g from generate_series(1, 3) g")
        try bench.apply(.paged, [(1...count).map { Self.row(.update, $0, 1) }, [Self.row(.update, 1, 2)]])
        #expect(try bench.session.query("select count(*), sum(v) from t")[0, 1] == String(count + 1))
    }

    @Test("a row inserted, changed, deleted and inserted again in pages and across them is as it was last")
    func histories() throws {
        var random = SeededRandom(seed: 7)
        let bench = try bench("")
        var table: [Int: Int] = [:]
        for window in 0..<20 {
            let pages = (0..<3).map { _ in
                (0..<120).map { number -> TestChange in
                    let id = Int.random(in: 1...150, using: &random)
                    if table[id] != nil, Int.random(in: 0..<3, using: &random) == 0 {
                        table[id] = nil
                        return Self.row(.delete, id, 0)
                    }
                    defer { table[id] = window * 1000 + number }
                    return Self.row(table[id] == nil ? .insert : .update, id, window * 1000 + number)
                }
            }
            try bench.apply(.paged, pages)
            #expect(try bench.rows("t") == table.map { "(\($0),\($1),\($0))" }.sorted(), "window \(window)")
        }
    }
}
