import Testing
import TidemarkApp
import TidemarkCore
import TidemarkPipeline
import TidemarkTestSupport

/// `setup --create`: the tables that the target lacks are made, and take what the source's hold.
@Suite("Creation")
struct CreationTests {
    /// SQL of both engines.
    private static let schema = """
        create table customer (id integer primary key, name varchar(20) not null, balance numeric(10,2), rate double precision,
          active boolean not null, picture BYTES, note text, born date, seen timestamp);
        create table item (owner integer not null, place integer not null, title text unique, twice integer
          generated always as (place * 2) stored, primary key (owner, place));
        create table entry (a integer, b text);
        create index customer_name on customer (name);
        create unique index customer_note on customer (note, active);
        create index customer_some on customer (name) where active;
        create table "Odd ""name"".x" ("Id" integer not null, "select" text not null, primary key ("select", "Id"));
        """

    private static func flow(_ direction: Direction, _ sql: String = schema, target: String = "select 1") throws -> Flow {
        try Flow(direction, sql.replacing("BYTES", with: direction.source == .postgres ? "bytea" : "blob"), targetSchema: target)
    }

    @Test("the tables are made, accepted, and take the stream", arguments: Direction.all)
    func created(direction: Direction) async throws {
        let flow = try Self.flow(direction)
        let later = try flow.creations().flatMap { $0.statementsAfter + $0.statementsLast }
        #expect(later.count == (direction.source == .postgres && direction.target == .postgres ? 4 : 3), "\(later)")
        _ = try Installation(flow.definition).setUp(creating: true)
        let problems = try Installation(flow.definition).check().filter { $0.finding.severity == .problem }
        #expect(problems.isEmpty, "\(problems)")
        let bytes = direction.source == .postgres ? "'\\x00ff'" : "x'00ff'"
        try flow.source.run(
            """
            insert into customer values (1, 'a', 1.50, 0.1, true, \(bytes), 'n', '2020-01-02', '2020-01-02 03:04:05');
            insert into customer values (2, 'b', null, null, false, null, null, null, null);
            insert into item (owner, place, title) values (1, 1, 'x'), (1, 2, 'y'), (2, 1, null);
            insert into entry values (1, 'x'), (1, 'x'), (null, null); delete from entry where a is null;
            update item set title = 'z' where place = 2; insert into "Odd ""name"".x" values (1, 'é')
            """)
        try await flow.follow()
        try flow.expectEqual("item", ["owner", "place", "title", "twice"])
        try flow.expectEqual("entry", ["a", "b"])
        try flow.expectEqual("customer", ["id", "name", "note", "rate"])
        try flow.expectEqual("\"Odd \"\"name\"\".x\"", ["\"Id\"", "\"select\""])
        #expect(try flow.target.schema().contains("customer_note"), "what waited for the copy was run")
        try flow.source.run("update customer set note = 'm', balance = 3 where id = 2; delete from item where owner = 2")
        try await flow.follow()
        try flow.expectEqual("customer", ["id", "name", "note", "rate"])
        try flow.expectEqual("item", ["owner", "place", "title", "twice"])
    }

    @Test("a second setup makes nothing, and a plan changes nothing", arguments: Direction.all)
    func repeated(direction: Direction) throws {
        let flow = try Self.flow(direction)
        let before = try flow.target.schema()
        let plan = try Installation(flow.definition).planSetUp(creating: true)
        #expect(try flow.target.schema() == before)
        let made = plan.filter { $0.side == "target" && $0.statement.lock == "none: the table is new" }
        #expect(made.filter { $0.statement.sql.lowercased().hasPrefix("create table") }.count == 4, "\(made)")
        #expect(plan.contains { $0.statement.lock == "after the copy" && $0.statement.sql.lowercased().contains("index") })
        _ = try Installation(flow.definition).setUp(creating: true)
        let installed = try flow.target.schema()
        #expect(try flow.creations().isEmpty)
        _ = try Installation(flow.definition).setUp(creating: true)
        #expect(try flow.target.schema() == installed)
    }

    @Test("what an interruption left is finished", arguments: Direction.all)
    func interrupted(direction: Direction) throws {
        let flow = try Self.flow(direction)
        let creations = try flow.creations()
        let target = try flow.definition.targetAdministration()
        for creation in creations.prefix(2) { try target.create(creation) }
        try target.create(creations[0])
        _ = try Installation(flow.definition).setUp(creating: true)
        #expect(try flow.creations().isEmpty)
        let problems = try Installation(flow.definition).check().filter { $0.finding.severity == .problem }
        #expect(problems.isEmpty, "\(problems)")
    }

    @Test("a table that the target has stays as it is; without --create a missing one is a finding", arguments: Direction.all)
    func existing(direction: Direction) throws {
        let entry = "create table entry (b text, a integer, mine text);"
        let flow = try Self.flow(direction, target: entry)
        #expect(try flow.creations().count == 3)
        let problems = try Installation(flow.definition).check().filter { $0.finding.severity == .problem }
        #expect(problems.count == 3, "\(problems)")
        _ = try Installation(flow.definition).setUp(creating: true)
        #expect(try flow.target.rows("entry", ["mine"]) == [])
    }

    /// Declared in the source, what the target is to have, a value of the source, and its text on the target.
    private static let intoSQLite: [(declared: String, made: String, literal: String, expected: String)] = [
        ("smallint", "INTEGER", "-5", "-5"), ("bigint", "INTEGER", "9223372036854775807", "9223372036854775807"),
        ("boolean", "INTEGER", "true", "1"), ("real", "REAL", "0.5", "0.5"), ("double precision", "REAL", "1e300", "1.0e+300"),
        ("bytea", "BLOB", "'\\x41'", "A"), ("numeric(10,3)", "TEXT", "1.5", "1.500"), ("char(4)", "TEXT", "'a'", "a   "),
        ("uuid", "TEXT", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
        ("jsonb", "TEXT", "'[1]'", "[1]"), ("integer[]", "TEXT", "'{1,2}'", "{1,2}"), ("boolean[]", "TEXT", "'{t}'", "{t}"),
        ("date", "TEXT", "'2020-01-02'", "2020-01-02"), ("mood", "TEXT", "'sad'", "sad"), ("size", "INTEGER", "3", "3"),
        ("int4range", "TEXT", "'[1,3)'", "[1,3)"), ("interval", "TEXT", "'1 day'", "1 day"),
    ]

    @Test("each type of PostgreSQL becomes what the mapping says", arguments: [true, false])
    func typesIntoSQLite(isKey: Bool) async throws {
        let cases = Self.intoSQLite
        let tables = cases.indices.map { "create table v\($0) (v \(cases[$0].declared)\(isKey ? " primary key" : ""), w integer);" }
        let flow = try Flow(
            Direction(source: .postgres, target: .sqlite),
            "create type mood as enum ('sad'); create domain size as integer;" + tables.joined(), targetSchema: "select 1")
        _ = try Installation(flow.definition).setUp(creating: true)
        let findings = try Installation(flow.definition).check().filter { $0.side == "target" }
        #expect(findings.isEmpty, "\(findings)")
        try flow.source.run(cases.indices.map { "insert into v\($0) values (\(cases[$0].literal), 1); update v\($0) set w = 2;" }.joined())
        try await flow.follow()
        for (place, value) in cases.enumerated() {
            #expect(try flow.target.rows("v\(place)", ["v", "w"]) == ["\(value.expected)|2"], "\(value.declared)")
            #expect(try flow.target.rows("pragma_table_info('v\(place)')", ["type"]) == ["INTEGER", value.made].sorted(), "\(value.declared)")
        }
    }

    private static let intoPostgres: [(declared: String, made: String, literal: String, expected: String)] = [
        ("integer", "bigint", "9223372036854775807", "9223372036854775807"), ("tinyint(1)", "bigint", "1", "1"),
        ("boolean", "boolean", "1", "true"), ("varchar(3)", "text", "'longer'", "longer"), ("clob", "text", "''", ""),
        ("float", "double precision", "0.1", "0.1"), ("blob", "bytea", "x'00ff'", "\\x00ff"), ("date", "date", "'2020-01-02'", "2020-01-02"),
        ("datetime", "timestamp without time zone", "'2020-01-02 03:04:05.5'", "2020-01-02 03:04:05.5"),
        ("timestamptz", "timestamp with time zone", "'2020-01-02T03:04:05+01:00'", "2020-01-02 02:04:05+00"),
        ("time", "time without time zone", "'03:04'", "03:04:00"),
        ("uuid", "uuid", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
        ("numeric(9,2)", "numeric", "12.125", "12.125"), ("decimal", "numeric", "7", "7"),
        ("json", "json", "'{\"a\":1, \"a\":2 }'", "{\"a\":1, \"a\":2 }"),
    ]

    @Test("each declared type of SQLite becomes what the mapping says", arguments: [true, false])
    func typesIntoPostgres(isKey: Bool) async throws {
        let cases = Self.intoPostgres
        let tables = cases.indices.map { "create table v\($0) (v \(cases[$0].declared) not null\(isKey ? " primary key" : ""), w integer);" }
        let flow = try Flow(Direction(source: .sqlite, target: .postgres), tables.joined(), targetSchema: "select 1")
        _ = try Installation(flow.definition).setUp(creating: true)
        let problems = try Installation(flow.definition).check().filter { $0.side == "target" && $0.finding.severity == .problem }
        #expect(problems.isEmpty, "\(problems)")
        try flow.source.run(cases.indices.map { "insert into v\($0) values (\(cases[$0].literal), 1); update v\($0) set w = 2;" }.joined())
        try await flow.follow()
        for (place, value) in cases.enumerated() {
            #expect(try flow.target.rows("v\(place)", ["v", "w"]) == ["\(value.expected)|2"], "\(value.declared)")
            let made = value.made == "json" && isKey ? "text" : value.made
            #expect(try flow.target.rows("v\(place)", ["pg_typeof(v)"]) == [made], "\(value.declared)")
        }
    }

    @Test("SQLite's indexes and key come as they are")
    func sqliteText() throws {
        let flow = try Flow(
            Direction(source: .sqlite, target: .sqlite),
            """
            CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT COLLATE NOCASE DEFAULT 'x', c ANY, CHECK (b <> ''));
            CREATE TABLE "w" (x TEXT NOT NULL, y, FOREIGN KEY (y) REFERENCES a (id)) /* kept */;
            CREATE UNIQUE INDEX w_key ON w (x);
            CREATE INDEX w_e ON w (lower(x)) WHERE y > 1;
            CREATE TABLE s (k BLOB PRIMARY KEY, v REAL) STRICT, WITHOUT ROWID;
            CREATE INDEX s_v ON s (v DESC);
            """, targetSchema: "select 1")
        let before = try flow.source.schema()
        let creations = try flow.creations()
        #expect(creations.flatMap(\.statementsAfter).count == 2, "\(creations)")
        for creation in creations { try flow.definition.targetAdministration().create(creation) }
        // Twice: what ends a copy may be interrupted.
        for statement in creations.flatMap(\.statementsAfter) + creations.flatMap(\.statementsAfter) { try flow.target.run(statement) }
        #expect(try flow.target.schema() == before)
    }

    @Test("a column that says nothing about its values is refused, and nothing is made", arguments: ["v", "v any", "v geometry"])
    func untyped(column: String) throws {
        let flow = try Flow(
            Direction(source: .sqlite, target: .postgres), "create table t (id integer primary key, \(column));", targetSchema: "select 1")
        let before = (try flow.source.schema(), try flow.target.schema())
        let failure = try #require(throws: TidemarkError.self) { try Installation(flow.definition).setUp(creating: true) }
        #expect(failure.table?.name == "t" && failure.why.contains("\"v\"") && failure.remedy.contains("by hand"), "\(failure)")
        #expect(try flow.source.schema() == before.0 && flow.target.schema() == before.1)
    }

    @Test("an index is unique only where both engines mean the same by equal", arguments: [true, false])
    func uniqueIndexes(intoSQLite: Bool) throws {
        let flow = try Flow(
            Direction(source: intoSQLite ? .postgres : .sqlite, target: intoSQLite ? .sqlite : .postgres),
            "create table t (id integer primary key, a text unique, b numeric unique, c char(4) unique, d date unique, e varchar(9) unique)",
            targetSchema: "create table t_a_idx (id integer primary key);")
        let after = try flow.creations().flatMap(\.statementsAfter).map { $0.lowercased() }.sorted()
        let unique = Set(after.filter { $0.contains("unique") }.compactMap { $0.split(separator: "(").last?.first { "abcde".contains($0) } })
        #expect(unique == (intoSQLite ? ["a", "d", "e"] : ["a", "c", "e"]), "\(after)")
        #expect(after.count == 5 && after.contains { $0.contains("t_a_idx1") }, "\(after)")
    }

    @Test("two tables that SQLite would take for one are refused")
    func sameName() throws {
        let flow = try Flow(
            Direction(source: .postgres, target: .sqlite),
            "create schema other; create table t (id integer primary key); create table other.t (id integer primary key)",
            targetSchema: "select 1")
        #expect(throws: TidemarkError.self) { try flow.creations() }
    }
}


extension PipelineDefinition {
    func targetAdministration() throws -> any TargetAdministration {
        try Engines.accepting(target, of: "target").targetAdministration(target)
    }
}

extension Flow {
    /// What would make the tables that the target lacks.
    func creations() throws -> [TableCreation] {
        let source = try Engines.accepting(definition.source, of: "source").sourceAdministration(definition.source)
        let tables = try source.tables(TableSelection())
        return try definition.targetAdministration().creations(of: source.definitions(of: tables))
    }
}
