import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// Random histories of several sessions, all isolation levels: the log, replayed, gives the table.
@Suite("PostgreSQL capture: random histories")
struct CaptureHistoryTests {
    @Test("replay equals the table, whatever the sessions do", arguments: ["statement", "row", "whole", "deferrable"], 1...3)
    func randomHistory(form: String, seed: Int) throws {
        let key = switch form { case "whole": ""; case "deferrable": "primary key deferrable initially deferred"; default: "primary key" }
        let scene = try CaptureScene(
            """
            create table t (id int \(key), v int);
            create function nest(i int) returns int language plpgsql volatile as $$begin
                if i % 3 = 0 then update t set v = v + 7 where id = i % 5; elsif i % 7 = 0 then delete from t where id = i % 4; end if; return i; end$$;
            create function touch() returns trigger language plpgsql as $$begin
                if pg_trigger_depth() < 2 and new.v % 11 = 0 then update t set v = v + 1 where id = new.id; end if; return null; end$$;
            """, attached: "t", kind: form == "statement" ? "statement" : form == "row" ? "row" : "auto")
        try scene.run("create trigger a_touch after insert or update on t for each row execute function touch()")
        let sessions = try (0..<3).map { _ in try scene.connect() }
        for session in sessions { try session.run("set lock_timeout = '5ms'; set deadlock_timeout = '2ms'") }
        var random = SplitMix(state: UInt64(seed))
        var committed = 0
        var open = [Bool](repeating: false, count: sessions.count)
        for _ in 0..<160 {
            let one = random.below(sessions.count)
            let session = sessions[one]
            if !open[one] {
                try session.run("begin isolation level " + ["read committed", "repeatable read", "serializable"][random.below(3)])
                open[one] = true
            }
            do {
                switch random.below(6) {
                case 0: try session.run("commit"); open[one] = false; committed += 1
                case 1 where random.below(3) == 0: try session.run("rollback"); open[one] = false
                default: try session.run(Self.statement(&random, keyed: form != "whole" && form != "deferrable"))
                }
            } catch {
                try session.run("rollback")
                open[one] = false
            }
        }
        for (one, session) in sessions.enumerated() where open[one] { session.attempt("commit") }
        #expect(committed > 5)
        try scene.expectReplay("t")
    }

    private static func statement(_ random: inout SplitMix, keyed: Bool) -> String {
        let (k, v) = (random.below(9), random.below(99))
        let plain = [
            "insert into t values (\(k), \(v))", "update t set v = \(v) where id = \(k)", "update t set id = \(k) where id = \(v % 9)",
            "delete from t where id = \(k)", "update t set v = nest(v) where id < \(k)", "insert into t select nest(\(k)), \(v)",
            "with d as (delete from t where id < \(k) returning *) insert into t select id, v + 1 from d where id > 1",
            "with d as (update t set id = id + 10 where id = \(k) returning *) insert into t select id - 10, v from d limit 1",
            "savepoint s; update t set v = v + 1; rollback to s; update t set v = \(v) where id = \(k)",
            "savepoint s; insert into t values (\(k), \(v)); release s; delete from t where id = \(v % 9)",
            "insert into t select 100 + g, g from generate_series(1, \(v * 3)) g", "update t set v = v + 1 where id > 90", "delete from t where id > 90",
            "delete from t where ctid = (select min(ctid) from t)", "update t set id = id + 1 where id = (select max(id) from t)",
            "merge into t using (values (\(k), \(v)), (\(k + 1), \(v))) s (a, b) on t.id = s.a when matched and b > 50 then delete when matched then update set v = b when not matched then insert values (a, b)",
        ]
        let upserts = [
            "insert into t values (\(k), \(v)) on conflict (id) do update set v = excluded.v", "insert into t values (\(k), \(v)) on conflict do nothing",
        ]
        let all = keyed ? plain + upserts : plain
        return v == 0 ? "truncate t" : all[random.below(all.count)]
    }
}

/// A small generator whose sequence a seed fixes.
struct SplitMix {
    var state: UInt64

    mutating func below(_ bound: Int) -> Int {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return Int((z ^ (z >> 31)) % UInt64(bound))
    }
}
