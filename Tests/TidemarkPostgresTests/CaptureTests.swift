import PostgresSQL
import Testing
import TidemarkPostgres
import TidemarkTestSupport

@Suite("PostgreSQL capture")
struct CaptureTests {
    @Test("the log is made once, however often it is installed")
    func installTwice() throws {
        let url = try ScratchCluster.shared.database("capture")
        let session = try PostgresSession(url)
        try session.run(PostgresSQL.install)
        let first = try session.query("select id from tidemark.installation")[0, 0]
        try session.run(PostgresSQL.install)
        #expect(try session.query("select id from tidemark.installation")[0, 0] == first)
    }
}
