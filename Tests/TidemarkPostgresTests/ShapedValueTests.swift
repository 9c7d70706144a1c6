import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

/// What is shaped on its way is the same to the bit, where it is meant to be the same.
@Suite("PostgreSQL source: shaped values")
struct ShapedValueTests {
    private static let types = CaptureValueTests.types

    /// Each type in a column that is renamed, and in one that an expression computes: its own value.
    private static func rules() -> TableRules {
        TableRules(
            types.indices.map { place in
                var shaping = TableShaping()
                shaping.filter = "id >= 0"
                shaping.renamedColumns = ["id": "the \"id", "w": "was w"]
                shaping.expressions = [.init(column: "v", sql: "v")]
                return TableRule(TablePattern("public.t\(place)"), shaping: shaping)
            })
    }

    /// Of these the expression has the type below, which has a text of its own.
    private static let domains: Set = ["app.digits", "app.moment", "app.day"]

    @Test("every type, passed on and computed, from the log and from the table")
    func everyType() throws {
        let scene = try CaptureScene(CaptureValueTests.schema)
        for (place, type) in Self.types.enumerated() {
            try scene.run("create table t\(place) (id int primary key, w \(type.name), v \(type.name))")
            try scene.attach("t\(place)")
        }
        let empty = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        for (place, type) in Self.types.enumerated() {
            for (row, value) in (type.values + [nil]).enumerated() {
                let literal = value.map(PostgresIdentifier.literal) ?? "null"
                try scene.run("insert into t\(place) values (\(row), \(literal)::\(type.name), \(literal)::\(type.name)), (\(-row - 1), null, null)")
            }
        }
        let now = try TransactionSnapshot.parsed(try scene.value("select pg_current_snapshot()"))
        let session = try PostgresSession(scene.url)
        let shaping = SourceShaping(session)
        shaping.follow(Self.rules())
        let tables = try shaping.shaped(try CaptureRegistry.tables(in: session))
        var rows = LogRows(ids: 1...1_000_000, start: empty, end: now, captures: tables.map(\.capture))
        let plain = try session.query(rows.inOrder)
        rows.shaped = try shaping.changed(rows.captures)
        let shaped = try session.query(rows.inOrder)
        #expect(rows.shaped.count == Self.types.count && shaped.count == plain.count)
        let source = try PostgresRowSource(scene.url)
        try source.shape(Self.rules())
        let position = try source.hold([])
        var copied: [Int32: [String: String]] = [:]
        for table in position.tables {
            try source.read(TablePart(table), as: .changes) { page in
                guard case .changes(let changes) = page else { return }
                for change in changes.changes {
                    func text(_ range: Range<Int>?) -> String { range.map { String(decoding: changes.bytes[$0], as: UTF8.self) } ?? "" }
                    copied[table.capture, default: [:]][text(change.key)] = text(change.image)
                }
            }
        }
        let computed = try Regex(#","v":.*}$"#)
        for row in 0..<plain.count {
            let table = try #require(tables.first { String($0.capture) == shaped[row, 1] })
            let type = Self.types[Int(table.name.name.dropFirst()) ?? 0].name
            let key = (plain[row, 3] ?? "").replacing("\"id\":", with: #""the \"id":"#)
            #expect(shaped[row, 3] == key, "\(type)")
            // A row that the filter leaves out is gone.
            guard plain[row, 3]?.contains("-") == false else {
                #expect(shaped[row, 2] == "D" && shaped[row, 4] == nil, "\(type)")
                continue
            }
            var expected = (plain[row, 4] ?? "").replacing("{\"id\":", with: #"{"the \"id":"#, maxReplacements: 1).replacing(",\"w\":", with: ",\"was w\":", maxReplacements: 1)
            var found = shaped[row, 4] ?? ""
            var read = copied[table.capture]?[key] ?? ""
            if Self.domains.contains(type) { (expected, found, read) = (expected.replacing(computed, with: ""), found.replacing(computed, with: ""), read.replacing(computed, with: "")) }
            #expect(found == expected && shaped[row, 2] == plain[row, 2], "\(type)")
            #expect(read == expected, "\(type)")
        }
        #expect(copied.values.reduce(0) { $0 + $1.count } * 2 == plain.count)
    }

    @Test("a table without a rule costs nothing more, and one with another name only is read as ever")
    func untouched() throws {
        let scene = try CaptureScene("create table a (id int primary key); create table b (id int primary key)", attached: "a", "b")
        let session = try PostgresSession(scene.url)
        let shaping = SourceShaping(session)
        var elsewhere = TableShaping()
        elsewhere.target = "crm.b"
        shaping.follow(TableRules([TableRule(TablePattern("public.b"), shaping: elsewhere)], schemas: ["other": "else"]))
        let tables = try shaping.shaped(try CaptureRegistry.tables(in: session))
        #expect(tables.map(\.targetName) == [nil, TableName(schema: "crm", name: "b")])
        #expect(try shaping.changed(tables.map(\.capture)).isEmpty)
    }

    @Test("what may stand in a rule: any function of one row, and nothing else")
    func proofs() throws {
        let url = try ScratchCluster.shared.database("source")
        let administration = try PostgresSourceAdministration(url)
        try administration.session.run(
            """
            create table public.t (id int primary key, name text, at timestamptz, d public.small); create table public.k (a int);
            create function public.twice(int) returns int immutable language sql as 'select $1 * 2'
            """.replacing("create table public.t", with: "create domain public.small as int; create table public.t"))
        let tables = try administration.tables(TableSelection(include: [TablePattern("public.t")]))
        func why(filter: String? = nil, set sql: String? = nil) throws -> String? {
            var shaping = TableShaping()
            shaping.filter = filter
            shaping.expressions = sql.map { [.init(column: "name", sql: $0)] } ?? []
            return try administration.check(TableRules([TableRule(TablePattern("public.t"), shaping: shaping)]), on: tables).first?.what
        }
        for filter in ["name = 'a' -- why", "id > 1 or d is null", "public.twice(id) > 3", "at at time zone 'UTC' > '2020-01-01'", "name ~ '^a'"] {
            #expect(try why(filter: filter) == nil, "\(filter)")
        }
        for filter in ["now() > at", "id in (select a from public.k)", "count(*) > 1", "id > 1) or (true", "id", "nosuch = 1", "random() < 0.5", "name = $1", "true; drop table t"] {
            #expect(try why(filter: filter)?.hasPrefix("where:") == true, "\(filter)")
        }
        for sql in ["md5(name)", "null", "'x'", "d", "row(id, name)", "array[id]", "case when id > 1 then name end"] { #expect(try why(set: sql) == nil, "\(sql)") }
        for sql in ["gen_random_uuid()", "at::date", "(select 1)", "id, name", "sum(id) over ()", "generate_series(1, 2)", "current_user"] {
            #expect(try why(set: sql)?.hasPrefix("set: name:") == true, "\(sql)")
        }
    }
}
