import PostgresSQL
import TidemarkCore
import TidemarkTestSupport
import Testing

@testable import TidemarkPostgres

/// A source in which nothing of tidemark's is, with a role that may only read, and a target that is set up.
final class PolledBench {
    let (sourceURL, readerURL, targetURL): (String, String, String)
    /// Superusers' sessions, to write and to look.
    let (writer, looker): (PostgresSession, PostgresSession)
    private(set) var source: PostgresPolledSource
    private(set) var target: PostgresPolledTarget
    private let targetLogin: String
    var rules = TableRules()

    /// - Parameters:
    ///   - here: what the target has; nil for the same.
    ///   - asRole: does the target's role lack the right to hold triggers still?
    init(_ schema: String, here: String? = nil, asRole: Bool = false) throws {
        sourceURL = try ScratchCluster.shared.database("polled")
        targetURL = try ScratchCluster.shared.database("polled")
        (writer, looker) = (try Self.connect(sourceURL), try Self.connect(targetURL))
        try writer.run(schema)
        try looker.run(PostgresSQL.target)
        try looker.run("set search_path = public")
        if here != "" { try looker.run(here ?? schema) }
        try looker.run("insert into tidemark.cursor values ('main', 'source', '0', 'w0', 0, 7, 'worker')")
        let reader = "reader_\(try writer.query("select current_database()")[0, 0] ?? "")"
        // Everything that a database and a role can do to change how values are written.
        try writer.run(
            """
            create role \(reader) login;
            do $$ begin execute format('alter database %I set datestyle = ''SQL, DMY''', current_database()); end $$;
            alter role \(reader) set default_transaction_read_only = on;
            alter role \(reader) set intervalstyle = 'sql_standard'; alter role \(reader) set timezone = 'Asia/Kolkata';
            alter role \(reader) set bytea_output = 'escape'; alter role \(reader) set extra_float_digits = -15;
            alter role \(reader) set lc_monetary = 'C'; alter role \(reader) set search_path = public;
            do $$ declare s text; begin for s in select nspname from pg_namespace where nspname !~ '^pg_' and nspname <> 'information_schema' loop
                execute format('grant usage on schema %I to \(reader)', s); execute format('grant select on all tables in schema %I to \(reader)', s);
            end loop; end $$
            """)
        readerURL = sourceURL.replacing("user=postgres", with: "user=\(reader)")
        var login = targetURL
        if asRole {
            let role = "writer_\(try looker.query("select current_database()")[0, 0] ?? "")"
            try looker.run(
                """
                create role \(role) login; grant usage on schema public, tidemark to \(role);
                grant select, insert, update, delete on all tables in schema public, tidemark to \(role)
                """)
            login = login.replacing("user=postgres", with: "user=\(role)")
        }
        targetLogin = login
        source = try PostgresPolledSource(readerURL)
        target = try PostgresPolledTarget(login, pipeline: "main")
    }

    static func connect(_ url: String) throws -> PostgresSession {
        let session = try PostgresSession(url)
        try session.run("set search_path = public; set timezone = 'UTC'")
        return session
    }

    func reconnect() throws {
        source = try PostgresPolledSource(readerURL)
        target = try PostgresPolledTarget(targetLogin, pipeline: "main")
    }

    func table(_ name: String = "t") throws -> CapturedTable {
        try #require(try source.tables(TableSelection(), rules).first { $0.name.name == name })
    }

    static func rows(_ table: String, in session: PostgresSession, _ columns: String = "r") throws -> [String] {
        let found = try session.query("select (\(columns))::text from public.\(table) r order by (\(columns))::text collate \"C\"")
        return (0..<found.count).map { found[$0, 0] ?? "" }
    }

    func expectEqual(_ table: String = "t", _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try Self.rows(table, in: looker) == Self.rows(table, in: writer), comment, sourceLocation: sourceLocation)
    }

    func unit(_ table: CapturedTable, _ mode: SyncMode) throws -> SyncUnit {
        try target.units().first { $0.table == table.name } ?? SyncUnit(table.name, mode)
    }

    // MARK: As a worker does it

    /// The whole table in one transaction.
    @discardableResult
    func full(_ table: CapturedTable, epoch: Int64 = 7) throws -> SyncUnit {
        var unit = SyncUnit(table.name, .full)
        unit.state = .running
        try source.hold([table.name])
        defer { source.release() }
        var pages: [ChangePage] = []
        try source.read(TablePart(table)) { pages.append($0) }
        unit.state = .done
        return try target.replace(unit, of: table, epoch: epoch) { pages.isEmpty ? nil : pages.removeFirst() }
    }

    /// One pass, in batches of a few rows.
    /// - Parameter between: what happens between any two steps.
    @discardableResult
    func pass(_ table: CapturedTable, _ reading: IncrementalReading, batch: Int = 3, between: () throws -> Void = {}) throws -> SyncUnit {
        var unit = try unit(table, .incremental)
        unit.state = .running
        (unit.rowsDone, unit.rowsWritten, unit.rowsDeleted) = (0, 0, 0)
        let isPast = try unit.nextMarkHorizon.map { try source.isPast($0) } ?? false
        try between()
        let reach = try source.reach(of: table, by: reading)
        try between()
        guard let end = reach.mark else { return unit }
        try source.hold([table.name])
        try between()
        var rows: [ChangePage] = []
        try source.read(table, by: reading, after: unit.mark, through: end) { rows += $0.batches(of: batch) }
        source.release()
        for page in rows {
            try between()
            var waiting: ChangePage? = page
            unit = try target.apply(unit, of: table, epoch: 7) {
                defer { waiting = nil }
                return waiting
            }
        }
        if isPast { (unit.mark, unit.nextMark, unit.nextMarkHorizon) = (unit.nextMark, nil, nil) }
        if reach.horizon == nil {
            (unit.mark, unit.nextMark, unit.nextMarkHorizon) = (end, nil, nil)
        } else if unit.nextMark == nil {
            (unit.nextMark, unit.nextMarkHorizon) = (end, reach.horizon)
        }
        unit.state = .done
        try target.save(unit, epoch: 7)
        return unit
    }

    /// Deletes what the source no longer has, range by range.
    @discardableResult
    func deletes(_ table: CapturedTable, rows: Int = 4, between: () throws -> Void = {}) throws -> SyncUnit {
        var unit = try unit(table, .incremental)
        #expect(try source.keyOrder(of: table) == target.keyOrder(of: table))
        var part = TablePart(table)
        repeat {
            part.through = try target.key(in: part, afterRows: rows)
            try between()
            var pages: [ChangePage] = []
            try source.keys(of: part) { pages.append($0) }
            try between()
            unit = try target.deleteOthers(unit, in: part, epoch: 7) { pages.isEmpty ? nil : pages.removeFirst() }
            (part.after, part.through) = (part.through, nil)
        } while part.after != nil
        return unit
    }
}

extension ChangePage {
    /// The same changes in pages of a few.
    func batches(of count: Int) -> [ChangePage] {
        stride(from: 0, to: changes.count, by: count).map { start in
            var page = ChangePage()
            for index in start..<Swift.min(start + count, changes.count) { page.take(index, from: self) }
            return page
        }
    }

    func texts(_ part: (Change) -> Range<Int>?) -> [String] {
        changes.compactMap { part($0).map { String(decoding: bytes[$0], as: UTF8.self) } }
    }
}
