import PostgresSQL
import Synchronization
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// What tidemark applies to a source is known by where it was made first.
@Suite("Origins in PostgreSQL: capture and reading")
struct OriginTests {
    private static let schema = "create table t (id int primary key, v int)"

    @Test("what tidemark applies is captured where that is wanted; what others write in the replica role is not", arguments: [CaptureKind.statement, .row])
    func captured(kind: CaptureKind) throws {
        let scene = try OriginScene(Self.schema, kind: kind)
        try scene.apply("@A", "insert into t values (1, 0)")
        try scene.session.run("insert into t values (2, 0); set session_replication_role = replica; insert into t values (3, 0); set session_replication_role = origin")
        #expect(try scene.changes(.passedOn(except: nil)) == ["1 A", "2"])
        #expect(try scene.changes(.leftOut) == ["2"])
        scene.request.capturesReplicaRole = true
        _ = try scene.administration.install(scene.request)
        try scene.session.run("set session_replication_role = replica; insert into t values (4, 0)")
        #expect(try scene.value("select key from tidemark.data_changes order by id desc limit 1") == #"{"id":4}"#)
        (scene.request.capturesReplicaRole, scene.request.capturesApplied) = (false, false)
        _ = try scene.administration.install(scene.request)
        try scene.apply("insert into t values (5, 0)")
        #expect(try scene.value("select count(*) from tidemark.data_changes") == "3")
        #expect(try scene.value("select bool_and(tgenabled = 'O') from pg_trigger where tgname like 'tidemark%'") == "t")
        #expect(try scene.value("select bool_and(gap is null) and count(*) = 3 from tidemark.capture") == "t")
    }

    @Test("setup says so, does it again only where something changes, and as long as one pipeline wants it")
    func setUp() throws {
        let scene = try OriginScene(Self.schema, capturesApplied: false)
        let plain = try scene.administration.planInstall(scene.request).map(\.sql)
        #expect(!plain.contains { $0.hasPrefix("alter table") || $0.hasPrefix("create or replace function tidemark.capture_2") && $0.contains("tidemark.marked") })
        var other = scene.request
        (other.pipeline, other.capturesApplied) = ("other", true)
        let planned = try scene.administration.planInstall(other)
        #expect(planned.contains { $0.sql.contains("enable always trigger tidemark_row") && $0.lock == "SHARE ROW EXCLUSIVE on public.t" })
        for request in [other, scene.request, other] { _ = try scene.administration.install(request) }
        #expect(try scene.value("select count(*) || ' ' || bool_or(applied) from tidemark.capture") == "2 true")
        #expect(try scene.administration.recordedRequest(of: "other") == other)
        other.selection.exclude = [TablePattern("t")]
        #expect(throws: TidemarkError.self) { try scene.administration.install(other) }
        try scene.session.run("create table public.u (id int primary key)")
        for request in [other, scene.request] { _ = try scene.administration.install(request) }
        #expect(try scene.value("select string_agg(table_name || applied, ' ' order by table_name) from tidemark.capture where retired_at is null") == "tfalse utrue")
    }

    @Test("a pipeline that is to pass on says what to type where setup was not told")
    func notCaptured() throws {
        let scene = try OriginScene(Self.schema, capturesApplied: false)
        let source = try PostgresSource(scene.url)
        try source.follow(.passedOn(except: nil))
        let error = #expect(throws: TidemarkError.self) { try source.selection(of: "main") }
        #expect(error?.remedy.contains("tidemark setup") == true)
        try PostgresTargetAdministration(scene.url).install()
        try scene.session.run("insert into tidemark.cursor values ('up', 's', '0', 'w', 0, 0)")
        #expect(try scene.administration.check(scene.request).contains { $0.severity == .warning && $0.remedy.contains("pass-on") })
        scene.request.capturesApplied = true
        #expect(try scene.administration.check(scene.request).contains { $0.severity == .problem && $0.table?.name == "t" && $0.remedy.contains("verify --repair") })
        _ = try scene.administration.install(scene.request)
        #expect(try !scene.administration.check(scene.request).contains { $0.what.contains("applie") })
    }

    @Test("one transaction may hold several origins, and savepoints take marks back", arguments: [CaptureKind.statement, .row])
    func mixed(kind: CaptureKind) throws {
        let scene = try OriginScene(Self.schema, kind: kind)
        try scene.apply(
            "@A", "insert into t values (1, 0)", "@C", "insert into t values (2, 0), (3, 0)", "savepoint s", "@D", "insert into t values (4, 0)",
            "rollback to s", "insert into t values (5, 0)", "savepoint s", "@D", "update t set v = 1 where id = 1", "release s", "@A", "@C", "delete from t where id = 2")
        try scene.session.run("insert into t values (6, 0)")
        #expect(try scene.changes(.passedOn(except: nil)) == ["1 A", "2 C", "3 C", "5 C", "1 D", "2 C", "6"])
        #expect(try scene.changes(.passedOn(except: "C")) == ["1 A", "1 D", "6"])
        #expect(try scene.changes(.leftOut) == ["6"])
        #expect(try scene.administration.status(of: "main", at: scene.administration.startCursor(of: "x"), settledThrough: [:]).pendingChanges == 0)
    }

    @Test("where the same rows change again and again, of each the last change is sent that is taken")
    func folded() throws {
        let scene = try OriginScene(Self.schema, kind: .row)
        try scene.session.run("insert into t select i, 0 from generate_series(1, 10) i; do $$begin for i in 1..1000 loop update t set v = i; end loop; end$$")
        try scene.apply("@A", "do $$begin for i in 1..900 loop update t set v = -i; end loop; end$$", "@C", "update t set v = 7 where id = 10")
        func last(_ applied: AppliedChanges) throws -> Set<String> {
            Set(try scene.pages(applied).flatMap { page in page.lines { index in [page.text(page.changes[index].image)?.split(separator: ":").last.map { String($0.dropLast()) } ?? ""] } })
        }
        #expect(try last(.leftOut) == Set((1...10).map { "\($0) 1000" }))
        #expect(try last(.passedOn(except: "A")) == Set((1...10).map { $0 == 10 ? "10 7 C" : "\($0) 1000" }))
        #expect(try last(.passedOn(except: nil)) == Set((1...10).map { $0 == 10 ? "10 7 C" : "\($0) -900 A" }))
    }

    @Test("every change comes with what its row was before, where that is asked for, and with its transaction")
    func befores() throws {
        let scene = try OriginScene(Self.schema, images: .both)
        for statement in ["insert into t values (1, 1), (2, 1)", "begin; update t set v = 2 where id = 1; update t set v = 3 where id = 1; commit", "begin; delete from t where id = 2; insert into t values (2, 9); commit", "truncate t"] {
            try scene.session.run(statement)
        }
        try scene.apply("@A", "insert into t values (3, 1)")
        let pages = try scene.pages(.passedOn(except: nil), keepingBefores: true)
        let found = pages.flatMap { page in page.lines { index in [String(UnicodeScalar(page.changes[index].operation.rawValue)), page.text(page.before(index))?.split(separator: ":").last.map { String($0.dropLast()) } ?? "-"] } }
        #expect(found == ["1 I -", "2 I -", "1 U 1", "1 U -", "2 D 1", "2 I -", "1 B 3", "2 B 9", " T -", "3 I - A"])
        #expect(pages.allSatisfy { $0.transactions.count == $0.changes.count })
        #expect(Set(pages.flatMap(\.transactions)).count == 5)
        try scene.session.run("update tidemark.data_changes set before = '' where operation = 'D'")
        #expect(try scene.pages(.leftOut, keepingBefores: true).flatMap(\.changes).count { $0.operation == .imageTooLarge } == 1)
        #expect(try scene.pages(.leftOut).flatMap(\.changes).map(\.operation) == [.insert, .insert, .update, .update, .delete, .insert, .truncate])
    }

    @Test("images that are not logged both ways stop who needs them, also those that are left of an earlier setup")
    func beforesLacking() throws {
        let scene = try OriginScene(Self.schema)
        let now = #expect(throws: TidemarkError.self) { try scene.pages(.leftOut, keepingBefores: true) }
        #expect(now?.remedy.contains("tidemark setup") == true && now?.table?.name == "t")
        try scene.session.run("insert into t values (1, 1)")
        scene.request.images = .both
        _ = try scene.administration.install(scene.request)
        let left = #expect(throws: TidemarkError.self) { try scene.pages(.leftOut, keepingBefores: true) }
        #expect(left?.remedy.contains("run --once") == true && left?.changeID == 1)
    }

    @Test("origins go once every pipeline has applied their transactions, and not before")
    func pruned() throws {
        let scene = try OriginScene(Self.schema)
        try scene.confirm()
        try scene.apply("@A", "insert into t values (1, 0)")
        try scene.session.run("insert into tidemark.pipeline (name, snapshot, witness) select 'slow', snapshot, witness from tidemark.pipeline")
        try scene.confirm()
        #expect(try scene.value("select count(*) from tidemark.applied") == "1")
        try scene.session.run("delete from tidemark.pipeline where name = 'slow'")
        try scene.apply("@A", "insert into t values (2, 0)")
        try scene.confirm()
        #expect(try scene.value("select count(*) from tidemark.applied") == "0")
    }

    @Test("an installation of an older version is read as before, and renewed by setup without a new generation")
    func older() throws {
        let scene = try OriginScene(Self.schema, capturesApplied: false)
        try scene.session.run("insert into t values (1, 0)")
        try scene.session.run("drop table tidemark.applied; alter table tidemark.capture drop column applied; alter table tidemark.pipeline drop column captures_applied")
        #expect(try scene.changes(.leftOut) == ["1"])
        try scene.confirm()
        #expect(try scene.administration.recordedRequest(of: "main") == scene.request)
        #expect(try PostgresTarget.prepare(scene.worker, pipeline: "main").marksOrigins == false)
        try scene.administration.installLog()
        _ = try scene.administration.install(scene.request)
        #expect(try scene.value("select count(*) from tidemark.capture") == "1")
        #expect(try scene.administration.planRemoval(of: "main").contains { $0.sql.contains("tidemark.applied") })
        try scene.administration.remove("main")
        #expect(try scene.value("select to_regnamespace('tidemark')") == nil)
    }
}
