import TidemarkCore
import TidemarkTestSupport

@testable import TidemarkPostgres

/// A source that is a target, too, with a session that writes to it as a worker does.
final class OriginScene {
    let url: String
    /// An application's session.
    let session: PostgresSession
    let worker: PostgresSession
    let administration: PostgresSourceAdministration
    var request: CaptureRequest
    private let source: PostgresSource
    private var cursor: Cursor
    private var captures: [Int32] = []

    init(_ schema: String, kind: CaptureKind = .auto, images: CapturedImages = .new, capturesApplied: Bool = true) throws {
        url = try ScratchCluster.shared.database("origins")
        session = try PostgresSession(url)
        try session.run("set search_path = public")
        try session.run(schema)
        worker = try PostgresSession(url)
        try worker.run("set search_path = public; set session_replication_role = replica; set tidemark.applying = '1'")
        administration = try PostgresSourceAdministration(url)
        try administration.installLog()
        request = CaptureRequest(pipeline: "main", kind: kind)
        (request.images, request.capturesApplied) = (images, capturesApplied)
        cursor = try administration.startCursor(of: "main")
        _ = try administration.install(request)
        source = try PostgresSource(url)
        _ = try source.selection(of: "main")
        captures = try source.capturedTables().map(\.capture)
    }

    func value(_ sql: String) throws -> String? { try session.query(sql)[0, 0] }

    /// One transaction of a worker's; `@origin` among the statements marks what follows.
    func apply(_ statements: String...) throws {
        try worker.run("begin")
        for statement in statements {
            let isMark = statement.hasPrefix("@")
            try worker.run(isMark ? "select tidemark.mark_applied('\(statement.dropFirst())')" : statement)
        }
        try worker.run("commit")
    }

    /// Everything since the beginning.
    func pages(_ applied: AppliedChanges, keepingBefores: Bool = false) throws -> [ChangePage] {
        try source.follow(applied)
        try source.keepBefore(of: keepingBefores ? Set(captures) : [])
        var pages: [ChangePage] = []
        for window in try source.windows(after: cursor, taking: TakenTables(TableSelection())) {
            try source.read(window, captures: captures) { pages.append($0) }
        }
        return pages
    }

    /// Each change as: key, origin if it has one.
    func changes(_ applied: AppliedChanges) throws -> [String] { try pages(applied).flatMap { page in page.lines { _ in [] } } }

    func confirm() throws {
        guard let last = try source.windows(after: cursor, taking: TakenTables(TableSelection())).last else { return }
        cursor = cursor.moved(over: last)
        try source.confirm(cursor, of: "main")
    }
}

extension ChangePage {
    func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: bytes[$0], as: UTF8.self) } }

    /// The number in the key of each change, more of it, and its origin.
    func lines(_ more: (Int) -> [String]) -> [String] {
        changes.indices.map { index in
            let key = (text(changes[index].key) ?? "").filter(\.isNumber)
            return ([key] + more(index) + [origin(index)].compactMap(\.self)).joined(separator: " ")
        }
    }
}
