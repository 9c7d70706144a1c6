import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// Windows so large that several rows go in by one run of a statement.
@Suite struct TogetherTests {
    @Test("invariant 4: every value arrives as it was among many rows, in tables with and without a key")
    func values() throws {
        let replica = try Replica(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b); CREATE TABLE w (a, b); CREATE TABLE e (id INTEGER PRIMARY KEY, g AS (id * 2))")
        let values = TargetTests.values
        let several = 600
        for id in 0..<several {
            let (one, other) = (values[id % values.count], values[id * 7 % values.count])
            _ = try replica.source.rows("INSERT INTO t VALUES (?, ?, ?)", [.integer(Int64(id)), one, other])
            _ = try replica.source.rows("INSERT INTO w VALUES (?, ?)", [one, other])
            _ = try replica.source.rows("INSERT INTO e (id) VALUES (?)", [.integer(Int64(id))])
        }
        try replica.replicate()
        #expect(try replica.isEqual() && replica.isEqual("w") && replica.isEqual("e"))
        try replica.source.execute("DELETE FROM t WHERE id % 3 = 0; UPDATE t SET a = b, b = a; INSERT INTO t SELECT id + 9000, b, a FROM t")
        try replica.replicate()
        #expect(try replica.isEqual())
    }

    @Test("invariant 7: the row that the target refuses is named, wherever it stands among others", arguments: [1, 130, 599])
    func refusedRow(id: Int) throws {
        let replica = try Replica(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, v)", target: "CREATE TABLE t (id INTEGER PRIMARY KEY, v CHECK (v <> 'x'))")
        try replica.source.execute(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO t SELECT i, iif(i = \(id), 'x', 'a') FROM n")
        let error = try #require(errorOf { try replica.replicate() })
        #expect(error.key == #"{"id":\#(id)}"# && error.changeID == Int64(id) && error.table?.name == "t")
        #expect(try replica.target.rows("SELECT count(*) FROM t") == [[.integer(0)]])
    }

    @Test("F1: many rows that exchange unique values pass, staged")
    func exchangedValues() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, u INTEGER UNIQUE)")
        try replica.source.execute("WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 600) INSERT INTO t SELECT i, i FROM n")
        try replica.replicate()
        try replica.source.execute("UPDATE t SET u = -u; UPDATE t SET u = 601 + u")
        #expect(try replica.windows().map { try replica.apply($0) } == [.staged])
        #expect(try replica.isEqual())
    }

    @Test("a unique value that a deleted row held is free for a row written before it was deleted")
    func freedValue() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, u UNIQUE)")
        try replica.source.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        try replica.replicate()
        try replica.source.execute("BEGIN; UPDATE t SET u = 'c' WHERE id = 1; UPDATE t SET u = 'a' WHERE id = 2; DELETE FROM t WHERE id = 1; COMMIT")
        #expect(try replica.windows().map { try replica.apply($0) } == [.paged])
        #expect(try replica.isEqual())
    }
}
