import Foundation
import PostgresSQL
import Testing
import TidemarkPostgres
import TidemarkTestSupport

/// A database with capture installed, tables of its own and a session that writes to them.
struct CaptureScene {
    let url: String
    let session: PostgresSession

    /// - Parameters:
    ///   - schema: runs before anything is captured.
    ///   - attached: the tables to capture.
    init(_ schema: String, attached tables: String..., kind: String = "auto") throws {
        let name = "capture_\(UUID().uuidString)"
        let template = try Self.template.get()
        try PostgresSession(ScratchCluster.shared.url("postgres")).run("create database \"\(name)\" template \(template)")
        url = ScratchCluster.shared.url(name)
        session = try Self.connect(url)
        try session.run(schema)
        for table in tables { try attach(table, kind: kind) }
    }

    /// The name of a database with capture installed and no tables, which the scenes are copies of.
    private static let template = Result {
        let url = try ScratchCluster.shared.database("capture_template")
        let session = try PostgresSession(url)
        try session.run(PostgresSQL.install)
        try session.run(CaptureReplay.sql)
        return try session.query("select current_database()")[0, 0] ?? ""
    }

    /// Sessions write as an application does: row security on, schema public first.
    static func connect(_ url: String) throws -> PostgresSession {
        let session = try PostgresSession(url)
        try session.run("set search_path = public; set row_security = on; set client_min_messages = error")
        return session
    }

    func connect() throws -> PostgresSession { try Self.connect(url) }

    /// Connects as another role of the same database.
    func connect(as role: String) throws -> PostgresSession {
        try Self.connect(url.replacing("user=postgres", with: "user=\(role)"))
    }

    func run(_ sql: String) throws { try session.run(sql) }

    func value(_ sql: String) throws -> String? { try session.query(sql)[0, 0] }

    func attach(_ table: String, kind: String? = nil) throws {
        try session.query("select tidemark.attach($1::regclass\(kind.map { ", '\($0)'" } ?? ""))", [.text(table)])
    }

    /// What was logged for a table, one change a line: operation, key, image.
    func log(_ table: String) throws -> [String] {
        let rows = try session.query(
            """
            select concat_ws(' ', d.operation, d.key, d.image) from tidemark.data_changes d
            where d.capture in (select c.id from tidemark.capture c where c.relation = $1::regclass) order by d.id
            """, [.text(table)])
        return (0..<rows.count).map { rows[$0, 0] ?? "" }
    }

    /// The log of each table, applied, gives the table.
    func expectReplay(_ tables: String..., sourceLocation: SourceLocation = #_sourceLocation) throws {
        for table in tables {
            let difference = try session.query("select replay.difference($1::regclass)", [.text(table)])[0, 0]
            #expect(difference == nil, "\(table): \(difference ?? "")", sourceLocation: sourceLocation)
        }
    }

    /// What `foreign_changes` says about a table, nil if nothing.
    func foreignChange() throws -> String? {
        let rows = try session.query("select reason from tidemark.foreign_changes()")
        return rows.count == 0 ? nil : rows[0, 0]
    }

    /// The SQLSTATE with which a statement fails, nil if it does not.
    static func failure(of sql: String, in session: PostgresSession) -> String? {
        do { try session.run(sql); return nil } catch { return error.sqlState }
    }
}

extension PostgresSession {
    /// Runs a transaction that is rolled back where a statement of it fails.
    func attempt(_ sql: String) {
        do { try run(sql) } catch { _ = try? run("rollback") }
    }
}
