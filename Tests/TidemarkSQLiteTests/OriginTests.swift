import Foundation
import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What tidemark applies is captured where it is to be passed on, and only there, and carries where it was first made.
@Suite struct OriginTests {
    static let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE, v); CREATE TABLE heap (v)"

    private func chain(passesOn: Bool, back: Bool = false) throws -> ConflictRing {
        let rule = ConflictRule(.sourceWins)
        var links = [ConflictRing.Link(from: 0, to: 1, rule: rule, passesOn: false), ConflictRing.Link(from: 1, to: 2, rule: rule, passesOn: passesOn)]
        if back { links.append(ConflictRing.Link(from: 2, to: 0, rule: rule, passesOn: true)) }
        return try ConflictRing(Self.schema, databases: 3, links: links, shared: [])
    }

    @Test("by default nothing that is applied is captured", arguments: [false, true])
    func cascade(passesOn: Bool) throws {
        let ring = try chain(passesOn: passesOn)
        // The application's own triggers hold still all the while.
        try ring.execute(1, "CREATE TRIGGER app AFTER INSERT ON t BEGIN UPDATE t SET v = 'touched' WHERE id = NEW.id; END")
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); INSERT INTO heap VALUES (1), (1)")
        try ring.run(0)
        try ring.execute(1, "INSERT INTO t (id, u) VALUES (9, 'own')")
        try ring.execute(0, "UPDATE t SET u = 'x' WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2; DELETE FROM heap WHERE rowid = 1")
        #expect(try ring.calm())
        #expect(try ring.rows(1, "SELECT v FROM t WHERE id = 1") == [[.integer(1)]])
        let expected: [[SQLiteValue]] = passesOn ? [[.integer(1)], [.integer(2)], [.integer(9)]] : [[.integer(9)]]
        #expect(try ring.rows(2, "SELECT id FROM t ORDER BY id") == expected)
        #expect(try ring.rows(2, "SELECT count(*) FROM heap") == [[.integer(passesOn ? 1 : 0)]])
        #expect(try ring.rows(1, "SELECT count(*) FROM tidemark_applied").first?.first == .integer(passesOn ? 2 : 0))
    }

    @Test("what comes back to where it was first made is left out there, and the marks tell each row's origin")
    func loop() throws {
        let ring = try chain(passesOn: true, back: true)
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 1)")
        try ring.execute(1, "INSERT INTO t VALUES (2, 'b', 2)")
        try ring.execute(2, "INSERT INTO t VALUES (3, 'c', 3)")
        #expect(try ring.calm())
        #expect(try ring.rows(2, "SELECT id FROM t ORDER BY id") == [[.integer(1)], [.integer(2)], [.integer(3)]])
        #expect(try ring.rows(0, "SELECT id FROM t ORDER BY id") == [[.integer(1)], [.integer(2)], [.integer(3)]])
        let identities = try ring.ends.map { try $0.source.identity() }
        let origins = try ring.rows(
            2, "SELECT key, (SELECT substr(origin, 1, instr(origin || ' ', ' ') - 1) FROM tidemark_applied WHERE after_id < d.id AND through_id >= d.id) FROM data_changes d WHERE operation = 'I' ORDER BY key")
        #expect(origins.map { $0[1] } == [.string(identities[0]), .string(identities[1]), .null])
        // 0's own change went to 2, and was left out on its way back, without a gap that the count would find.
        let last = try ring.rows(0, "SELECT max(id) FROM data_changes")
        try ring.execute(0, "UPDATE t SET v = 'new' WHERE id = 1")
        #expect(try ring.calm() && ring.isEqual() == false)
        #expect(try ring.rows(0, "SELECT count(*) FROM data_changes WHERE id > \(last[0][0].integer ?? 0) AND operation = 'U'") == [[.integer(1)]])
    }

    @Test("setup that makes other triggers is followed, and a pipeline that is torn down is passed on no more")
    func renewed() throws {
        let ring = try chain(passesOn: true)
        try ring.execute(0, "INSERT INTO t VALUES (1, 'a', 1)")
        #expect(try ring.calm())
        let administration = try SQLiteSourceAdministration(path: ring.directory.appendingPathComponent("1.db").path)
        var request = try #require(try administration.recordedRequest(of: "from1to2"))
        #expect(request.capturesApplied)
        request.images = .new
        _ = try administration.install(request)
        try ring.execute(0, "UPDATE t SET v = 2")
        try ring.run(0)
        let captures = try ring.rows(1, "SELECT DISTINCT capture FROM data_changes WHERE operation = 'U'")
        #expect(try captures.count == 1 && captures != ring.rows(1, "SELECT DISTINCT capture FROM data_changes WHERE operation = 'I'"))
        request.capturesApplied = false
        _ = try administration.install(request)
        let last = try ring.rows(1, "SELECT max(id) FROM data_changes")
        try ring.execute(0, "UPDATE t SET v = 3")
        try ring.run(0)
        #expect(try ring.rows(1, "SELECT max(id) FROM data_changes") == last)
        try administration.remove("from1to2")
        try ring.execute(0, "UPDATE t SET v = 4")
        try ring.run(0)
        #expect(try ring.rows(1, "SELECT v FROM t") == [[.integer(4)]])
    }

    @Test("marks go with the log that they are of")
    func pruned() throws {
        let ring = try chain(passesOn: true)
        for value in 0..<3 {
            try ring.execute(0, "INSERT OR REPLACE INTO t VALUES (1, 'a', \(value))")
            try ring.run(0)
            try ring.execute(1, "INSERT INTO heap VALUES (\(value))")
        }
        #expect(try ring.rows(1, "SELECT count(*) FROM tidemark_applied") == [[.integer(3)]])
        #expect(try ring.calm())
        for _ in 0..<2 {
            let source = try SQLiteSource(path: ring.directory.appendingPathComponent("1.db").path)
            try source.confirm(ring.ends[1].cursor, of: "from1to2")
        }
        #expect(try ring.rows(1, "SELECT count(*) FROM tidemark_applied") == [[.integer(0)]])
    }

    @Test("a log of an older version is upgraded, and read before it is")
    func older() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        try replica.source.execute("DROP TABLE tidemark_applied; ALTER TABLE tidemark_pipeline DROP COLUMN captures_applied; INSERT INTO t VALUES (1, 1)")
        try replica.replicate()
        #expect(try replica.isEqual())
        let error = errorOf { try replica.openSource().follow(.passedOn(except: nil)) }
        #expect(error?.remedy.contains("tidemark setup") == true)
        try SQLiteSourceAdministration(path: replica.sourcePath).installLog()
        try replica.openSource().follow(.passedOn(except: nil))
    }

    @Test("old images are asked for only of a capture that logs them")
    func images() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v)")
        let error = errorOf { try replica.openSource().keepBefore(of: [1]) }
        #expect(error?.table?.name == "t" && error?.remedy.contains("--image both") == true)
    }
}
