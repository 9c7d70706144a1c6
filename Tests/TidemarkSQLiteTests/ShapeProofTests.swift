import Testing
import TidemarkCore

@testable import TidemarkSQLite

/// What is refused of a table's shape, in words.
@Suite struct ShapeProofTests {
    private static let schema = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, at, v); CREATE TABLE other (id)"

    private static func faults(_ shaping: (inout TableShaping) -> Void) throws -> [String] {
        let replica = try Replica(schema)
        let table = try #require(try replica.openSource().capturedTables().first { $0.name.name == "t" })
        let shapes = TableShapes(database: replica.source, rules: TableRules(shaping: shaping))
        guard case .failure(let faults) = try shapes.shape(of: table) else { return [] }
        return faults.all.map(\.why)
    }

    @Test(
        "what depends on more than the row is refused, and says so",
        arguments: [
            ("random() > 0", "non-deterministic"), ("at < datetime('now')", "datetime('now')"), ("v IN (SELECT id FROM other)", "without subqueries"),
            ("EXISTS (SELECT 1)", "without subqueries"), ("CASE WHEN v = 5 THEN date( 'Now' ) END", "date('Now')"), ("at > current_timestamp", "non-deterministic"),
            ("CASE v WHEN 5 THEN strftime('%s') END", "strftime() of now"), ("v AND datetime() > at", "datetime()"), ("date(at, 'localtime') = v", "localtime"),
            ("count(*) > 1", "misuse of aggregate"), ("rowid > 5", "no such column: rowid"), ("t._rowid_ > 5", "no such column: t._rowid_"),
            ("name = \"EU\"", "no such column: EU"), ("nme = 'x'", "no such column: nme"), ("other.id = 1", "no such column"), ("v = ?1", "without parameters"),
            ("1) OR (1", "syntax error"), ("1; DELETE FROM t", "syntax error"), ("v = 1 AND", "syntax error"), ("md6(v) = 'x'", "no such function: md6"),
            ("v = 'x", "unrecognized token"), ("v, 1", "row value misused"), ("changes() = 1", "non-deterministic"), ("name = 'a' COLLATE nowhere", "nowhere"),
        ])
    func refused(filter: String, word: String) throws {
        let found = try Self.faults { $0.filter = filter }
        #expect(found.count == 1 && found[0].contains(word) && found[0].hasPrefix("where: "), "\(filter): \(found)")
        let set = try Self.faults { $0.set("v", filter) }
        #expect(set.count == 1 && set[0].hasPrefix("set: v: "), "\(filter): \(set)")
    }

    @Test(
        "what is about the row alone is taken",
        arguments: [
            "t.v = 'x'", "name LIKE 'a%' -- so", "json_extract(v, '$.a') = 1", "date(at, '+1 day') > '2026'", "v IN (1, 2)",
            "\"name\" = 'now' OR [at] = 'now'", "CASE WHEN v THEN 1 END", "strftime('%Y', at) = '2026'", "max(v, 1) > abs(v)", "md5(name) <> sha256(v)", "/* a */ v", "at = 'now'",
        ])
    func taken(filter: String) throws {
        #expect(try Self.faults { $0.filter = filter } == [])
        #expect(try Self.faults { $0.set("v", filter) } == [])
    }

    @Test("names that do not fit the table are said, all of them")
    func names() throws {
        let unknown = try Self.faults { ($0.columns, $0.renamedColumns) = (["nme", "v"], ["wher": "x"]) }
        #expect(unknown.map { $0.prefix(8) } == ["columns:", "rename: "])
        #expect(try Self.faults { $0.omitted = ["xs"] }.first?.hasPrefix("omit: names the column xs") == true)
        #expect(try Self.faults { $0.omitted = ["ID"] }.first?.hasPrefix("omit: names id, a column of the key") == true)
        #expect(try Self.faults { $0.set("Id", "1") }.first?.hasPrefix("set: names id, a column of the key") == true)
        #expect(try Self.faults { $0.renamedColumns = ["v": "NAME"] }.first?.contains("one name to SQLite") == true)
        #expect(try Self.faults { $0.set("new", "1"); $0.renamedColumns = ["new": "at"] }.first?.contains("two columns") == true)
        #expect(try Self.faults { $0.set("v", "1"); $0.omitted = ["V"] }.first?.contains("set and omitted") == true)
        #expect(try Self.faults { ($0.columns, $0.renamedColumns) = (["v"], ["ID": "nr", "name": "called"]) } == [])
        #expect(try Self.faults { $0.renamedColumns = ["v": "name", "NAME": "v"] } == [])
    }

    @Test("only the key travels of a table of which no column is named")
    func nothing() throws {
        let replica = try Replica("CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE u (a, b)")
        let tables = try replica.openSource().capturedTables()
        let shapes = TableShapes(database: replica.source, rules: TableRules { $0.columns = [] })
        guard case .success(let shape?) = try shapes.shape(of: try #require(tables.first { $0.name.name == "t" })) else { throw CancellationError() }
        #expect(shape.shaped.columns.map(\.name) == ["id"])
        guard case .failure(let faults) = try shapes.shape(of: try #require(tables.first { $0.name.name == "u" })) else { throw CancellationError() }
        #expect(faults.all.first?.why.contains("no column") == true)
    }
}
