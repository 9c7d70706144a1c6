import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

/// Two values of a type that its equality, or a careless text form, might take for one.
@Suite("Values compared")
struct VerifiedValueTests {
    private static let pairs: [(type: String, source: String, planted: String)] = [
        ("numeric", "1.0", "1.00"), ("numeric", "NaN", "Infinity"), ("float8", "0", "-0"), ("float8", "0.3", "0.30000000000000004"),
        ("float4", "1e-40", "1.1e-40"), ("text", "a", "a "), ("text", "é", "e\u{301}"), ("varchar(9)", "", "x"), ("char(3)", "a", "b"),
        ("json", "{\"a\":1}", "{\"a\": 1}"), ("json", "{\"a\":1,\"a\":2}", "{\"a\":2}"), ("jsonb", "{\"a\":1}", "{\"a\":1.0}"),
        ("bytea", "\\x00", "\\x0000"), ("timestamptz", "2020-01-01 00:00:00+00", "2020-01-01 00:00:00.000001+00"),
        ("interval", "1 day", "24 hours"), ("int[]", "{1,2}", "[0:1]={1,2}"), ("text[]", "{NULL}", "{\"NULL\"}"), ("bool", "t", "f"),
        ("uuid", "00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"), ("inet", "10.0.0.1", "10.0.0.1/31"),
        ("daterange", "[2020-01-01,2020-01-02)", "empty"), ("money", "1.00", "1.01"), ("xml", "<a/>", "<a></a>"),
        ("bit varying", "1", "10"), ("point", "(1,2)", "(1,-2)"), ("hstore", "a=>1", "a=>NULL"), ("citext", "a", "A"),
        ("pair", "(1,)", "(1,\"\")"), ("mood", "ok", "sad"), ("positive", "1", "2"),
    ]

    @Test("a difference in any type is found, in its column, and nothing else; NULL is none of them")
    func everyType() throws {
        let schema = """
            create extension hstore; create extension citext; create type pair as (a int, b text);
            create type mood as enum ('ok', 'sad'); create domain positive as int check (value > 0);
            create table v (id int primary key, \(Self.pairs.enumerated().map { "c\($0) \($1.type)" }.joined(separator: ", ")));
            """
        let urls = [try ScratchCluster.shared.database("source"), try ScratchCluster.shared.database("target")]
        for url in urls {
            let session = try PostgresSession(url)
            try session.run("set search_path = public; \(schema)")
            // Row 0 is all NULL; each other row holds everything, and row 2i+1 and 2i+2 are for the pair i.
            try session.run("insert into v (id) values (0)")
            for row in 1...Self.pairs.count * 2 {
                let values = Self.pairs.map { PostgresIdentifier.literal($0.source) }.joined(separator: ", ")
                try session.run("insert into v values (\(row), \(values))")
            }
        }
        let target = try PostgresSession(urls[1])
        try target.run("set search_path = public")
        for (place, pair) in Self.pairs.enumerated() {
            try target.run("update v set c\(place) = \(PostgresIdentifier.literal(pair.planted)) where id = \(place * 2 + 1)")
            try target.run("update v set c\(place) = null where id = \(place * 2 + 2)")
        }
        try target.run("update v set c5 = '' where id = 0")
        let table = try #require(try UserTables.all(in: try PostgresSession(urls[0])).first { $0.name.name == "v" })
        let captured = CapturedTable(
            capture: 1, name: table.name, columns: table.columns, keyColumns: table.keyColumns, encoding: .typedText)
        let sides = try urls.map { HeldRows(session: try PostgresSession($0)) }
        let part = TablePart(captured)
        let digests = try sides.map { try $0.digests(of: part, buckets: 64) }
        let chosen = Set(digests[0].keys).union(digests[1].keys).filter { digests[0][$0] != digests[1][$0] }
        let listed = try sides.map { side in
            var rows: [String: Int64] = [:]
            try side.list(part, buckets: 64, chosen: Set(chosen)) { rows[$0.key] = $0.hash }
            return rows
        }
        let differing = Set(listed[0].keys).filter { listed[0][$0] != listed[1][$0] }
        #expect(differing == Set((0...Self.pairs.count * 2).map { "{\"id\":\"\($0)\"}" }))
        let keys = differing.sorted()
        let hashes = try sides.map { try $0.columnHashes(of: captured, keys: keys) }
        for key in keys {
            let there = try #require(hashes[0][key]), here = try #require(hashes[1][key])
            let columns = captured.columns.indices.filter { there[$0] != here[$0] }.map { captured.columns[$0].name }
            let id = Int(key.filter(\.isNumber)) ?? 0
            #expect(columns == [id == 0 ? "c5" : "c\((id - 1) / 2)"], "\(key)")
        }
    }
}
