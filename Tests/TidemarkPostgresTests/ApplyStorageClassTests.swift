import Testing
import TidemarkCore

@testable import TidemarkPostgres

@Suite("Apply: images of SQLite")
struct ApplyStorageClassTests {
    private static func hex(_ text: String) -> String {
        #"{"t":""# + text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }.joined() + #""}"#
    }

    @Test("each storage class arrives as the same value of the target's type", arguments: [ApplyOrder.paged, .staged])
    func values(order: ApplyOrder) throws {
        let bench = try ApplyBench(
            """
            create type mood as enum ('sad'); create domain cost as numeric(6,2);
            create table v (id bigint primary key, s smallint, b boolean, d float8, r real, n numeric, c cost, t text, vc varchar(3),
              ch char(3), x bytea, da date, ts timestamptz(3), ti time, u uuid, j json, jb jsonb, m mood, a int[], "q""n" text)
            """)
        let columns = ["id", "s", "b", "d", "r", "n", "c", "t", "vc", "ch", "x", "da", "ts", "ti", "u", "j", "jb", "m", "a", "q\"n"]
        bench.capture(1, "v", columns, key: ["id"], encoding: .storageClasses)
        let first = [
            "9223372036854775807", "-32768", "1", "1.00000000000000005551e-01", "1.50000000000000000000e+00", "1.00000000000000005551e-01",
            "1.25000000000000000000e+03", Self.hex("q\"\\\u{1}ü😀"), Self.hex("äöü"), #""ab""#, #"{"x":"00FF5C27"}"#, #""2020-02-29""#,
            #""2020-02-29T13:45:00.123Z""#, #""13:45""#, #""00000000-0000-0000-0000-00000000000A""#, Self.hex(#"{"a":1, "a":2 }"#), #""null""#, #""sad""#,
            #""{1,2}""#, #""""#,
        ]
        let second = [
            "-9223372036854775808", "null", "0", "1e999", "-1e999", "1.00000000000000000000e+20", "0", "null", "null", "null", #"{"x":""}"#,
            #""infinity""#, #""2020-01-01 00:00:00+05:30""#, "null", "null", #""null""#, "null", "null", "null", "null",
        ]
        let third = ["3", "7", "null", "-0.00000000000000000000e+00", "3", "12345678901234567", "-1.50000000000000000000e+00"] + Array(repeating: "null", count: 13)
        let labels = columns.map(JSONString.quoted)
        try bench.apply(order, [[first, second, third].map { values in
            .up(1, "{\"id\":\(values[0])}", "{" + zip(labels, values).map { "\($0):\($1)" }.joined(separator: ",") + "}")
        }])
        let found = try bench.session.query(
            """
            select id, s, b, d, r, n, c, t, vc, ch, x, da, ts at time zone 'UTC', ti, u, j, jb, m, a, "q""n" from v order by id desc
            """)
        let rows = (0..<found.count).map { row in columns.indices.map { found[row, $0] } }
        #expect(rows[0] == [
            "9223372036854775807", "-32768", "t", "0.1", "1.5", "0.1", "1250.00", "q\"\\\u{1}ü😀", "äöü", "ab ", #"\x00ff5c27"#, "2020-02-29",
            "2020-02-29 13:45:00.123", "13:45:00", "00000000-0000-0000-0000-00000000000a", #"{"a":1, "a":2 }"#, "null", "sad", "{1,2}", "",
        ])
        #expect(rows[1] == ["3", "7", nil, "-0", "3", "12345678901234567", "-1.50"] + Array(repeating: nil, count: 13))
        #expect(rows[2] == [
            "-9223372036854775808", nil, "f", "Infinity", "-Infinity", "100000000000000000000", "0.00", nil, nil, nil, #"\x"#, "infinity",
            "2019-12-31 18:30:00", nil, nil, "null", nil, nil, nil, nil,
        ])
    }

    @Test("what the target's type cannot hold as it is stops, with table, key, change, column and a type that could", arguments: [
        ("smallint", "32768"), ("int", "1.00000000000000000000e+00"), ("int", #""1""#), ("bigint", #"{"x":"31"}"#), ("boolean", "2"),
        ("boolean", #""t""#), ("float8", "9007199254740993"), ("float8", #""1.5""#), ("real", "1.00000000000000005551e-01"), ("real", "16777217"),
        ("numeric(3,1)", "100"), ("numeric(3,1)", "1.25000000000000000000e+00"), ("numeric(3,1)", #""1.25""#), ("numeric(3,1)", "1e999"),
        ("numeric", "-0.00000000000000000000e+00"), ("numeric", #""1e5""#), ("numeric", #"" 1""#), ("text", "1"), ("text", "1.00000000000000000000e+00"),
        ("text", #"{"x":"41"}"#), ("text", #"{"t":"4100"}"#), ("text", #"{"t":"FF"}"#), ("text", #"{"t":"EDA080"}"#), ("varchar(2)", #""abc""#),
        ("char(2)", #"{"t":"C3A4C3A4C3A4"}"#), ("bytea", #""abc""#), ("bytea", "1"), ("date", #""2020-01-01 13:45""#), ("date", #""today""#),
        ("date", "1"), ("timestamp", #""2020-01-01 00:00:00+01""#), ("timestamp", #""now""#), ("timestamp(0)", #""2020-01-01 00:00:00.5""#),
        ("timestamptz", #""2020-01-01 00:00:00.1234567""#), ("timestamptz", #""2020-01-01 23:59:60""#), ("time", #""13:45:00+01""#),
        ("interval(0)", #""1.5 s""#), ("timestamp(0)[]", #""{2020-01-01 00:00:00.5}""#), ("name", #""\#(String(repeating: "x", count: 64))""#), ("interval", #""1.23456789 s""#),
    ])
    func refused(type: String, value: String) throws {
        let target = try #require(Self.column(type))
        var reader = StorageClassReaderProbe(value)
        #expect(throws: StorageClassRefusal.self) { try reader.write(to: target) }
    }

    @Test("numbers and times that are written in full are taken", arguments: [
        ("numeric(3,1)", #""12.5""#), ("numeric(3,1)", "12"), ("numeric(3,1)", "1.25000000000000000000e+01"), ("numeric", #""0.50""#),
        ("timestamp(1)", #""2020-01-01 00:00:00.500""#), ("timestamp", #""2020-01-01""#), ("timestamp", #""0044-03-15 BC""#), ("time", #""24:00:00""#),
        ("numeric(2,2)", "5.00000000000000000000e-01"), ("numeric", "1.00000000000000000000e-07"), ("interval", #""1 day 00:00:01.5""#), ("int", "-0"),
    ])
    func taken(type: String, value: String) throws {
        let target = try #require(Self.column(type))
        var reader = StorageClassReaderProbe(value)
        #expect(throws: Never.self) { try reader.write(to: target) }
    }

    @Test("the refusal names the place and not the value; earlier changes of the window are undone")
    func named() throws {
        let bench = try ApplyBench("create table v (id int primary key, s smallint); create table w (x int)")
        bench.capture(1, "v", ["id", "s"], key: ["id"], encoding: .storageClasses)
        bench.capture(2, "w", ["x"], encoding: .storageClasses)
        let error = bench.refusal(.paged, [[.up(1, #"{"id":1}"#, #"{"id":1,"s":1}"#), .up(1, #"{"id":2}"#, #"{"id":2,"s":4711000}"#)]])
        #expect(error?.key == #"{"id":2}"#)
        #expect(error?.changeID == 2)
        #expect(error?.why == #""s" is smallint on the target, and the value is an integer out of its range"#)
        #expect(error?.remedy.contains(#"alter table "public"."v" alter column "s" type bigint"#) == true)
        #expect(try bench.rows("v") == [])
        #expect(bench.refusal(.paged, [[.row(2, #"{"x":"4711"}"#)]])?.changeID == 3)
        #expect(bench.refusal(.paged, [[.row(2, #"{"y":1}"#)]])?.what.contains("cannot be read") == true)
        #expect(bench.refusal(.paged, [[.row(2, #"{"x":1"#)]])?.what.contains("cannot be read") == true)
    }

    @Test("F6: keys written in two ways are one row where the target's type says so", arguments: [ApplyOrder.paged, .staged])
    func keys(order: ApplyOrder) throws {
        let bench = try ApplyBench("create table k (at timestamptz primary key, v int)")
        bench.capture(1, "k", ["at", "v"], key: ["at"], encoding: .storageClasses)
        try bench.apply(order, [[
            .up(1, #"{"at":"2020-01-01"}"#, #"{"at":"2020-01-01","v":1}"#),
            .gone(1, #"{"at":"2020-01-01 00:00:00"}"#), .up(1, #"{"at":"2020-01-01T00:00Z"}"#, #"{"at":"2020-01-01T00:00Z","v":2}"#),
        ]])
        #expect(try bench.session.query("select count(*), max(v) from k")[0, 1] == "2")
    }

    /// The target's view of a type as people write it.
    private static func column(_ type: String) -> StorageClassTarget? {
        let names = [
            "int": "integer", "float8": "double precision", "varchar(2)": "character varying(2)", "char(2)": "character(2)",
            "timestamp": "timestamp without time zone", "timestamp(0)": "timestamp(0) without time zone",
            "timestamp(1)": "timestamp(1) without time zone", "timestamptz": "timestamp with time zone", "time": "time without time zone",
            "timestamp(0)[]": "timestamp(0) without time zone[]",
        ]
        return StorageClassTarget(names[type] ?? type)
    }
}

/// Reads one value and writes it to a target.
private struct StorageClassReaderProbe {
    private let bytes: [UInt8]

    init(_ value: String) { bytes = Array("\(value)}".utf8) }

    mutating func write(to target: StorageClassTarget) throws {
        try bytes.withUnsafeBytes { bytes in
            var reader = StorageClassReader(bytes)
            var output: [UInt8] = []
            try reader.value().write(to: target, into: &output)
        }
    }
}
