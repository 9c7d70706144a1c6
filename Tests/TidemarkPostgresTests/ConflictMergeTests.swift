import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Conflicts: columns that are merged")
struct ConflictMergeTests {
    /// One column c with its clock, beside the row's own.
    private static func merged(_ strategy: ConflictRule.ColumnStrategy, type: String = "text", before: String, source: String, target: String, sourceLater: Bool = true)
        throws -> String?
    {
        let shared = try SharedBench(
            ConflictRule(.merge(by: "at"), columns: ["c": strategy]), "create table t (id int primary key, c \(type), c_at int, at int)",
            ["id", "c", "c_at", "at"])
        func row(_ c: String, _ clock: Int, _ at: Int) -> String { #"{"id":1,"c":\#(c),"c_at":\#(clock),"at":\#(at)}"# }
        let target = row(target, sourceLater ? 2 : 3, sourceLater ? 5 : 4)
        try shared.bench.session.query(
            "insert into t select id, c::\(type), c_at, at from json_to_record($1) as x(id int, c text, c_at int, at int)", [.json(Array(target.utf8))])
        try shared.apply(.paged, .from(row(before, 1, 1), to: row(source, sourceLater ? 3 : 2, sourceLater ? 4 : 5)))
        let found = try shared.bench.session.query("select c, c_at, at from t")
        // Clocks never go back, whichever side has the value.
        if strategy == .newest(by: "c_at") { #expect(found[0, 1] == "3") }
        #expect(found[0, 2] == "5")
        return found[0, 0]
    }

    @Test("newest, fill, add, source, target and custom each decide about their column")
    func columns() throws {
        let newest = ConflictRule.ColumnStrategy.newest(by: "c_at")
        #expect(try Self.merged(newest, before: #""b""#, source: #""s""#, target: #""t""#) == "s")
        #expect(try Self.merged(newest, before: #""b""#, source: #""s""#, target: #""t""#, sourceLater: false) == "t")
        // Who has not changed a value has no say.
        #expect(try Self.merged(newest, before: #""b""#, source: #""b""#, target: #""t""#) == "t")
        #expect(try Self.merged(newest, before: #""b""#, source: #""s""#, target: #""b""#, sourceLater: false) == "s")
        #expect(try Self.merged(.fill, before: "null", source: #""s""#, target: "null") == "s")
        #expect(try Self.merged(.fill, before: #""b""#, source: "null", target: #""a""#) == "a")
        #expect(try Self.merged(.fill, before: "null", source: #""x""#, target: #""y""#) == "y")
        #expect(try Self.merged(.add, type: "int", before: "10", source: "13", target: "17") == "20")
        #expect(try Self.merged(.add, type: "numeric(8,2)", before: "null", source: "1.50", target: "null") == "1.50")
        #expect(try Self.merged(.source, before: #""b""#, source: #""s""#, target: #""t""#) == "s")
        #expect(try Self.merged(.target, before: #""b""#, source: #""s""#, target: #""t""#) == "t")
        #expect(try Self.merged(.target, before: #""b""#, source: #""s""#, target: #""b""#) == "s")
        #expect(try Self.merged(.custom("before.c || source.c || target.c"), before: #""b""#, source: #""s""#, target: #""t""#) == "bst")
        #expect(
            try Self.merged(.json, type: "jsonb", before: #""{\"a\":1}""#, source: #""{\"a\":2}""#, target: #""{\"a\":1,\"b\":3}""#) == #"{"a": 2, "b": 3}"#)
    }

    @Test("members of JSON objects are merged each by itself", arguments: [
        (#"{"a":1,"b":1}"#, #"{"a":2,"b":1}"#, #"{"a":1,"b":2}"#, #"{"a": 2, "b": 2}"#),
        (#"{"a":1,"b":1}"#, #"{"b":1}"#, #"{"a":1,"b":2}"#, #"{"b": 2}"#),
        (#"{"a":1}"#, #"{}"#, #"{"a":2}"#, #"{"a": 2}"#),
        (#"{"o":{"x":1,"y":1}}"#, #"{"o":{"x":2,"y":1}}"#, #"{"o":{"x":1,"y":3}}"#, #"{"o": {"x": 2, "y": 3}}"#),
        (#"{"a":1}"#, #"{"a":"x"}"#, #"{"a":"y"}"#, #"{"a": "y"}"#),
        (#"{}"#, #"{"n":null}"#, #"{"m":[1]}"#, #"{"m": [1], "n": null}"#),
        (#"[1]"#, #"[2]"#, #"[3]"#, #"[3]"#),
    ])
    func objects(before: String, source: String, target: String, result: String) throws {
        let bench = try ApplyBench("select")
        for (one, other) in [(source, target), (target, source)] {
            let found = try bench.session.query(
                "select tidemark.merge_json($1::jsonb, $2::jsonb, $3::jsonb)", [.text(before), .text(one), .text(other)])
            #expect(found[0, 0] == result)
        }
    }

    @Test("counters count what both ends added once, also where the source went on from the sum", arguments: [true, false])
    func counters(inOneWindow: Bool) throws {
        let shared = try SharedBench(
            ConflictRule(.merge(by: "at"), columns: ["n": .add]), "create table t (id int primary key, n int, at int)", ["id", "n", "at"])
        func row(_ n: Int, _ at: Int) -> String { #"{"id":1,"n":\#(n),"at":\#(at)}"# }
        // The source added 1, then took our 10, then added 100.
        try shared.write("insert into t values (1, 15, 2)")
        let changes: [SharedChange] = [.from(row(5, 1), to: row(6, 1)), .from(row(16, 2), to: row(116, 3))]
        if inOneWindow { try shared.apply(.paged, changes) } else { for change in changes { try shared.apply(.paged, change) } }
        #expect(try shared.rows == ["(1,116,3)"])
        // Both added the same.
        try shared.write("update t set n = 117")
        try shared.apply(.paged, .from(row(116, 3), to: row(117, 3)))
        #expect(try shared.rows == ["(1,118,3)"])
    }
}
