import Foundation
import PostgresSQL
import Synchronization
import Testing
import TidemarkTestSupport

@testable import TidemarkPostgres

@Suite("Ids of changes", .ownThreads)
struct ChangeIDTests {
    /// With what a SELECT of the sequence says, 60 to 130 of these draws are not above it.
    @Test("no id is said to be drawn before it is, whoever draws meanwhile", .timeLimit(.minutes(2)))
    func lastOne() throws {
        let url = try ScratchCluster.shared.database("source")
        let session = try PostgresSession(url)
        try session.run(PostgresSQL.install)
        #expect(try session.query("select \(ChangeIDs.last)")[0, 0] == "0")
        let isOver = Mutex(false)
        for _ in 0..<3 {
            Thread.detachNewThread {
                guard let session = try? PostgresSession(url) else { return }
                while !isOver.withLock({ $0 }) { _ = try? session.run("select nextval('tidemark.data_changes_id_seq') from generate_series(1, 500)") }
            }
        }
        defer { isOver.withLock { $0 = true } }
        try session.run(
            """
            create function wrong() returns int language plpgsql as $$
            declare
                said bigint;
                wrong int := 0;
            begin
                for draw in 1..100000 loop
                    said := \(ChangeIDs.last);
                    if nextval('tidemark.data_changes_id_seq') <= said then wrong := wrong + 1; end if;
                end loop;
                return wrong;
            end $$
            """)
        #expect(try session.query("select wrong()")[0, 0] == "0")
        #expect(try session.query("select \(ChangeIDs.last) > 100000")[0, 0] == "t")
    }
}
