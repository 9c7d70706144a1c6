import Foundation
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// A transaction that is set aside, as an operator meets it.
@Suite("Parked changes, as they are typed")
struct ParkedCommandTests {
    @Test("set aside, listed, shown, retried in vain, retried, skipped")
    func settled() throws {
        let replica = try Replica("create table account (id int primary key, owner text)")
        try replica.onTarget.run("create unique index one_owner on account (owner)")
        #expect(replica.tidemark("parked", "list").output.contains("nothing is parked"))
        for id in 1...2 { try replica.onSource.run("insert into account values (\(id), 'a')") }
        try replica.onSource.run("insert into account values (3, 'c')")
        let stopped = replica.tidemark("run", "--once")
        #expect(stopped.status == 1 && stopped.output.contains("unique value"), "\(stopped.output)")
        let run = replica.tidemark("run", "--once", "--on-failure", "set-aside")
        #expect(run.status == 0 && run.output.contains("set aside transaction"), "\(run.output)")
        #expect(try Replica.rows("account", replica.onTarget) == "(1,a)\n(3,c)")

        let status = replica.tidemark("status")
        #expect(status.status == 0 && status.output.contains("SET ASIDE") && status.output.contains("NOT EXACT"), "\(status.output)")
        #expect(replica.tidemark("status", "--json").output.contains("\"parkedTransactions\" : 1"))
        let list = replica.tidemark("parked", "list")
        #expect(list.status == 0 && list.output.contains("parked 1") && list.output.contains("unique value"), "\(list.output)")
        #expect(replica.tidemark("parked", "list", "--json").output.contains("\"reason\""))
        let shown = replica.tidemark("parked", "show", "1")
        #expect(shown.status == 0 && shown.output.contains("target  no such row") && shown.output.contains("\"owner\""), "\(shown.output)")
        let early = replica.tidemark("parked", "retry", "1")
        #expect(early.status == 1 && early.output.contains("Nothing was changed"), "\(early.output)")
        let wrong = replica.tidemark("parked", "retry", "99")
        #expect(wrong.status == 1 && wrong.output.contains("no such parked transaction"), "\(wrong.output)")
        #expect(replica.tidemark("parked", "show", "99").status == 1)
        #expect(replica.tidemark("parked", "retry").status == 64)
        #expect(replica.tidemark("parked", "skip", "1", "--all").status == 64)

        try replica.onTarget.run("drop index one_owner")
        let retry = replica.tidemark("parked", "retry", "1")
        #expect(retry.status == 0 && retry.output.contains("retried 1: 1 change in public.account"), "\(retry.output)")
        try replica.expectEqual("account")

        try replica.onTarget.run("create unique index one_id on account ((id % 10))")
        try replica.onSource.run("insert into account values (11, 'k')")
        #expect(Shell.run("/usr/bin/env", ["TIDEMARK_ON_FAILURE=set-aside", Replica.binary, "run", "--once", "--source", replica.source, "--target", replica.target]).status == 0)
        let skip = replica.tidemark("parked", "skip", "--all", "--json")
        #expect(skip.status == 0 && skip.output.contains("\"skipped\""), "\(skip.output)")
        let audit = replica.tidemark("parked", "list", "--audit")
        #expect(audit.output.components(separatedBy: "\n").filter { $0.contains("public.account") }.count == 4, "\(audit.output)")
        #expect(replica.tidemark("status").output.contains("verify --repair"))
        try replica.onTarget.run("drop index one_id")
        #expect(replica.tidemark("verify", "--repair").status == 0)
        #expect(!replica.tidemark("status").output.contains("NOT EXACT"))
        try replica.expectEqual("account")
        let teardown = replica.tidemark("teardown")
        #expect(teardown.status == 0, "\(teardown.output)")
        #expect(try replica.onTarget.query("select to_regnamespace('tidemark')")[0, 0] == nil)
    }
}
