import PostgresSQL
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Conflicts: what is written")
struct ConflictWritingTests {
    private static func row(_ v: String, _ at: Int, id: Int = 1) -> String { SharedChange.row(v, at, id: id) }
    private static let unique = "create table t (id int primary key, v text unique, at int)"

    private static func insertion(_ v: String, _ at: Int, id: Int) -> SharedChange { .from(nil, to: row(v, at, id: id), key: #"{"id":\#(id)}"#) }

    @Test("of rows with one unique value the greatest version stays, and the others are deleted and kept", arguments: [
        unique, "create table t (id int primary key, v text, at int); create unique index on t (lower(v)) where v <> ''",
    ])
    func uniqueClash(schema: String) throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")), schema)
        try shared.write("insert into t values (1, 'a', 5), (2, 'b', 5), (3, 'c', 5), (4, 'free', 1)")
        try shared.apply(.paged, Self.insertion("a", 4, id: 11), Self.insertion("b", 6, id: 12), Self.insertion("d", 1, id: 13))
        #expect(try shared.rows == ["(1,a,5)", "(12,b,6)", "(13,d,1)", "(3,c,5)", "(4,free,1)"])
        #expect(try shared.kinds == ["unique target", "unique source"])
        let found = try shared.conflicts
        #expect(found.map(\.key) == [#"{"id":11}"#, #"{"id":2}"#] && found.allSatisfy { $0.outcome == nil })
        #expect(found.map(\.source) == [Self.row("a", 4, id: 11), Self.row("b", 6, id: 12)])
        #expect(found.map(\.target) == [Self.row("a", 5, id: 1), Self.row("b", 5, id: 2)])
        #expect(try shared.tombstones == [#"{"id":11} \#(Self.row("a", 4, id: 11))"#, #"{"id":2} \#(Self.row("b", 5, id: 2))"#])
    }

    @Test("the side that wins wins unique values, too, and stop stops at them", arguments: [ConflictRule(.sourceWins), ConflictRule(.targetWins), ConflictRule(.stop)])
    func uniqueSides(rule: ConflictRule) throws {
        let shared = try SharedBench(rule, Self.unique)
        try shared.write("insert into t values (1, 'a', 5)")
        guard rule.strategy != .stop else {
            #expect(shared.refusal(Self.insertion("a", 1, id: 2))?.why.contains("unique") == true)
            return
        }
        try shared.apply(.paged, Self.insertion("a", 1, id: 2))
        #expect(try shared.rows == [rule.strategy == .sourceWins ? "(2,a,1)" : "(1,a,5)"])
    }

    @Test("rows that swap unique values, identities and generated columns are written", arguments: [ApplyOrder.paged, .staged])
    func shapes(order: ApplyOrder) throws {
        let shared = try SharedBench(
            ConflictRule(.lastWriteWins(by: "at")),
            """
            create table t (id int generated always as identity primary key, v text unique, at int, twice int generated always as (at * 2) stored,
              own int generated always as identity)
            """)
        try shared.write("insert into t (v, at) values ('a', 1), ('b', 1)")
        try shared.apply(
            order, .from(Self.row("a", 1), to: Self.row("b", 2)), .from(Self.row("b", 1, id: 2), to: Self.row("a", 2, id: 2), key: #"{"id":2}"#),
            Self.insertion("c", 2, id: 3))
        #expect(try shared.bench.rows("(select id, v, at, twice from t)") == ["(1,b,2,4)", "(2,a,2,4)", "(3,c,2,4)"])
        #expect(try shared.conflicts.isEmpty)
    }

    /// What another session does while the window is applied, and the rows then.
    static let races: [(sql: String, change: SharedChange, rows: [String], again: Bool)] = [
        ("update t set v = 'other', at = 9 where id = 1", .from(row("a", 1), to: row("s", 2)), ["(1,other,9)"], false),
        ("delete from t where id = 1", .from(row("a", 1), to: row("s", 2)), ["(1,s,2)"], false),
        ("insert into t values (2, 'other', 9)", insertion("s", 2, id: 2), ["(1,a,1)", "(2,other,9)"], true),
        ("insert into t values (3, 's', 9)", insertion("s", 2, id: 2), ["(1,a,1)", "(3,s,9)"], true),
    ]

    @Test("a row that another session writes meanwhile is compared as that has left it", .ownThreads, arguments: 0..<4)
    func races(place: Int) async throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")), Self.unique)
        try shared.write("insert into t values (1, 'a', 1)")
        let race = Self.races[place]
        let other = try PostgresSession(shared.bench.url)
        try other.run("set search_path = public; begin; \(race.sql)")
        let pid = try shared.bench.target.session.query("select pg_backend_pid()")[0, 0] ?? ""
        let committed = OpenTransaction(session: other).commit(onceWaiting: pid, at: shared.bench.url)
        do {
            try shared.apply(.paged, race.change)
            #expect(!race.again)
        } catch let error as TidemarkError {
            #expect(race.again && error.retry == .later, "\(error)")
            try shared.apply(.paged, race.change)
        }
        await committed.value
        #expect(try shared.rows == race.rows)
        #expect(try shared.conflicts.count == 1)
    }

    @Test("an image is put back by an ordinary write, which triggers see, and the record says by whom")
    func restoring() throws {
        let shared = try SharedBench(
            ConflictRule(.lastWriteWins(by: "at")),
            """
            create table t (id int primary key, v text, at int, own text default 'kept');
            create table seen (v text);
            create function see() returns trigger language plpgsql as $$
            begin insert into public.seen values (TG_OP || coalesce(current_setting('tidemark.applying', true), '')); return null; end $$;
            create trigger see after insert or update or delete on t for each row execute function see()
            """)
        try shared.write("insert into t values (1, 't', 3); truncate seen")
        try shared.apply(.paged, .from(Self.row("b", 1), to: Self.row("s", 2)), .from(Self.row("b", 3, id: 2), to: Self.row("s", 4, id: 2), key: #"{"id":2}"#))
        let found = try shared.conflicts
        #expect(found.map(\.kind) == [.updateUpdate, .updateDelete])
        // A session that has checked holds triggers still.
        _ = try shared.administration.checkConflicts(in: [#require(shared.bench.captured(1))])
        try shared.administration.restore(.source, of: found[0], by: "ann")
        #expect(try shared.rows == ["(1,s,2,kept)", "(2,s,4,kept)"])
        try shared.administration.restore(.target, of: found[1], by: "ann")
        try shared.write("delete from t")
        try shared.administration.restore(.before, of: found[0], by: "bob")
        #expect(try shared.rows == ["(1,b,1,kept)"])
        #expect(try shared.bench.rows("seen") == ["(DELETE)", "(DELETE)", "(INSERT)", "(UPDATE)"])
        let now = try #require(try shared.administration.conflict(found[0].id, of: "main"))
        #expect(now.restoredBy == "bob" && now.restoredAt != nil)
        #expect(try shared.tombstones.count == 2)
        try shared.write("create unique index on t (v); insert into t values (7, 's', 1)")
        #expect { try shared.administration.restore(.source, of: found[0], by: "ann") } throws: { error in
            (error as? TidemarkError)?.remedy.contains("Change or delete that row") == true && !"\(error)".contains("(s)")
        }
        #expect(try shared.rows.count == 2)
    }

    @Test("images of SQLite are compared as the target writes them, and what the row was before, too")
    func storageClasses() throws {
        let shared = try SharedBench(
            ConflictRule(.targetWins), "create table t (id bigint primary key, v text, at double precision)", encoding: .storageClasses)
        func row(_ v: String, _ at: String) -> String { #"{"id":1,"v":\#(v),"at":\#(at)}"# }
        let umlaut = #"{"t":"C3A4"}"#
        try shared.apply(.paged, .from(nil, to: row(umlaut, "1.00000000000000000000e+00")))
        try shared.apply(.paged, .from(row(umlaut, "1.00000000000000000000e+00"), to: row(#""b""#, "1.50000000000000000000e+00")))
        #expect(try shared.rows == ["(1,b,1.5)"] && shared.conflicts.isEmpty)
        let error = shared.refusal(.from(row(#"{"x":"00"}"#, "2.00000000000000000000e+00"), to: row(#""c""#, "2.00000000000000000000e+00")))
        #expect(error?.why.contains(#""v""#) == true && error?.key == #"{"id":1}"#)
    }

    @Test("a row that went for another one's unique value is logged as deleted here, where the table is captured")
    func passedOn() throws {
        let shared = try SharedBench(ConflictRule(.lastWriteWins(by: "at")), Self.unique)
        try shared.bench.session.run(PostgresSQL.install)
        try shared.write("set search_path = public; insert into t values (1, 'a', 5)")
        try shared.bench.session.query("select tidemark.attach('t'::regclass, 'auto', false, 'both')")
        try shared.apply(.paged, Self.insertion("a", 6, id: 2))
        let logged = try shared.bench.session.query("select operation, key, before from tidemark.data_changes")
        #expect(logged.count == 1 && logged[0, 0] == "D" && logged[0, 1] == #"{"id":1}"# && logged[0, 2] == Self.row("a", 5, id: 1))
    }
}

/// Another session's transaction; one thread at a time has it.
private struct OpenTransaction: @unchecked Sendable {
    let session: PostgresSession

    /// Commits as soon as the session with that process waits for a lock.
    func commit(onceWaiting pid: String, at url: String) -> Task<Void, Never> {
        Task(executorPreference: OwnThreads.threads) {
            do {
                let session = try PostgresSession(url)
                while try session.query("select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock'", [.text(pid)]).count == 0 {}
                try self.session.run("commit")
            } catch {
                Issue.record("\(error)")
            }
        }
    }
}
