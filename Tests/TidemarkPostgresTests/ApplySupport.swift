import PostgresSQL
import Testing
import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// A target database with its cursor, and a `PostgresTarget` that is handed pages made by hand.
final class ApplyBench {
    let url: String
    /// A superuser's session, to prepare and to look.
    let session: PostgresSession
    let target: PostgresTarget
    private(set) var cursor: Cursor
    private var tables: [Int32: CapturedTable] = [:]
    private var lastID = Int64(0)

    /// - Parameters:
    ///   - role: applies as a role that is no superuser and may not hold triggers still.
    ///   - grants: what else that role needs, with `$role` for its name.
    init(_ schema: String, asRole: Bool = false, grants: String = "") throws {
        url = try ScratchCluster.shared.database("apply")
        session = try PostgresSession(url)
        try session.run("set search_path = public")
        try session.run(PostgresSQL.target)
        try session.run("set search_path = public")
        try session.run(schema)
        try session.run("insert into tidemark.cursor values ('main', 'source', '0', 'w0', 0, 0)")
        var login = url
        if asRole {
            let role = "applier_\(try session.query("select current_database()")[0, 0] ?? "")"
            try session.run(
                """
                create role \(role) login;
                grant usage on schema public, tidemark to \(role);
                grant select, insert, update, delete, truncate on all tables in schema public, tidemark to \(role);
                """)
            if !grants.isEmpty { try session.run(grants.split(separator: "$role", omittingEmptySubsequences: false).joined(separator: role)) }
            login = url.split(separator: " ").map { $0.hasPrefix("user=") ? "user=\(role)" : String($0) }.joined(separator: " ")
        }
        target = try PostgresTarget(login, pipeline: "main")
        cursor = try target.takeOver(worker: "test")
    }

    /// Registers a table as a source would capture it; `columns` are names, or names and types.
    func capture(
        _ capture: Int32, _ name: String, _ columns: [String], key: [String] = [], encoding: ImageEncoding = .typedText,
        generated: Set<String> = [], conflicts: ConflictRule? = nil
    ) {
        var table = CapturedTable(
            capture: capture, name: TableName(schema: encoding == .typedText ? "public" : nil, name: name),
            columns: columns.map { text in
                let parts = text.split(separator: " ", maxSplits: 1).map(String.init)
                return CapturedColumn(name: parts[0], type: parts.count > 1 ? parts[1] : "", isGenerated: generated.contains(parts[0]))
            }, keyColumns: key, encoding: encoding)
        table.conflicts = conflicts
        tables[capture] = table
    }

    func captured(_ capture: Int32) -> CapturedTable? { tables[capture] }

    /// Applies one window; each argument is a page of changes.
    func apply(_ order: ApplyOrder = .paged, _ pages: [[TestChange]]) throws {
        var waiting: [ChangePage] = []
        for changes in pages {
            var page = ChangePage()
            for change in changes {
                lastID += 1
                page.append(change, id: lastID)
            }
            waiting.append(page)
        }
        try apply(order, pages: waiting)
    }

    func apply(_ order: ApplyOrder = .paged, pages: [ChangePage]) throws {
        var waiting = pages[...]
        let end = Snapshot.change((Int64(cursor.snapshot.description) ?? 0) + 1)
        let window = Window(start: cursor.snapshot, end: end, witness: "w\(end)", afterID: cursor.lastID, throughID: .max)
        cursor = try target.apply(window, tables: tables, moving: cursor, order: order) { waiting.popFirst() }
    }

    /// Applies a window as the pipeline does: where it has to be staged, it is given again.
    func follow(_ pages: [[TestChange]]) throws {
        let before = lastID
        do {
            try apply(.paged, pages)
        } catch let error as TidemarkError where error.retry == .staged {
            lastID = before
            try apply(.staged, pages)
        }
    }

    /// What the error of a window says.
    func refusal(_ order: ApplyOrder = .paged, _ pages: [[TestChange]]) -> TidemarkError? {
        do {
            try apply(order, pages)
            Issue.record("nothing was refused")
            return nil
        } catch {
            #expect(error is TidemarkError, "\(error)")
            return error as? TidemarkError
        }
    }

    /// A table's rows as text, in an order of their own.
    func rows(_ table: String) throws -> [String] {
        let found = try session.query("select r::text from \(table) r order by r::text collate \"C\"")
        return (0..<found.count).map { found[$0, 0] ?? "" }
    }
}

/// A change as a test writes it.
struct TestChange {
    var capture: Int32
    var operation: Operation
    var key: String?
    var image: String?

    /// An upsert.
    static func up(_ capture: Int32, _ key: String, _ image: String) -> TestChange {
        TestChange(capture: capture, operation: .update, key: key, image: image)
    }

    static func gone(_ capture: Int32, _ key: String) -> TestChange {
        TestChange(capture: capture, operation: .delete, key: key, image: nil)
    }

    /// A row of a table without a key.
    static func row(_ capture: Int32, _ image: String) -> TestChange {
        TestChange(capture: capture, operation: .insert, key: nil, image: image)
    }

    static func rowGone(_ capture: Int32, _ image: String) -> TestChange {
        TestChange(capture: capture, operation: .delete, key: nil, image: image)
    }

    static func truncate(_ capture: Int32, leaf: String? = nil) -> TestChange {
        TestChange(
            capture: capture, operation: .truncate, key: nil,
            image: leaf.map { #"{"schema" : "public", "table" : "\#($0)"}"# })
    }
}

extension ChangePage {
    mutating func append(_ change: TestChange, id: Int64) {
        func lend(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Void) {
            guard let text else { return body(nil) }
            Array(text.utf8).withUnsafeBytes { body($0) }
        }
        lend(change.key) { key in
            lend(change.image) { image in
                append(id: id, capture: change.capture, operation: change.operation, key: key, image: image)
            }
        }
    }
}
