import Foundation
import Synchronization
import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

@Suite("Rows held")
struct HeldRowsTests {
    @Test("A7: a TRUNCATE that is under way is waited for, and then seen")
    func truncateUnderWay() throws {
        let url = try ScratchCluster.shared.database("source")
        let administration = try PostgresSourceAdministration(url)
        try administration.session.run("create table public.t (id int primary key); insert into public.t select generate_series(1, 100)")
        _ = try administration.install({ try administration.installLog(); return CaptureRequest(pipeline: "main") }())
        let source = try PostgresRowSource(url)
        for round in 0..<3 {
            let other = try PostgresSession(url)
            try other.run("begin; truncate public.t")
            let counted = Mutex<Int64?>(nil)
            let ended = DispatchSemaphore(value: 0)
            nonisolated(unsafe) let holder = source
            Thread.detachNewThread {
                let rows = try? {
                    let position = try holder.hold([TableName(schema: "public", name: "t")])
                    let table = try #require(position.tables.first)
                    defer { holder.release() }
                    return try holder.digests(of: TablePart(table), buckets: 1).values.reduce(0) { $0 + $1.rows }
                }()
                counted.withLock { $0 = rows }
                ended.signal()
            }
            let deadline = Date().addingTimeInterval(30)
            while try administration.session.query("select from pg_locks where not granted").count == 0, Date() < deadline {}
            try other.run("insert into public.t values (\(round)); commit")
            ended.wait()
            #expect(counted.withLock { $0 } == 1)
        }
    }

    @Test("who waits to alter a held table is seen, and the wait for a table is bounded")
    func inTheWay() throws {
        let url = try ScratchCluster.shared.database("source")
        let session = try PostgresSession(url)
        try session.run("create table public.t (id int primary key)")
        try PostgresSourceAdministration(url).installLog()
        let source = try PostgresRowSource(url)
        _ = try source.hold([TableName(schema: "public", name: "t")])
        #expect(try !source.isInTheWay())
        let other = try PostgresSession(url)
        let ended = DispatchSemaphore(value: 0)
        nonisolated(unsafe) let altering = other
        Thread.detachNewThread {
            _ = try? altering.run("alter table public.t add column v int")
            ended.signal()
        }
        let deadline = Date().addingTimeInterval(30)
        while try !source.isInTheWay(), Date() < deadline {}
        #expect(try source.isInTheWay())
        source.release()
        ended.wait()
        #expect(try session.query("select from pg_attribute where attrelid = 'public.t'::regclass and attname = 'v'").count == 1)
    }
}
