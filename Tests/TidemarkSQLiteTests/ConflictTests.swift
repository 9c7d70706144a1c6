import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What becomes of one row that two databases have changed, by each rule; and of all that is not simply two updates.
@Suite struct ConflictTests {
    static let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, n INTEGER, j TEXT, at INTEGER, ver INTEGER)"

    /// A row that both have, changed by both, then brought from 0 to 1.
    private func changed(
        _ rule: ConflictRule, _ first: String = "UPDATE t SET v = 'source', ver = 2", _ second: String = "UPDATE t SET v = 'target', ver = 3",
        schema: String = schema
    ) throws -> ConflictRing {
        let ring = try ConflictRing.pair(schema, rule)
        try ring.execute(0, "INSERT INTO t (id, v, n, j, at, ver) VALUES (1, 'first', 10, '{\"a\": 1, \"b\": 1}', 1, 1)")
        try ring.run(0)
        try ring.execute(0, first)
        try ring.execute(1, second)
        try ring.run(0)
        return ring
    }

    private func value(_ ring: ConflictRing, _ column: String = "v", at database: Int = 1) throws -> SQLiteValue? {
        try ring.rows(database, "SELECT \(column) FROM t WHERE id = 1").first?.first
    }

    @Test(
        "each rule of rows decides as its name says",
        arguments: [
            (ConflictRule(.sourceWins), "source"), (ConflictRule(.targetWins), "target"), (ConflictRule(.highestVersion(by: "ver")), "target"),
            (ConflictRule(.lastWriteWins(by: "ver")), "target"), (ConflictRule(.custom("source.ver < target.ver")), "source"),
            (ConflictRule(.custom("before.v = 'other'")), "target"), (ConflictRule(.merge(by: "ver")), "target"),
        ])
    func rules(rule: ConflictRule, winner: String) throws {
        let ring = try changed(rule)
        #expect(try value(ring) == .string(winner))
        let conflict = try #require(try ring.conflicts(0).first)
        #expect(conflict.kind == .updateUpdate && conflict.result.rawValue == winner && conflict.key == #"{"id":1}"#)
        #expect(conflict.before?.contains("first") == true && conflict.source?.contains("source") == true && conflict.target?.contains("target") == true)
        #expect(conflict.outcome?.contains(winner) == true && conflict.strategy == rule.name)
    }

    @Test("a merge decides column by column, and both ends come to the same")
    func merge() throws {
        let rule = ConflictRule(.merge(by: "ver"), columns: ["n": .add, "j": .json, "at": .newest(by: "at")])
        let ring = try changed(
            rule, "UPDATE t SET n = n + 5, j = json_set(j, '$.a', 2), at = 9, v = 'source', ver = 2",
            "UPDATE t SET n = n - 1, j = json_set(j, '$.bcd', json('[1e2, \"é\\u0041\"]')), at = 3, ver = 3")
        let merged: [SQLiteValue] = [.string("first"), .integer(14), .string(#"{"a": 2, "b": 1, "bcd": [100, "éA"]}"#), .integer(9), .integer(3)]
        #expect(try ring.rows(1, "SELECT v, n, j, at, ver FROM t") == [merged])
        #expect(try ring.conflicts(0).first?.result == .merged)
        try ring.run(1)
        #expect(try ring.rows(0, "SELECT v, n, j, at, ver FROM t") == [merged])
    }

    @Test("columns of a merge: filled, of the source, of the target, and by SQL")
    func columns() throws {
        let rule = ConflictRule(.merge(by: "ver"), columns: ["v": .source, "n": .target, "at": .custom("source.at * 100 + target.at"), "j": .fill])
        let ring = try changed(
            rule, "UPDATE t SET v = 'source', n = 1, at = 2, j = NULL, ver = 2", "UPDATE t SET v = 'target', n = 2, at = 3, j = 'x', ver = 3")
        #expect(try ring.rows(1, "SELECT v, n, at, j FROM t") == [[.string("source"), .integer(2), .integer(203), .string("x")]])
    }

    @Test("what only one end has changed is no conflict, whatever the rule")
    func none() throws {
        let ring = try changed(ConflictRule(.stop), "UPDATE t SET v = 'source'", "SELECT 1")
        #expect(try value(ring) == .string("source"))
        try ring.execute(0, "DELETE FROM t")
        try ring.run(0)
        #expect(try value(ring) == nil && ring.conflicts(0).isEmpty)
        // A key that is given again after its deletion.
        try ring.execute(0, "INSERT INTO t (id, v) VALUES (1, 'again')")
        try ring.run(0)
        #expect(try value(ring) == .string("again") && ring.conflicts(0).isEmpty)
    }

    @Test("stop names the row, and applies nothing")
    func stop() throws {
        let ring = try ConflictRing.pair(Self.schema, ConflictRule(.stop))
        try ring.execute(0, "INSERT INTO t (id, v) VALUES (1, 'source'), (2, 'b')")
        try ring.execute(1, "INSERT INTO t (id, v) VALUES (1, 'target')")
        let error = try #require(errorOf { try ring.run(0) })
        #expect(error.key == #"{"id":1}"# && error.table?.name == "t" && error.why.contains("insert-insert") && error.remedy.contains("tidemark run"))
        #expect(try ring.rows(1, "SELECT id FROM t") == [[.integer(1)]])
        try ring.execute(1, "UPDATE t SET v = 'source'")
        try ring.run(0)
        #expect(try ring.rows(1, "SELECT id FROM t") == [[.integer(1)], [.integer(2)]])
    }

    @Test("a deleted row is remembered, by the application's delete and by a key that it changes")
    func tombstones() throws {
        for removal in ["DELETE FROM t", "UPDATE t SET id = 7", "UPDATE t SET rowid = 7"] {
            let ring = try changed(ConflictRule(.targetWins), "UPDATE t SET v = 'source', ver = 2", removal)
            #expect(try value(ring) == nil, "\(removal)")
            #expect(try ring.conflicts(0).first?.kind == .updateDelete)
            #expect(try ring.rows(1, "SELECT key FROM tidemark_tombstone").first?.first == .string(#"{"id":1}"#))
        }
    }

    @Test("a row that REPLACE removes to make room for another key is remembered, and one that stays after all is not lost by that", arguments: [
        "INSERT OR REPLACE INTO t VALUES (2, 'A', 2)", "UPDATE OR REPLACE t SET v = 'A' WHERE id = 3",
        "INSERT OR IGNORE INTO t VALUES (2, 'A', 2)", "INSERT INTO t VALUES (2, 'A', 2) ON CONFLICT DO UPDATE SET ver = 1",
    ])
    func replaced(write: String) throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE COLLATE NOCASE, ver INTEGER)"
        let ring = try ConflictRing.pair(schema, ConflictRule(.highestVersion(by: "ver")))
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 1), (3, 'c', 1)")
        try ring.run(0)
        try ring.execute(1, write)
        let isRemoved = write.contains("REPLACE")
        #expect(try ring.rows(1, "SELECT id FROM t WHERE id = 1").isEmpty == isRemoved)
        #expect(try ring.rows(1, "SELECT key, image FROM tidemark_tombstone") == [[.string(#"{"id":1}"#), .string(#"{"id":1,"v":"a","ver":1}"#)]])
        // Made from a version that is older than what was removed: it must not come back.
        try ring.execute(0, "UPDATE t SET ver = 0 WHERE id = 1")
        try ring.run(0)
        #expect(try ring.rows(1, "SELECT id FROM t WHERE id = 1").isEmpty == isRemoved)
        for _ in 0..<3 {
            try ring.run(1)
            try ring.run(0)
        }
        #expect(try ring.rows(0, "SELECT * FROM t ORDER BY id") == ring.rows(1, "SELECT * FROM t ORDER BY id"))
    }

    @Test("a delete counts as just above the version that it removed")
    func deletes() throws {
        let older = try changed(ConflictRule(.highestVersion(by: "ver")), "DELETE FROM t", "UPDATE t SET v = 'target', ver = 1")
        #expect(try value(older) == nil && older.conflicts(0).first?.kind == .deleteUpdate)
        let newer = try changed(ConflictRule(.highestVersion(by: "ver")), "DELETE FROM t", "UPDATE t SET v = 'target', ver = 2")
        #expect(try value(newer) == .string("target") && newer.conflicts(0).first?.result == .target)
        let back = try changed(ConflictRule(.highestVersion(by: "ver")), "UPDATE t SET v = 'source', ver = 2", "DELETE FROM t")
        #expect(try value(back) == .string("source") && back.conflicts(0).first?.kind == .updateDelete)
    }

    @Test("counters count what each end added, also where the source was given the target's in between")
    func counters() throws {
        let ring = try changed(ConflictRule(.merge(by: "ver"), columns: ["n": .add]), "UPDATE t SET n = n + 1, ver = 2", "UPDATE t SET n = n + 10, ver = 2")
        #expect(try value(ring, "n") == .integer(21))
        try ring.execute(0, "UPDATE t SET n = n + 100, ver = 3")
        try ring.run(1)
        try ring.execute(0, "UPDATE t SET n = n + 1000, ver = 4")
        try ring.run(0)
        #expect(try value(ring, "n") == .integer(1121) && value(ring, "n", at: 0) == .integer(1121))
    }

    @Test("of rows that would have one unique value the greater version stays, and the other end is told")
    func uniqueClash() throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE COLLATE NOCASE, ver INTEGER)"
        let ring = try ConflictRing.pair(schema, ConflictRule(.highestVersion(by: "ver")))
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 5), (2, 'b', 1), (3, 'c', 1)")
        try ring.execute(1, "INSERT INTO t VALUES (11, 'A', 3), (12, 'B', 3)")
        try ring.run(0)
        #expect(try ring.rows(1, "SELECT id FROM t ORDER BY id").map { $0[0] } == [.integer(1), .integer(3), .integer(12)])
        #expect(try ring.conflicts(0).map(\.kind) == [.unique, .unique])
        #expect(try ring.calm() && ring.isEqual())
        #expect(try ring.rows(0, "SELECT id FROM t ORDER BY id").map { $0[0] } == [.integer(1), .integer(3), .integer(12)])
    }

    @Test("rows that exchange unique values pass")
    func exchange() throws {
        let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT UNIQUE, ver INTEGER)"
        let ring = try ConflictRing.pair(schema, ConflictRule(.stop))
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1)")
        try ring.run(0)
        try ring.execute(0, "UPDATE t SET v = 'x' WHERE id = 1; UPDATE t SET v = 'a' WHERE id = 2; UPDATE t SET v = 'b' WHERE id = 1")
        try ring.run(0)
        #expect(try ring.isEqual() && ring.conflicts(0).isEmpty)
    }

    @Test("an image of a conflict is put back as an ordinary write, which the other end gets")
    func restore() throws {
        let ring = try changed(ConflictRule(.highestVersion(by: "ver")))
        #expect(try ring.calm() && value(ring, at: 0) == .string("target"))
        let administration = try ring.administration(0)
        let conflict = try #require(try ring.conflicts(0).first)
        try administration.restore(.source, of: conflict, by: "Ada")
        #expect(try value(ring) == .string("source"))
        #expect(try administration.conflict(conflict.id, of: "from0to1")?.restoredBy == "Ada")
        #expect(try ring.calm() && value(ring, at: 0) == .string("source"))
        #expect(try administration.conflictCounts(of: "from0to1").first?.conflicts == 1)
    }

    @Test("a row that a newer trigger of the application touches before its insertion is logged is no conflict", arguments: ["1, 'a'", "NULL, 'a'"])
    func touched(values: String) throws {
        let ring = try ConflictRing.pair(Self.schema, ConflictRule(.stop))
        try ring.execute(0, "CREATE TRIGGER touch AFTER INSERT ON t BEGIN UPDATE t SET at = 7 WHERE id = NEW.id; END")
        try ring.execute(0, "CREATE TRIGGER touch_again AFTER UPDATE OF v ON t BEGIN UPDATE t SET at = at + 1 WHERE id = NEW.id; END")
        try ring.execute(0, "INSERT INTO t (id, v) VALUES (\(values))")
        try ring.run(0)
        try ring.execute(0, "UPDATE t SET v = 'b'")
        try ring.run(0)
        #expect(try ring.isEqual() && ring.conflicts(0).isEmpty)
    }

    @Test("changes of PostgreSQL are compared as the target holds them")
    func typedText() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, b BLOB, r REAL); INSERT INTO t VALUES (1, 'first', x'00ff', 0.5)")
        var page = TypedPage(columns: [("id", "bigint"), ("v", "text"), ("b", "bytea"), ("r", "double precision")], key: ["id"])
        page.table.conflicts = ConflictRule(.stop)
        func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
        func image(_ value: String) -> [UInt8] { bytes(#"{"id":1,"v":"\#(value)","b":"\\x00ff","r":0.5}"#) }
        var made = ChangePage()
        bytes(#"{"id":1}"#).withUnsafeBytes { key in
            image("first").withUnsafeBytes { before in
                image("é").withUnsafeBytes { after in
                    made.append(id: 1, capture: 3, operation: .update, key: key, image: after, transaction: 9, before: before)
                    made.append(id: 2, capture: 3, operation: .update, key: key, image: before, transaction: 9)
                }
            }
            image("é").withUnsafeBytes { after in
                image("first").withUnsafeBytes { before in
                    made.append(id: 3, capture: 3, operation: .update, key: key, image: after, transaction: 10, before: before)
                }
            }
        }
        try target.apply([made], page.table)
        #expect(try target.database.rows("SELECT v, b, r FROM t") == [[.string("é"), .blob([0, 255]), .real(0.5)]])
        #expect(try target.database.rows("SELECT count(*) FROM tidemark_conflict") == [[.integer(0)]])
    }

    @Test("a table that both ends write refuses what cannot be compared")
    func refusals() throws {
        let target = try TypedTarget("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        var truncated = TypedPage(columns: [("id", "bigint"), ("v", "text")], key: ["id"])
        truncated.table.conflicts = ConflictRule(.sourceWins)
        truncated.add(.truncate, key: nil, image: nil)
        let error = try #require(errorOf { try target.apply(truncated) })
        #expect(error.what.contains("truncated") && error.changeID == 1)
    }

    @Test("check says what keeps a rule from being followed")
    func checks() throws {
        let ring = try ConflictRing.pair("CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL COLLATE NOCASE, v TEXT, ver TEXT)", ConflictRule(.sourceWins), passesOn: true)
        func findings(_ rule: ConflictRule) throws -> [String] {
            var table = try #require(ring.ends[0].tables.values.first)
            table.conflicts = rule
            return try ring.administration(0).checkConflicts(in: [table]).map(\.what)
        }
        #expect(try findings(ConflictRule(.sourceWins)).contains { $0.contains("NOCASE") })
        #expect(try findings(ConflictRule(.lastWriteWins(by: "nothing"))).contains { $0.contains("\"nothing\"") })
        let plain = try ConflictRing.pair(Self.schema, ConflictRule(.sourceWins))
        var table = try #require(plain.ends[0].tables.values.first)
        table.conflicts = ConflictRule(.custom("source.v >"))
        #expect(try plain.administration(0).checkConflicts(in: [table]).first?.what.contains("cannot be read") == true)
        table.conflicts = ConflictRule(.merge(by: "ver"), columns: ["n": .add, "j": .json])
        #expect(try plain.administration(0).checkConflicts(in: [table]).isEmpty)
        // A text is a time for last-write-wins, and no number for highest-version.
        table.conflicts = ConflictRule(.lastWriteWins(by: "v"))
        #expect(try plain.administration(0).checkConflicts(in: [table]).isEmpty)
        table.conflicts = ConflictRule(.highestVersion(by: "V"))
        #expect(try plain.administration(0).checkConflicts(in: [table]).map(\.what).contains { $0.contains("versions that are kept as text") })
    }

    @Test("teardown takes the triggers and everything else away")
    func teardown() throws {
        let ring = try ConflictRing.pair(Self.schema, ConflictRule(.sourceWins), passesOn: true)
        try ring.execute(0, "INSERT INTO t (id) VALUES (1)")
        #expect(try ring.calm())
        for link in [0, 1] {
            try ring.administration(link).remove(ring.links[link].name)
            try SQLiteSourceAdministration(path: ring.directory.appendingPathComponent("\(ring.links[link].from).db").path).remove(ring.links[link].name)
        }
        for database in [0, 1] {
            #expect(try ring.rows(database, "SELECT name FROM sqlite_schema WHERE name LIKE 'tidemark%' OR name = 'data_changes'") == [])
            try ring.execute(database, "DELETE FROM t")
        }
    }

    @Test("what can matter no more is forgotten")
    func forgotten() throws {
        let ring = try changed(ConflictRule(.targetWins), "UPDATE t SET v = 'source'", "DELETE FROM t")
        try ring.execute(1, "INSERT INTO t (id) VALUES (5); DELETE FROM t")
        try ring.execute(1, "UPDATE tidemark_tombstone SET deleted_at = '2020-01-01T00:00:00.000Z' WHERE key = '{\"id\":1}'")
        try ring.execute(1, "UPDATE tidemark_cursor SET source_at = '2020-01-05T00:00:00.000Z'")
        let path = ring.directory.appendingPathComponent("1.db").path
        try SQLiteTarget(path: path, pipeline: "from0to1").forgetSettled()
        #expect(try ring.rows(1, "SELECT count(*) FROM tidemark_tombstone") == [[.integer(2)]])
        try ring.execute(1, "UPDATE tidemark_cursor SET source_at = '2025-01-05T00:00:00.000Z'; UPDATE tidemark_conflict SET at = '2020-01-01T00:00:00.000Z'")
        try SQLiteTarget(path: path, pipeline: "from0to1").forgetSettled()
        #expect(try ring.rows(1, "SELECT key FROM tidemark_tombstone") == [[.string(#"{"id":5}"#)]])
        #expect(try ring.conflicts(0).isEmpty)
    }
}
