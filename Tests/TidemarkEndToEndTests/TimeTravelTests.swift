import Foundation
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// What a bad deployment did, and how it is undone on the replica, as an operator types it.
@Suite("Time travel, as it is typed")
struct TimeTravelCommandTests {
    @Test("a bad deployment: what it did, the plan, back, and forward again")
    func badDeployment() throws {
        let replica = try Replica("")
        for session in [replica.onSource, replica.onTarget] {
            try session.run("create table orders (id int primary key, status text, total numeric(9,2)); create table note (body text)")
        }
        let setup = replica.tidemark("setup", "--image", "both", "--retain", "24h")
        #expect(setup.status == 0, "\(setup.output)")
        try replica.onSource.run("insert into orders select i, 'paid', i from generate_series(1, 50) i; insert into note values ('a'), ('a')")
        #expect(replica.tidemark("run", "--once", "--no-copy").status == 0)
        let good = try Replica.rows("orders", replica.onTarget)
        let place = try #require(try replica.onSource.query("select to_char(max(written_at) at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US') from tidemark.tick")[0, 0])
        try replica.onSource.run("update orders set status = 'void' where id <= 30; delete from orders where id > 45; delete from note")
        replica.follow()

        let difference = Shell.run(Replica.binary, ["diff-since", place, "--limit", "2", "--source", replica.source])
        #expect(difference.status == 0, "\(difference.output)")
        #expect(difference.output.contains("table public.orders: 0 inserted, 30 updated, 5 deleted"), "\(difference.output)")
        #expect(difference.output.contains(#"updated {"id":1}  status: "paid" → "void""#) && difference.output.contains("and 33 more"), "\(difference.output)")
        let json = Shell.run(Replica.binary, ["diff-since", place, "--table", "public.note", "--json", "--source", replica.source])
        #expect(json.output.contains(#""deleted" : 2"#) && !json.output.contains("orders"), "\(json.output)")

        let plan = replica.tidemark("rewind", "--to", place, "--plan")
        #expect(plan.status == 0 && plan.output.contains("nothing was changed") && plan.output.contains("update tidemark.cursor"), "\(plan.output)")
        try replica.expectEqual("orders", "note")

        let rewind = replica.tidemark("rewind", "--to", place)
        #expect(rewind.status == 0 && rewind.output.contains("37 rows were put back"), "\(rewind.output)")
        #expect(try Replica.rows("orders", replica.onTarget) == good)
        #expect(try replica.onTarget.query("select hold from tidemark.cursor")[0, 0] == "paused")
        let again = replica.tidemark("rewind", "--to", "999999999")
        #expect(again.status == 1 && again.output.contains("not behind the target"), "\(again.output)")
        let tooFar = replica.tidemark("rewind", "--to", "2001-01-01 00:00:00")
        #expect(tooFar.status == 1 && tooFar.output.contains("oldest place"), "\(tooFar.output)")

        #expect(replica.tidemark("resume").status == 0)
        replica.follow()
        try replica.expectEqual("orders", "note")
        #expect(Shell.run(Replica.binary, ["rewind", "--to", "soon", "--source", replica.source, "--target", replica.target]).status == 64)
    }
}
