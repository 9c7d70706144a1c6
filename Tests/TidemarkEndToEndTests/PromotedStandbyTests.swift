import Foundation
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The source's own standby takes its place.
@Suite("A source that was promoted")
struct PromotedStandbyTests {
    private static let account = "create table account (id serial primary key, balance int not null)"

    @Test("a physical standby that has everything is accepted, and noted")
    func accepted() throws {
        let primary = ScratchCluster()
        let replica = try Replica(Self.account, source: primary, target: .shared)
        try replica.onSource.run("insert into account (balance) select i from generate_series(1, 100) i")
        replica.follow()
        let standby = try primary.standby()
        try standby.waitUntilReplayed(from: replica.onSource)
        primary.crash()
        try standby.promote()
        let database = "\(replica.source.split(separator: "=").last ?? "")"
        let onStandby = try PostgresSession(standby.url(database), schema: "public")
        try onStandby.run("insert into account (balance) values (7); delete from account where id <= 10")
        let run = Shell.run(Replica.binary, ["run", "--once", "--source", standby.url(database), "--target", replica.target])
        #expect(run.status == 0 && run.output.contains("promoted from a standby (timeline 1 is now 2)"), "\(run.output)")
        #expect(try Replica.rows("account", replica.onTarget) == Replica.rows("account", onStandby))
    }

    @Test("one that lacks what the target has is refused, with what to do")
    func behind() throws {
        let primary = ScratchCluster()
        let replica = try Replica(Self.account, source: primary, target: .shared)
        let standby = try primary.standby(following: false)
        try replica.onSource.run("insert into account (balance) select i from generate_series(1, 100) i")
        replica.follow()
        primary.crash()
        try standby.promote()
        let database = "\(replica.source.split(separator: "=").last ?? "")"
        let run = Shell.run(Replica.binary, ["run", "--once", "--source", standby.url(database), "--target", replica.target])
        #expect(run.status == 1 && run.output.contains("promoted without it"), "\(run.output)")
        #expect(try replica.onTarget.query("select count(*) from account")[0, 0] == "100")
    }
}
