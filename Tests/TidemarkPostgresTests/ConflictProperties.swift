import Foundation
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// Two ends that take each other's changes, in windows of any size, at any time.
@Suite("Conflicts: properties")
struct ConflictProperties {
    private final class End {
        let shared: SharedBench
        /// What the other end has not taken yet.
        var log: [SharedChange] = []
        var clock = 1
        private var transactions = UInt64(0)

        init(_ rule: ConflictRule) throws {
            shared = try SharedBench(
                rule, "create table t (id int primary key, v text, at int, n int, f text, j jsonb, w text, w_at int, s text)",
                ["id", "v", "at", "n", "f", "j", "w", "w_at", "s"])
        }

        private func row(_ id: Int) throws -> String? { try shared.bench.session.query("select row_to_json(i)::text from (select id, v, at, n, f, j::text, w, w_at, s from t where id = \(id)) i")[0, 0] }

        /// One statement of an application, which its capture logs.
        func write(_ id: Int, _ sql: String) throws {
            let before = try row(id)
            try shared.write(sql)
            let image = try row(id)
            guard before != nil || image != nil else { return }
            transactions += 1
            log.append(.from(before, to: image, key: #"{"id":\#(id)}"#, in: transactions))
        }

        /// Takes some of the other's changes, the oldest first.
        func take(_ count: Int, of other: End) throws {
            guard count > 0 else { return }
            try shared.apply(.paged, Array(other.log.prefix(count)))
            other.log.removeFirst(count)
            clock = max(clock, other.clock)
        }

        var rows: [String] { get throws { try shared.bench.rows("(select id, v, at, n, f, j, w, w_at, s from t)") } }
    }

    private static let merge = ConflictRule(
        .merge(by: "at"), columns: ["n": .add, "f": .fill, "j": .json, "w": .newest(by: "w_at"), "s": .source])

    static let rules: [ConflictRule] = [
        ConflictRule(.lastWriteWins(by: "at")), ConflictRule(.highestVersion(by: "at"), site: "v"), ConflictRule(.sourceWins), merge,
    ]

    /// TIDEMARK_SEEDS asks for more histories.
    private static let seeds = (0..<(ProcessInfo.processInfo.environment["TIDEMARK_SEEDS"].flatMap { UInt64($0) } ?? 3)).map { 11 + $0 }

    @Test("both ends come to the same rows", arguments: rules, seeds)
    func converges(rule: ConflictRule, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let ends = try [End(rule), End(rule.mirrored)]
        let hasOrder = rule.orderColumn != nil
        let isMerge = rule == Self.merge
        // Counters, and rules that ask for no version, know a key that is given again only from the one that it was before.
        let givesAgain = hasOrder && !isMerge
        if !givesAgain {
            for end in ends { try end.shared.write("insert into t (id, v, at, n) select i, 'first', 0, 10 from generate_series(1, 15) i") }
        }
        var fresh = 100
        for _ in 0..<120 {
            let place = Int.random(in: 0...1, using: &random)
            let (end, other) = (ends[place], ends[1 - place])
            let id = Int.random(in: 1...5, using: &random)
            end.clock += Int.random(in: 1...3, using: &random)
            let (time, name) = (end.clock, "\(["a", "b"][place])\(end.clock)")
            switch Int.random(in: 0..<10, using: &random) {
            case 0...1 where givesAgain:
                try end.write(id, "insert into t (id, v, at) values (\(id), '\(name)', \(time)) on conflict (id) do nothing")
            case 0:
                fresh += 1
                // Both insert it, or one. Of rows that are the same at both, nobody would see a conflict.
                for (i, end) in [end, other].enumerated().prefix(Int.random(in: 1...2, using: &random)) where try !end.rows.contains(where: { $0.hasPrefix("(\(fresh),") }) {
                    end.clock += 1
                    try end.write(fresh, "insert into t (id, v, at, n) values (\(fresh), '\(name)\(i)\(end.clock)', \(end.clock), \(time))")
                }
            case 2:
                let victim = givesAgain ? id : Int.random(in: 11...15, using: &random)
                try end.write(victim, "delete from t where id = \(victim)")
            case 3...6:
                let target = givesAgain ? id : [id, id + 10, fresh].randomElement(using: &random) ?? id
                let columns = [
                    "n = n + \(time)", "f = coalesce(f, '\(name)')", "j = coalesce(j, '{}') || '{\"\(["x", "y"][place])\": \(time)}'",
                    "w = '\(name)', w_at = \(time)", "s = '\(name)'",
                ]
                // Of a key that both insert, an end's own column is which one's until the other's changes have come.
                let changed = isMerge ? columns.filter { _ in Bool.random(using: &random) }.filter { target < 100 || !$0.hasPrefix("s =") } : []
                try end.write(target, "update t set \((["v = '\(name)'", "at = \(time)"] + changed).joined(separator: ", ")) where id = \(target)")
            default:
                try end.take(Int.random(in: 0...other.log.count, using: &random), of: other)
            }
        }
        for (end, other) in [(ends[0], ends[1]), (ends[1], ends[0])] { try end.take(other.log.count, of: other) }
        let rows = try ends.map { Set(try $0.rows) }
        #expect(rows[0] == rows[1], "seed \(seed): \(rows[0].symmetricDifference(rows[1]).sorted())")
        #expect(try ends.contains { try !$0.shared.conflicts.isEmpty })
    }
}
