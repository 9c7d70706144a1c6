import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Where the same rows change again and again, the source sends the last change of each.
@Suite("PostgreSQL source: folding")
struct LogFoldingTests {
    /// What a table comes to when changes are taken one by one: rows by their key, and how often each whole row is there.
    private struct Replica: Equatable {
        var rows: [String: [String: String]] = [:]
        var wholeRows: [String: [String: Int]] = [:]

        init(_ changes: PostgresRows) {
            for row in 0..<changes.count {
                let (capture, key, image) = (changes[row, 1] ?? "", changes[row, 3], changes[row, 4])
                switch (changes[row, 2], key) {
                case ("T", _): (rows[capture], wholeRows[capture]) = ([:], [:])
                case ("D", let key?): rows[capture]?[key] = nil
                case (_, let key?): rows[capture, default: [:]][key] = image ?? ""
                case (let operation, nil): wholeRows[capture, default: [:]][image ?? "", default: 0] += operation == "D" ? -1 : 1
                }
            }
            rows = rows.filter { !$0.value.isEmpty }
        }
    }

    private static let tables = "create table t (id int primary key, v int); create table n (id numeric primary key, v int); create table w (id int, v int)"

    private static func statement(_ random: inout SeededRandom) -> String {
        let (id, table) = (Int.random(in: 1...6, using: &random), ["t", "n", "w"].randomElement(using: &random) ?? "t")
        return switch Int.random(in: 0..<12, using: &random) {
        case 0: "delete from \(table) where id = \(id)"
        case 1: "truncate \(table)"
        case 2: "update n set id = id * 1.0"
        case 3, 4: "insert into \(table) select g, \(id) from generate_series(1, 6) g where not exists (select from \(table) o where o.id = g)"
        default: "update \(table) set v = v + 1 where id <= \(id)"
        }
    }

    @Test("what is left out changes nothing", arguments: [1, 2, 3, 4] as [UInt64], ["row", "statement"])
    func folding(seed: UInt64, kind: String) throws {
        let scene = try CaptureScene(Self.tables, attached: "t", "n", "w", kind: kind)
        let empty = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        var random = SeededRandom(seed: seed)
        for _ in 0..<300 { try scene.run(Self.statement(&random)) }
        let now = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        let rows = LogRows(ids: 1...1_000_000, start: empty, end: now, captures: [1, 2, 3])
        let (whole, folded) = (try scene.session.query(rows.inOrder), try scene.session.query(rows.folded))
        #expect(folded.count < whole.count)
        #expect(Replica(folded) == Replica(whole))
        try scene.expectReplay("t", "n", "w")
    }

    @Test("a look at a few tells whether it is worth while")
    func repetition() throws {
        let scene = try CaptureScene("create table t (id int primary key, v int); create table w (v int)", attached: "t", "w", kind: "statement")
        let empty = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        try scene.run("insert into t select g, 0 from generate_series(1, 10) g; insert into w select g from generate_series(1, 50) g")
        for _ in 1...4 { try scene.run("update t set v = v + 1") }
        let now = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        let counted = try scene.session.query(LogRows(ids: 1...1_000, start: empty, end: now, captures: [1, 2]).repetition)
        #expect((counted[0, 0], counted[0, 1]) == ("50", "10"))
    }
}
