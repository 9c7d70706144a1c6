import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Random histories: databases that are all written to, on links that are down for a while, hold the same rows once all is calm.
@Suite struct ConflictPropertyTests {
    /// More where they are asked for.
    static let histories = ProcessInfo.processInfo.environment["TIDEMARK_HISTORIES"].flatMap { Int($0) } ?? 12

    struct Setting: Sendable, CustomStringConvertible {
        var name: String
        var rule: ConflictRule
        var isPair = false
        var passesOn = true
        /// May a key that was deleted be given again, and be given at two ends?
        var reusesKeys = true
        var hasUnique = false
        /// May a write remove rows with other keys, to take their unique value?
        var replaces = false
        var description: String { name }
    }

    static let merge: [String: ConflictRule.ColumnStrategy] = ["n": .add, "j": .json, "f": .fill, "x": .newest(by: "xs")]

    static let settings: [Setting] = [
        Setting(name: "last-write-wins", rule: ConflictRule(.lastWriteWins(by: "ver"))),
        Setting(name: "highest-version with a site", rule: ConflictRule(.highestVersion(by: "ver"), site: "site")),
        Setting(name: "last-write-wins, two databases that pass nothing on", rule: ConflictRule(.lastWriteWins(by: "ver")), isPair: true, passesOn: false),
        Setting(name: "last-write-wins with a unique column", rule: ConflictRule(.lastWriteWins(by: "ver"), site: "site"), hasUnique: true, replaces: true),
        Setting(name: "last-write-wins with a unique column, two", rule: ConflictRule(.lastWriteWins(by: "ver")), isPair: true, passesOn: false, hasUnique: true, replaces: true),
        Setting(name: "merge", rule: ConflictRule(.merge(by: "ver"), columns: merge), reusesKeys: false),
        Setting(name: "merge with a unique column", rule: ConflictRule(.merge(by: "ver"), site: "site"), hasUnique: true, replaces: true),
        Setting(name: "merge with a site, two", rule: ConflictRule(.merge(by: "ver"), columns: merge, site: "site"), isPair: true, passesOn: false, reusesKeys: false),
        Setting(name: "source-wins and target-wins, two", rule: ConflictRule(.sourceWins), isPair: true, passesOn: false, reusesKeys: false),
        Setting(name: "source-wins and target-wins, two that pass on", rule: ConflictRule(.sourceWins), isPair: true, reusesKeys: false),
    ]

    @Test("once all is calm, all databases are equal, and nothing goes round", arguments: settings)
    func convergence(setting: Setting) throws {
        var wrong: [(seed: Int, steps: Int, why: String)] = []
        for seed in 0..<Self.histories {
            var history = try History(setting, seed: UInt64(seed))
            // Short ones among them: those are the ones that a person can follow.
            try history.run(steps: 5 + seed * 11 % 70)
            if let why = try history.end() { wrong.append((seed, history.log.count, why)) }
        }
        let shortest = wrong.min { $0.steps < $1.steps }
        #expect(wrong.isEmpty, "\(setting): \(wrong.count) histories, the shortest is seed \(shortest?.seed ?? 0): \(shortest?.why ?? "")")
    }

    struct History {
        let setting: Setting
        let ring: ConflictRing
        var random: SplitMix
        var nextKey = 0
        var log: [String] = []

        init(_ setting: Setting, seed: UInt64) throws {
            self.setting = setting
            random = SplitMix(state: seed &* 7919 &+ 17)
            let schema = """
                CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER, j TEXT, f TEXT, x TEXT, xs INTEGER, ver INTEGER NOT NULL, site TEXT,
                    u TEXT\(setting.hasUnique ? " UNIQUE" : ""));
                CREATE TABLE plain (id INTEGER PRIMARY KEY, v)
                """
            ring = setting.isPair ? try .pair(schema, setting.rule, passesOn: setting.passesOn) : try .ring(schema, setting.rule)
        }

        mutating func run(steps: Int) throws {
            var isUp = ring.links.map { _ in true }
            for _ in 0..<steps {
                if Int.random(in: 0..<8, using: &random) == 0 {
                    let link = Int.random(in: ring.links.indices, using: &random)
                    isUp[link].toggle()
                }
                if Int.random(in: 0..<3, using: &random) == 0 {
                    let link = Int.random(in: ring.links.indices, using: &random)
                    if isUp[link] {
                        log.append("run \(ring.links[link].name)")
                        try ring.run(link)
                    }
                } else {
                    try write()
                }
            }
        }

        /// What is wrong at the end; nil where nothing is.
        func end() throws -> String? {
            guard try ring.calm() else { return "changes go round without end" }
            let sizes = try lastIDs()
            guard try ring.calm(), try lastIDs() == sizes else { return "the logs go on growing" }
            let rows = try ring.databases.map { Set(try Replica.rows($0, "t").keys) }
            let same = rows.dropFirst().reduce(rows[0]) { $0.intersection($1) }
            guard rows.allSatisfy({ $0 == same }) else {
                return (log + rows.map { "differs: " + $0.subtracting(same).sorted().joined(separator: " ") }).joined(separator: "\n")
            }
            return try ring.isEqual("plain") ? nil : "the other table differs"
        }

        private func lastIDs() throws -> [SQLiteValue] {
            try ring.databases.map { try $0.rows("SELECT max(id) FROM data_changes")[0][0] }
        }

        /// One transaction of one database, each write of which raises the row's version.
        private mutating func write() throws {
            let place = Int.random(in: ring.databases.indices, using: &random)
            var statements: [String] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) { statements.append(try statement(place)) }
            log.append("\(place): \(statements.joined(separator: "; ").replacing(Self.version, with: "V"))")
            try ring.execute(place, "BEGIN")
            // A unique value may be taken, and a key.
            for statement in statements { try? ring.execute(place, statement) }
            try ring.execute(place, "COMMIT")
        }

        /// Above all that the database knows of.
        private static let version =
            "(1 + max(coalesce((SELECT max(ver) FROM t), 0), coalesce((SELECT max(json_extract(image, '$.ver')) FROM tidemark_tombstone), 0)))"

        private mutating func statement(_ place: Int) throws -> String {
            let version = Self.version
            let text = Bool.random(using: &random) ? "'\(Int.random(in: 0..<100, using: &random))'" : Int.random(in: 0..<4, using: &random) == 0 ? "NULL" : "'é\(Int.random(in: 0..<9, using: &random))'"
            let unique = Int.random(in: 0..<3, using: &random) == 0 ? "NULL" : "'u\(Int.random(in: 0..<4, using: &random))'"
            let standing = try ring.rows(place, "SELECT id FROM t ORDER BY id").compactMap { $0[0].integer }
            let key = standing.randomElement(using: &random) ?? 0
            switch Int.random(in: 0..<12, using: &random) {
            case 0...3:
                nextKey += 1
                let key = setting.reusesKeys ? Int.random(in: 1...6, using: &random) : nextKey
                let verb = setting.replaces && Bool.random(using: &random) ? "INSERT OR REPLACE" : "INSERT"
                return "\(verb) INTO t SELECT \(key), \(text), \(Int.random(in: 0...3, using: &random)), '{\"m\": 1}', NULL, 'x', 1, \(version), 'd\(place)', \(unique)"
            case 4: return "DELETE FROM t WHERE id = \(key)"
            case 5: return "UPDATE t SET n = n + \(Int.random(in: -3...5, using: &random)), ver = \(version), site = 'd\(place)' WHERE id = \(key)"
            case 6:
                // Values of one member only grow, as its rule asks for.
                return """
                    UPDATE t SET j = json_set(j, '$.m\(Int.random(in: 0..<3, using: &random))', printf('%09d%d', \(version), \(place))), ver = \(version), site = 'd\(place)' \
                    WHERE id = \(key)
                    """
            case 7: return "UPDATE t SET f = printf('%09d%d', \(version), \(place)), ver = \(version), site = 'd\(place)' WHERE id = \(key)"
            case 8: return "UPDATE t SET x = \(text), xs = \(version), ver = \(version), site = 'd\(place)' WHERE id = \(key)"
            case 9:
                if setting.reusesKeys { return "UPDATE t SET id = \(Int.random(in: 1...6, using: &random)), ver = \(version), site = 'd\(place)' WHERE id = \(key)" }
                return "INSERT OR REPLACE INTO plain VALUES (\(place * 100 + Int.random(in: 0..<5, using: &random)), \(text))"
            case 10 where setting.hasUnique:
                return "UPDATE \(setting.replaces ? "OR REPLACE " : "")t SET u = \(unique), ver = \(version), site = 'd\(place)' WHERE id = \(key)"
            default: return "UPDATE t SET v = \(text), ver = \(version), site = 'd\(place)' WHERE id = \(key)"
            }
        }
    }
}
