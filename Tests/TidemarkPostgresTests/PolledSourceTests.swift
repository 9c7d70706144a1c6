import PostgresSQL
import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

@Suite("PostgreSQL polled source")
struct PolledSourceTests {
    @Test("images and keys are byte for byte those of the functions that setup would install, for every type and whatever the settings")
    func everyType() throws {
        var schema = CaptureValueTests.schema
        for (number, type) in CaptureValueTests.types.enumerated() {
            schema += "create table v\(number) (id int primary key, \"v \"\"x\" \(type.name), w \(type.name));"
            for (id, value) in type.values.enumerated() {
                let literal = PostgresIdentifier.literal(value)
                schema += "insert into v\(number) values (\(id), \(literal), null), (\(id + 100), \(literal), \(literal));"
            }
            guard type.name != "json[]" else { continue }
            // Not every type may be a key.
            schema += """
                do $$ begin create table k\(number) (n int, "v ü" \(type.name), primary key ("v ü", n)); exception when undefined_object then null; end $$;
                do $$ begin if to_regclass('k\(number)') is not null then
                    \(type.values.enumerated().map { "insert into k\(number) values (\($0), \(PostgresIdentifier.literal($1)));" }.joined())
                end if; end $$;
                """
        }
        let bench = try PolledBench("set client_min_messages = error; \(schema)", here: "")
        var read: [String: [String]] = [:]
        for table in try bench.source.tables(TableSelection(), TableRules()) {
            var pages: [ChangePage] = []
            try bench.source.read(TablePart(table)) { pages.append($0) }
            read[table.name.name] = pages.flatMap { page in zip(page.texts(\.key), page.texts(\.image)).map { "\($0) \($1)" } }.sorted()
            #expect(pages.allSatisfy { $0.changes.allSatisfy { $0.operation == .update } })
        }
        #expect(read.count > CaptureValueTests.types.count + 40)
        #expect(try bench.writer.query("select to_regnamespace('tidemark')")[0, 0] == nil)
        // Only now, in a session with the usual settings.
        try bench.writer.run(PostgresSQL.install)
        let installed = try PostgresSession(bench.sourceURL)
        for (table, own) in read {
            let written = try installed.query("select tidemark.row_key($1::regclass, 't'), tidemark.row_image($1::regclass)", [.text("public.\(table)")])
            let rows = try installed.query("select \(written[0, 0] ?? "") || ' ' || (\(written[0, 1] ?? "")) from only public.\(table) t")
            #expect((0..<rows.count).compactMap { rows[$0, 0] }.sorted() == own, "\(table)")
        }
    }

    @Test("rows travel as the rules say: left out, renamed, computed, and the key with its new name")
    func shaped() throws {
        let bench = try PolledBench(
            """
            create schema app; create domain app.mail as text; create type app.mood as enum ('ok', 'sad');
            create table app.t (a int, b int, "E mail" app.mail, mood app.mood, secret text, doc json, primary key (b, a));
            insert into app.t values (1, 2, 'x@y', 'ok', 's', 'null'), (2, 1, 'z@y', 'sad', 's', '{"a":1, "a":2}'), (3, 3, null, 'ok', 's', null)
            """, here: "")
        var shaping = TableShaping()
        shaping.filter = "mood = 'ok' -- and nothing else"
        shaping.omitted = ["secret"]
        shaping.expressions = [.init(column: "E mail", sql: "md5(\"E mail\")"), .init(column: "both", sql: "a + b"), .init(column: "kept", sql: "doc")]
        shaping.renamedColumns = ["b": "B"]
        bench.rules = TableRules([TableRule(TablePattern("t"), shaping: shaping)], schemas: ["app": "here"])
        let table = try bench.table()
        #expect(table.atTarget == TableName(schema: "here", name: "t"))
        #expect(table.keyColumns == ["B", "a"])
        #expect(table.columns.map { "\($0.name) \($0.type)" } == ["a integer", "B integer", "E mail text", "mood app.mood", "doc json", "both integer", "kept json"])
        var page = ChangePage()
        try bench.source.read(TablePart(table, after: #"{"B":2,"a":0}"#, through: #"{"B":"3","a":"3"}"#)) { page = $0 }
        #expect(page.texts(\.key).sorted() == [#"{"B":2,"a":1}"#, #"{"B":3,"a":3}"#])
        let digest = try bench.writer.query("select md5('x@y')")[0, 0] ?? ""
        #expect(page.texts(\.image).sorted() == [
            #"{"a":1,"B":2,"E mail":"\#(digest)","mood":"ok","doc":"null","both":3,"kept":"null"}"#,
            #"{"a":3,"B":3,"E mail":null,"mood":"ok","doc":null,"both":6,"kept":null}"#,
        ])
        #expect(try bench.source.key(in: TablePart(table), afterRows: 1) == #"{"B":"2","a":"1"}"#)
        #expect(try bench.source.key(in: TablePart(table), afterRows: 2) == nil)
        var keys: [String] = []
        try bench.source.keys(of: TablePart(table)) { page in
            #expect(page.changes.allSatisfy { $0.operation == .update && $0.image == nil })
            keys += page.texts(\.key)
        }
        #expect(keys.sorted() == [#"{"B":2,"a":1}"#, #"{"B":3,"a":3}"#])
    }

    @Test("a rule that is none is refused with what is wrong with it", arguments: [
        ("exists (select from public.u where u.id = t.id)", "asks other rows"), ("random() < 2", "random"), ("v < current_date::text", "current_date"),
        ("nosuch = 1", "nosuch"), ("true) or (true", "cannot be used"), ("count(*) > 1", "aggregate"), ("to_char(now(), 'D') = v", "now, to_char"),
    ])
    func refusedRules(filter: String, word: String) throws {
        let bench = try PolledBench("create table t (id int primary key, v text); create table u (id int primary key)", here: "")
        for isFilter in [true, false] {
            var shaping = TableShaping()
            if isFilter { shaping.filter = filter } else { shaping.expressions = [.init(column: "x", sql: filter)] }
            bench.rules = TableRules([TableRule(TablePattern("t"), shaping: shaping)])
            let error = #expect(throws: TidemarkError.self) { try bench.table() }
            #expect(error?.table?.name == "t" && error?.why.contains(word) == true, "\(String(describing: error))")
        }
        // What stands in quotes is none of these.
        var shaping = TableShaping()
        shaping.filter = "v <> 'now() or random()' and \"v\" <> ''"
        bench.rules = TableRules([TableRule(TablePattern("t"), shaping: shaping)])
        #expect(throws: Never.self) { try bench.table() }
    }

    @Test("what was altered since the tables were listed is not read as if it were the same")
    func altered() throws {
        let bench = try PolledBench("create table t (id int primary key); create table hidden (id int primary key)", here: "")
        let table = try bench.table()
        try bench.writer.run("alter table t add column v int")
        #expect(throws: TidemarkError.self) { try bench.source.hold([table.name]) }
        let found = try bench.table()
        try bench.source.hold([table.name])
        let error = #expect(throws: TidemarkError.self) { try bench.source.read(TablePart(table)) { _ in } }
        #expect(error?.retry == .later)
        #expect(throws: Never.self) { try bench.source.read(TablePart(found)) { _ in } }
        bench.source.release()
        try bench.writer.run("do $$ begin execute format('revoke select on hidden from %I', 'reader_' || current_database()); end $$")
        let refused = #expect(throws: TidemarkError.self) { try bench.table() }
        #expect(refused?.remedy.contains("grant select on \"public\".\"hidden\" to reader_") == true)
    }

    @Test("all that is read of a held table is of one moment, and identity is the database's")
    func held() throws {
        let bench = try PolledBench("create table t (id int primary key); insert into t select generate_series(1, 10)", here: "")
        let table = try bench.table()
        try bench.source.hold([table.name])
        try bench.writer.run("delete from t where id > 3")
        var rows = 0
        try bench.source.read(TablePart(table)) { rows += $0.changes.count }
        #expect(rows == 10)
        bench.source.release()
        rows = 0
        try bench.source.read(TablePart(table)) { rows += $0.changes.count }
        #expect(rows == 3)
        #expect(try bench.source.identity() == PostgresPolledSource(bench.sourceURL).identity())
        #expect(try bench.source.identity() != PostgresPolledSource(bench.targetURL).identity())
        #expect(try bench.source.size(of: table).bytes > 0)
    }

    @Test("a hot standby is read like its primary", .timeLimit(.minutes(5)))
    func standby() throws {
        let primary = ScratchCluster()
        let session = try PostgresSession(primary.url("postgres"))
        try session.run(
            """
            create role reader login; grant pg_read_all_data to reader;
            create table public.t (id int primary key, at timestamptz); insert into public.t select g, now() from generate_series(1, 20) g
            """)
        let standby = try primary.standby()
        try standby.waitUntilReplayed(from: session)
        let source = try PostgresPolledSource(standby.url("postgres", user: "reader"))
        let table = try #require(try source.tables(TableSelection(), TableRules()).first)
        try source.hold([table.name])
        var rows = 0
        try source.read(TablePart(table)) { rows += $0.changes.count }
        source.release()
        #expect(rows == 20)
        let reach = try source.reach(of: table, by: IncrementalReading(columns: ["at"]))
        rows = 0
        try source.read(table, by: IncrementalReading(columns: ["at"]), after: nil, through: try #require(reach.mark)) { rows += $0.changes.count }
        #expect(rows == 20)
        // What is open on the primary is not known here until it writes: that takes its time.
        let horizon = try #require(reach.horizon)
        #expect(try !source.isPast(horizon))
        #expect(try source.identity() == PostgresPolledSource(primary.url("postgres")).identity())
    }
}
