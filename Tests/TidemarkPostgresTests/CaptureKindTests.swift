import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// `auto` chooses between row and statement capture by what a table sees.
@Suite("PostgreSQL capture: the kind that suits a table")
struct CaptureKindTests {
    private let manyRows = "update t set v = v + 1"
    private let loop = "do $$ begin for i in 1..1500 loop update t set v = v + 1 where id = 1; end loop; end $$"

    private func fewRows(_ scene: CaptureScene) throws {
        for _ in 1...1500 { try scene.session.query("update t set v = v + 1 where id = 1") }
    }

    private func kind(_ scene: CaptureScene) throws -> String? {
        try scene.attach("t", kind: "auto")
        return try scene.value("select kind from tidemark.capture where retired_at is null")
    }

    private func flushStatistics(_ scene: CaptureScene) throws {
        try scene.run("select pg_stat_force_next_flush()")
        try scene.run("select 1")
    }

    @Test("row capture until the log shows large statements, statement capture then, row capture again after small ones")
    func byTheLog() throws {
        let scene = try CaptureScene(
            "create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, 1000) g", attached: "t")
        #expect(try kind(scene) == "row")
        try fewRows(scene)
        #expect(try kind(scene) == "row")
        for _ in 1...10 { try scene.run(manyRows) }
        #expect(try kind(scene) == "statement")
        for _ in 1...4 { try fewRows(scene) }
        #expect(try kind(scene) == "statement", "neither sort prevails: it stays as it is")
        for _ in 1...12 { try fewRows(scene) }
        #expect(try kind(scene) == "row")
        try scene.run(manyRows)
        try scene.expectReplay("t")
    }

    @Test("a loop in a function is taken for a large statement once, and then no more")
    func loops() throws {
        let scene = try CaptureScene(
            "create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, 1000) g", attached: "t")
        try scene.run(loop)
        #expect(try kind(scene) == "statement")
        for _ in 1...3 { try scene.run(loop) }
        #expect(try kind(scene) == "row")
        for _ in 1...30 { try scene.run(loop) }
        #expect(try kind(scene) == "row")
        try scene.run(manyRows)
        try scene.expectReplay("t")
    }

    @Test("attach without a kind leaves the kind as it is, whatever the log shows")
    func unasked() throws {
        let scene = try CaptureScene(
            "create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, 1000) g", attached: "t")
        for _ in 1...10 { try scene.run(manyRows) }
        try scene.run("select tidemark.attach('t')")
        #expect(try scene.value("select kind from tidemark.capture where retired_at is null") == "row")
        #expect(try kind(scene) == "statement")
        for _ in 1...16 { try fewRows(scene) }
        try scene.run("select tidemark.attach('t')")
        #expect(try scene.value("select kind from tidemark.capture where retired_at is null") == "statement")
        #expect(try kind(scene) == "row")
    }

    @Test("without a log, the rows changed for each scan tell")
    func byTheStatistics() throws {
        let scene = try CaptureScene("create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, 1000) g")
        for _ in 1...3 { try scene.run(manyRows) }
        try flushStatistics(scene)
        #expect(try kind(scene) == "statement")
        let other = try CaptureScene("create table t (id int primary key, v int); insert into t select g, 0 from generate_series(1, 1000) g")
        try fewRows(other)
        try flushStatistics(other)
        #expect(try kind(other) == "row")
    }

    @Test("what was asked for is what is taken")
    func asked() throws {
        let scene = try CaptureScene("create table t (id int primary key, v int)", attached: "t", kind: "statement")
        #expect(try scene.value("select kind from tidemark.capture") == "statement")
        try scene.attach("t", kind: "row")
        #expect(try scene.value("select kind from tidemark.capture where retired_at is null") == "row")
    }

    @Test("row capture logs a row once, whoever else locks it, and however it came")
    func once() throws {
        let scene = try CaptureScene(
            """
            create table p (id int primary key);
            create table t (id int primary key references p, v int); insert into p values (1), (2), (3)
            """, attached: "t", kind: "row")
        try scene.run("insert into t values (1, 1), (2, 2)")
        let other = try scene.connect()
        // A lock of another session leaves its mark in the row's version.
        try other.run("begin; select from t where id = 1 for key share")
        try scene.run("update t set v = 10 where id = 1; insert into t values (1, 1), (3, 3) on conflict (id) do update set v = 11; begin; savepoint s; update t set v = 12 where id = 2; rollback to s; update t set v = 13 where id = 2; select from t for no key update; update t set v = 14; commit")
        try other.run("commit")
        #expect(try scene.log("t").sorted() == [
            #"I {"id":1} {"id":1,"v":1}"#, #"I {"id":2} {"id":2,"v":2}"#, #"U {"id":1} {"id":1,"v":10}"#, #"U {"id":1} {"id":1,"v":11}"#,
            #"I {"id":3} {"id":3,"v":3}"#, #"U {"id":2} {"id":2,"v":13}"#, #"U {"id":1} {"id":1,"v":14}"#, #"U {"id":2} {"id":2,"v":14}"#,
            #"U {"id":3} {"id":3,"v":14}"#,
        ].sorted())
        try scene.expectReplay("t")
    }
}
