import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The log says which rows are new and which stand; a target that disagrees gets the same rows.
@Suite("Apply: what the log says of a row, and the target does not have")
struct ApplyExpectationTests {
    private func bench(_ rows: String) throws -> ApplyBench {
        let bench = try ApplyBench("create table t (id int primary key, v int, u int unique); \(rows)")
        bench.capture(1, "t", ["id", "v", "u"], key: ["id"])
        return bench
    }

    private static func row(_ operation: Operation, _ id: Int, _ v: Int) -> TestChange {
        let image = #"{"id":\#(id),"v":\#(v),"u":\#(id)}"#
        return TestChange(capture: 1, operation: operation, key: #"{"id":\#(id)}"#, image: operation == .delete ? nil : image)
    }

    @Test("rows that are new by the log and stand in the target are written over, once more by a plain window after that")
    func preloaded() throws {
        let bench = try bench("insert into t select g, 0, g from generate_series(1, 50) g")
        try bench.follow([(1...100).map { Self.row(.insert, $0, 1) }])
        #expect(try bench.rows("t").count == 100)
        #expect(try bench.session.query("select min(v), max(v) from t")[0, 0] == "1")
        try bench.session.run("insert into t values (101, 0, 101)")
        // Not refused again: the table is known to hold such rows.
        try bench.apply(.paged, [[Self.row(.insert, 101, 2), Self.row(.insert, 102, 2)]])
        #expect(try bench.session.query("select count(*) from t where v = 2")[0, 0] == "2")
    }

    @Test("rows that stand by the log and are not in the target are inserted", arguments: [5, 200])
    func missing(count: Int) throws {
        let bench = try bench("insert into t select g, 0, g from generate_series(1, 3) g")
        try bench.apply(.paged, [(1...count).map { Self.row(.update, $0, 1) }, [Self.row(.update, 1, 2)]])
        #expect(try bench.session.query("select count(*), sum(v) from t")[0, 1] == String(count + 1))
    }

    @Test("a row inserted, changed, deleted and inserted again in pages and across them is as it was last")
    func histories() throws {
        var random = SeededRandom(seed: 7)
        let bench = try bench("")
        var table: [Int: Int] = [:]
        for window in 0..<20 {
            let pages = (0..<3).map { _ in
                (0..<120).map { number -> TestChange in
                    let id = Int.random(in: 1...150, using: &random)
                    if table[id] != nil, Int.random(in: 0..<3, using: &random) == 0 {
                        table[id] = nil
                        return Self.row(.delete, id, 0)
                    }
                    defer { table[id] = window * 1000 + number }
                    return Self.row(table[id] == nil ? .insert : .update, id, window * 1000 + number)
                }
            }
            try bench.apply(.paged, pages)
            #expect(try bench.rows("t") == table.map { "(\($0),\($1),\($0))" }.sorted(), "window \(window)")
        }
    }

    @Test("4: many new rows, which go by COPY, hold the values that single ones do", arguments: [40, 3])
    func copied(rows: Int) throws {
        let bench = try ApplyBench(
            """
            create table origin (id int primary key, "a""b\\c" text, n numeric, f float8, b bool, y bytea, t timestamptz, l text[], j json, c char(7), e text);
            create table t (like origin including all); alter table t add column g int generated always as (id + 1) stored
            """)
        let texts = #"array[null, '', E'\t\n\r\b\f\x01\x1f', '\\.', '\N', '"quoted" {[:,]}', 'ä € 𝄞 😀', 'null', repeat('x\', 3000)]"#
        try bench.session.run(
            """
            insert into origin select g, (\(texts))[1 + g % 9], (array[1.10, 'NaN', -0.0, 1e-30, null])[1 + g % 5],
                (array['-0', 'NaN', 'Infinity', '1e-320', null]::float8[])[1 + g % 5], (array[true, false, null])[1 + g % 3],
                (array['\\x00ff5c', '', null]::bytea[])[1 + g % 3], (array['infinity', '2026-01-01 12:00:00.123456+00', '0044-03-15 BC', null]::timestamptz[])[1 + g % 4],
                (array['{1,NULL,"a\\"b"}', '[0:1]={5,6}', '{}', null])[1 + g % 4]::text[], (array['null', '{"a" : [1, "\\u0041"]}', null]::json[])[1 + g % 3],
                'c' || g, (\(texts))[1 + (g * 7) % 9] from generate_series(1, \(rows)) g
            """)
        let names = try bench.session.query("select to_json(array_agg(attname::text || ' ' || format_type(atttypid, atttypmod) order by attnum)) from pg_attribute where attrelid = 'origin'::regclass and attnum > 0")
        bench.capture(1, "t", try JSONText.strings(names[0, 0] ?? ""), key: ["id"])
        let images = try bench.session.query(
            #"select id, row_to_json(i)::text from (select id, "a""b\c", n, f, b, y, t, format('%s', l) as l, case when j is not null then format('%s', j) end as j, c, e from origin) i order by id"#)
        let changes = (0..<images.count).map { row in
            TestChange(capture: 1, operation: .insert, key: #"{"id":\#(images[row, 0] ?? "")}"#, image: images[row, 1]?.replacing(#""l":"","#, with: #""l":null,"#))
        }
        try bench.apply(.paged, [changes])
        let list = #"id, "a""b\c" as a, n, f, b, y, t, l, j::text as j, c, e"#
        #expect(try bench.rows("(select \(list) from t)") == bench.rows("(select \(list) from origin)"))
        #expect(try bench.session.query("select count(*) from t where g = id + 1")[0, 0] == String(rows))
    }
}
