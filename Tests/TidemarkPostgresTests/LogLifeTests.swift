import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// The change log does not grow, and nobody waits for that.
@Suite("Life of the log")
struct LogLifeTests {
    private static let idsPerSegment = 1 << 18

    /// A source with one table, whose worker is played by hand.
    private struct Source {
        let url: String
        let session: PostgresSession
        let source: PostgresSource
        var cursor: Cursor

        init() throws {
            url = try ScratchCluster.shared.database("source")
            let administration = try PostgresSourceAdministration(url)
            session = try PostgresSession(url)
            try session.run("create table public.t (id bigint generated always as identity primary key, v text)")
            try administration.installLog()
            cursor = try administration.startCursor(of: "main")
            _ = try administration.install(CaptureRequest(pipeline: "main"))
            source = try PostgresSource(url)
            try source.confirm(cursor, of: "main")
        }

        /// Writes a row, with an id in the segment that lies so many behind the first one.
        func write(inSegment segment: Int, by writer: PostgresSession? = nil) throws {
            let first = segment * LogLifeTests.idsPerSegment
            try session.query(
                "select setval('tidemark.data_changes_id_seq', greatest(last_value, $1)) from tidemark.data_changes_id_seq", [.text(String(first))])
            try (writer ?? session).run("insert into public.t (v) values ('\(segment)')")
        }

        /// - Returns: what the rows hold that were applied.
        @discardableResult
        mutating func follow(confirming: Bool = true) throws -> [String] {
            var found: [String] = []
            for window in try source.windows(after: cursor, taking: TakenTables(TableSelection())) {
                try source.read(window, captures: [1]) { page in
                    for change in page.changes {
                        let image = String(decoding: page.bytes[change.image ?? 0..<0], as: UTF8.self)
                        found.append(image.split(separator: "\"").dropLast().last.map(String.init) ?? "")
                        cursor.lastID = change.id
                    }
                }
                (cursor.snapshot, cursor.witness) = (window.end, window.witness)
            }
            if confirming { try source.confirm(cursor, of: "main") }
            return found
        }

        func rows(inSegment segment: Int) throws -> Int {
            Int(try session.query("select count(*) from tidemark.data_changes_\(segment & 3)")[0, 0] ?? "") ?? -1
        }
    }

    @Test("a segment is emptied once writers have left it and every pipeline has applied it, and leaves no dead rows")
    func emptied() throws {
        var source = try Source()
        for segment in 0...2 { try source.write(inSegment: segment) }
        #expect(try source.follow() == ["0", "1", "2"])
        // Writers are in the third, and have just left the second.
        #expect(try (0...3).map { try source.rows(inSegment: $0) } == [0, 1, 1, 0])
        #expect(try source.session.query("select pg_relation_size('tidemark.data_changes_0')")[0, 0] == "0")
        for segment in 3...40 {
            try source.write(inSegment: segment)
            #expect(try source.follow() == [String(segment)])
            #expect(try (0...3).map { try source.rows(inSegment: $0) }.reduce(0, +) <= 3)
        }
    }

    @Test("A5: a segment stays while one pipeline needs a row of it, or has never confirmed")
    func needed() throws {
        var source = try Source()
        try source.session.run("insert into tidemark.pipeline (name) values ('starting')")
        for segment in 0...4 { try source.write(inSegment: segment) }
        try source.follow()
        #expect(try source.rows(inSegment: 1) == 1)
        try source.session.run("update tidemark.pipeline set snapshot = '1:1:', last_id = 0 where name = 'starting'")
        try source.follow()
        #expect(try source.rows(inSegment: 1) == 1)
        try source.session.run("delete from tidemark.pipeline where name = 'starting'")
        try source.follow()
        #expect(try source.rows(inSegment: 1) == 0)
    }

    @Test("A5: a segment that a transaction still writes to stays, and nobody waits; its late row arrives")
    func openTransaction() throws {
        var source = try Source()
        let late = try PostgresSession(source.url)
        try late.run("begin")
        try source.write(inSegment: 0, by: late)
        for segment in 1...3 { try source.write(inSegment: segment) }
        #expect(try source.follow() == ["1", "2", "3"])
        try late.run("insert into public.t (v) values ('late'); commit")
        #expect(try source.follow(confirming: false) == ["0", "late"])
        #expect(try source.rows(inSegment: 0) == 1)
        try source.follow()
        #expect(try source.rows(inSegment: 0) == 0)
    }

    @Test("a dump that reads the log only postpones it")
    func dump() throws {
        var source = try Source()
        for segment in 0...3 { try source.write(inSegment: segment) }
        let dump = try PostgresSession(source.url)
        try dump.run("begin isolation level repeatable read read only; lock table tidemark.data_changes in access share mode")
        try source.follow()
        #expect(try source.rows(inSegment: 0) == 1)
        #expect(try dump.query("select count(*) from tidemark.data_changes")[0, 0] == "4")
        try dump.run("commit")
        try source.follow()
        #expect(try source.rows(inSegment: 0) == 0)
    }

    @Test("a backlog that went round the ring leaves its segments once it is applied")
    func wrapped() throws {
        var source = try Source()
        for segment in 0...9 { try source.write(inSegment: segment) }
        #expect(try source.follow(confirming: false).count == 10)
        #expect(try (0...3).map { try source.rows(inSegment: $0) } == [3, 3, 2, 2])
        try source.follow()
        try source.follow()
        try source.follow()
        // The last row may lie where writers have just been.
        #expect(try (0...3).map { try source.rows(inSegment: $0) }.reduce(0, +) <= 1)
        try source.write(inSegment: 0)
        #expect(try source.follow() == ["0"])
    }

    @Test("reading a window costs what the window holds, however long the backlog is")
    func windowsAreReadOnce() throws {
        var limits = ReadLimits()
        limits.windowChangesMax = 20_000
        var source = try Source()
        for _ in 0..<12 { try source.session.run("insert into public.t (v) select 'x' from generate_series(1, 20000)") }
        let reader = try PostgresSource(source.url, limits: limits)
        let windows = try reader.windows(after: source.cursor, taking: TakenTables(TableSelection()))
        #expect(windows.count > 6)
        for window in windows { #expect(window.throughID - window.afterID <= 240_000) }
        var last: Int64 = 0
        for window in windows {
            #expect(window.throughID >= last)
            last = window.throughID
        }
        #expect(windows[0].throughID <= 60_000)
        try source.follow()
    }
}
