import Foundation
import Logging
import Testing
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

@testable import TidemarkApp

/// Three databases in a ring that all accept writes, over links of which any may be down for a while.
@Suite("Rings of databases that all accept writes", .ownThreads, .timeLimit(.minutes(10)))
struct RingTests {
    /// A rule that promises the same row everywhere, and what its columns allow.
    struct Promise: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let rule: ConflictRule
        /// May keys of rows that were deleted be given again?
        var givesAgain = true
        /// Has a column whose values are unique, and clash?
        var hasUnique = false

        static let all = [
            Promise(testDescription: "last-write-wins", rule: ConflictRule(.lastWriteWins(by: "at"))),
            Promise(testDescription: "last-write-wins, ties by site", rule: ConflictRule(.lastWriteWins(by: "at"), site: "site")),
            Promise(testDescription: "highest-version", rule: ConflictRule(.highestVersion(by: "at"))),
            Promise(testDescription: "merge", rule: ConflictRule(.merge(by: "at"), columns: ["once": .fill, "mail": .newest(by: "mail_at")])),
            Promise(testDescription: "last-write-wins, a unique column", rule: ConflictRule(.lastWriteWins(by: "at"), site: "site"), hasUnique: true),
            // What a counter begins with anew, nobody can add to what was counted before.
            Promise(testDescription: "merge with counters", rule: ConflictRule(.merge(by: "at"), columns: ["n": .add, "once": .fill]), givesAgain: false),
        ]
    }

    private struct Ring {
        let databases: [any ScratchDatabase]
        let links: [PipelineDefinition]
        private static let schema = """
            create table item (id integer primary key, v integer, at integer not null, site text, n integer not null, once text, mail text, mail_at integer, u text unique)
            """
        static let columns = ["id", "v", "at", "site", "n", "once", "mail", "mail_at", "u"]

        /// - Parameter ways: from which to which.
        init(_ engines: [ScratchEngine], _ rule: ConflictRule, _ ways: [(from: Int, to: Int)]) throws {
            let databases = try engines.enumerated().map { try $1.database("ring_\($0)") }
            self.databases = databases
            for database in databases {
                try database.run(Self.schema)
                try database.run("insert into item values (0, 0, 0, 'all', 10, null, null, 0, null), (1, 1, 0, 'all', 10, null, null, 0, null), (2, 2, 0, 'all', 10, null, null, 0, null)")
            }
            links = ways.map { from, to in
                var link = PipelineDefinition(name: "from\(from)to\(to)", source: databases[from].address, target: databases[to].address)
                link.rules = TableRules([TableRule(TablePattern("*"), conflicts: rule)])
                link.include = [TablePattern(engines[from] == .postgres ? "public.item" : "item")]
                link.passesOn = true
                return link
            }
            for link in links { _ = try Installation(link).setUp() }
        }

        func follow(_ place: Int) async throws {
            var settings = Pipeline.Settings(name: links[place].name, worker: "ring")
            settings.existing = .keep
            _ = try await Pipeline(links[place], settings, log: Logger(label: "ring") { _ in SwiftLogNoOpLogHandler() }).runOnce()
        }

        func rows(_ place: Int) throws -> [String] { try databases[place].rows("item", Self.columns) }

        /// The highest change id of each log.
        func logged() throws -> [String] {
            try databases.flatMap { try $0.rows($0 is ScratchPostgres ? "tidemark.data_changes" : "data_changes", ["max(id)"]) }
        }
    }

    /// One write of an application at one end; whatever it writes to a row is above what it finds there.
    private static func write(_ round: Int, _ place: Int, _ promise: Promise, _ random: inout SeededRandom) -> String {
        let fresh = 1000 + 10 * round + Int.random(in: 0..<2, using: &random)
        let id = promise.givesAgain ? Int.random(in: 0..<8, using: &random) : [0, 1, 2, fresh - 10, fresh - 20].randomElement(using: &random)!
        let at = round * 10 + Int.random(in: 0..<3, using: &random)
        let later = "at = case when at >= \(at) then at + 1 else \(at) end, site = '\(place)'"
        let unique = promise.hasUnique ? "'u\(Int.random(in: 0..<4, using: &random))'" : "null"
        switch Int.random(in: 0..<10, using: &random) {
        case 0, 1, 2:
            let id = promise.givesAgain ? id : fresh
            return "insert into item values (\(id), \(round), \(at), '\(place)', 1, null, null, 0, \(unique)) on conflict (id) do update set v = -\(round), \(later.replacing("at >=", with: "item.at >=").replacing("then at", with: "then item.at"))"
        case 3: return "delete from item where id = \(id) and at < \(at)"
        case 4: return "update item set n = n + \(Int.random(in: 1...9, using: &random)), \(later) where id <= \(id)"
        case 5: return "update item set once = 'by \(place) in \(round)', \(later) where id = \(id) and once is null"
        case 6 where promise.hasUnique: return "update item set u = \(unique), \(later) where id = \(id)"
        case 6: return "update item set mail = '\(place)-\(round)', mail_at = \(at), \(later) where id = \(id) and mail_at < \(at)"
        default: return "update item set v = \(round * 10 + place), \(later) where id = \(id)"
        }
    }

    /// TIDEMARK_SEEDS asks for more histories.
    private static let seeds = ProcessInfo.processInfo.environment["TIDEMARK_SEEDS"].flatMap { UInt64($0) } ?? 1
    private static let engines: [[ScratchEngine]] = [[.postgres, .postgres, .postgres], [.sqlite, .sqlite, .sqlite], [.postgres, .sqlite, .postgres]]

    @Test("random conflicting writes and partitions of the links: after calm all are equal, and nothing goes round", arguments: engines, Promise.all)
    func converge(engines: [ScratchEngine], promise: Promise) async throws {
        try await converge(engines, promise, [(0, 1), (1, 2), (2, 0)])
    }

    @Test("the same with one in the middle that exchanges with each of the others", arguments: engines, Promise.all)
    func hub(engines: [ScratchEngine], promise: Promise) async throws {
        try await converge(engines, promise, [(0, 1), (1, 0), (0, 2), (2, 0)])
    }

    @Test("conflict: stop records where it stopped, once, and goes on with the image that is put back", arguments: Direction.all)
    func stop(direction: Direction) async throws {
        let ring = try Ring([direction.source, direction.target], ConflictRule(.stop), [(0, 1), (1, 0)])
        for place in [0, 1] { try await ring.follow(place) }
        try ring.databases[0].run("update item set v = 10 where id = 1")
        try ring.databases[1].run("update item set v = 20 where id = 1")
        for _ in 0..<2 {
            let error = await #expect(throws: TidemarkError.self) { try await ring.follow(0) }
            #expect(error?.key?.contains("1") == true && error?.remedy.contains("tidemark conflicts list --pipeline from0to1") == true)
        }
        let conflicts = Conflicts(ring.links[0])
        let found = try conflicts.list(limit: 10)
        let conflict = try #require(found.first)
        #expect(found.count == 1 && conflict.result == "stopped" && conflict.kind == "update-update" && conflict.strategy == "stop")
        #expect(conflict.source?.contains("10") == true && conflict.target?.contains("20") == true && conflict.outcome == conflict.target)
        _ = try conflicts.restore(.source, of: conflict.id, by: "anna")
        for place in [0, 1, 0] { try await ring.follow(place) }
        #expect(try ring.rows(0) == ring.rows(1) && ring.databases[0].rows("item", ["id", "v"]).contains("1|10"))
    }

    private func converge(_ engines: [ScratchEngine], _ promise: Promise, _ ways: [(from: Int, to: Int)]) async throws {
        for seed in 1...Self.seeds {
            let ring = try Ring(engines, promise.rule, ways)
            var random = SeededRandom(seed: seed)
            for round in 1...12 {
                for place in ring.databases.indices {
                    for _ in 0..<Int.random(in: 0...3, using: &random) {
                        let sql = Self.write(round, place, promise, &random)
                        do {
                            try ring.databases[place].run(sql)
                        } catch where promise.hasUnique {
                            // The value is taken there.
                        }
                    }
                }
                // Each link is down half of the time, and they run in any order.
                for place in ring.links.indices.shuffled(using: &random) where Bool.random(using: &random) { try await ring.follow(place) }
            }
            for _ in 0..<4 { for place in ring.links.indices { try await ring.follow(place) } }
            let calm = try ring.logged()
            let expected = try ring.rows(0)
            for place in ring.databases.indices.dropFirst() {
                let found = try ring.rows(place)
                #expect(found == expected, "seed \(seed), database \(place): \(Set(found).symmetricDifference(expected).sorted())")
            }
            #expect(!expected.isEmpty)
            for _ in 0..<2 { for place in ring.links.indices { try await ring.follow(place) } }
            #expect(try ring.logged() == calm, "seed \(seed): something goes round")
            let conflicts = try ring.links.reduce(Int64(0)) { sum, link in
                try sum + link.openTargetAdministration().conflictCounts(of: link.name).reduce(0) { $0 + $1.conflicts }
            }
            #expect(conflicts > 0, "seed \(seed): no conflict is in the record")
        }
    }
}
