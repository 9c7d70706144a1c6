import Foundation
import TidemarkCore

@testable import TidemarkSQLite

/// Two files in a directory of their own, set up as one pipeline.
final class Replica {
    let directory: URL
    let sourcePath: String
    let targetPath: String
    /// The application's connection to the source, and one that looks into the target.
    let source: SQLiteDatabase
    let target: SQLiteDatabase
    var limits = SQLiteSourceLimits()
    var rules = TableRules()
    private var reader: SQLiteSource?
    private var writer: SQLiteTarget?
    private(set) var cursor: Cursor?

    /// - Parameter targetSchema: the source's if not given.
    init(_ schema: String, target targetSchema: String? = nil, setUp: Bool = true) throws {
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        sourcePath = directory.appendingPathComponent("source.db").path
        targetPath = directory.appendingPathComponent("target.db").path
        source = try SQLiteDatabase(path: sourcePath, mode: .create)
        target = try SQLiteDatabase(path: targetPath, mode: .create)
        try source.execute(schema)
        try target.execute(targetSchema ?? schema)
        if setUp { try self.setUp() }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    func setUp(_ pipeline: String = "main") throws {
        let from = try SQLiteSourceAdministration(path: sourcePath)
        let to = try SQLiteTargetAdministration(path: targetPath)
        try to.install()
        try from.installLog()
        try to.place(try from.startCursor(of: pipeline), of: pipeline)
        _ = try from.install(CaptureRequest(pipeline: pipeline))
    }

    func openSource() throws -> SQLiteSource {
        if let reader { return reader }
        let opened = try SQLiteSource(path: sourcePath, limits: limits)
        try opened.shape(rules)
        reader = opened
        return opened
    }

    func openTarget() throws -> SQLiteTarget {
        if let writer { return writer }
        let opened = try SQLiteTarget(path: targetPath, pipeline: "main")
        cursor = try opened.takeOver(worker: "test")
        writer = opened
        return opened
    }

    /// Forgets the worker, as its death would.
    func crash() { (reader, writer, cursor) = (nil, nil, nil) }

    /// One round of the worker.
    /// - Returns: how many windows it applied.
    @discardableResult
    func replicate() throws -> Int {
        let source = try openSource()
        _ = try openTarget()
        guard let start = cursor else { return 0 }
        let windows = try source.windows(after: start, taking: TakenTables(TableSelection()), upTo: nil)
        for window in windows { try apply(window) }
        if let cursor { try source.confirm(cursor, of: "main") }
        return windows.count
    }

    /// What there is to apply.
    func windows() throws -> [Window] {
        _ = try openTarget()
        guard let cursor else { return [] }
        return try openSource().windows(after: cursor, taking: TakenTables(TableSelection()), upTo: nil)
    }

    /// Applies a window, and again in the staged order where the target asks for it.
    @discardableResult
    func apply(_ window: Window) throws -> ApplyOrder {
        do {
            try apply(window, order: .paged)
            return .paged
        } catch let error as TidemarkError {
            guard error.retry == .staged else { throw error }
            try apply(window, order: .staged)
            return .staged
        }
    }

    func apply(_ window: Window, order: ApplyOrder) throws {
        let source = try openSource()
        let target = try openTarget()
        guard let cursor else { return }
        let tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { ($0.capture, $0) })
        var pages: [ChangePage] = []
        try source.read(window, captures: tables.keys.sorted()) { pages.append($0) }
        var next = pages.makeIterator()
        self.cursor = try target.apply(window, tables: tables, moving: cursor, order: order, nextPage: { next.next() })
    }

    /// Applies pages that were read before.
    func apply(_ window: Window, pages: [ChangePage], tables: [Int32: CapturedTable]) throws {
        guard let cursor else { return }
        var next = pages.makeIterator()
        self.cursor = try openTarget().apply(window, tables: tables, moving: cursor, order: .paged, nextPage: { next.next() })
    }

    /// Every row of a table, spelled by storage class, with its count.
    static func rows(_ database: SQLiteDatabase, _ table: String) throws -> [String: Int] {
        let columns = try SQLiteCatalog(database).table(table)?.columns.map(\.name) ?? []
        var counts: [String: Int] = [:]
        let image = SQLiteEncoding.object(columns, of: "x")
        for row in try database.rows("SELECT \(image) FROM \(SQLiteIdentifier.quoted(table)) AS x") {
            counts[row[0].string ?? "?", default: 0] += 1
        }
        return counts
    }

    func isEqual(_ table: String = "t") throws -> Bool {
        try Self.rows(source, table) == Self.rows(target, table)
    }
}

/// Changes as a source of the other engine would hand them over.
struct TypedPage {
    var table: CapturedTable
    var page = ChangePage()
    private var nextID: Int64 = 1

    init(_ name: String = "t", schema: String? = "public", columns: [(String, String)], key: [String]) {
        table = CapturedTable(
            capture: 3, name: TableName(schema: schema, name: name),
            columns: columns.map { CapturedColumn(name: $0.0, type: $0.1) }, keyColumns: key, encoding: .typedText)
    }

    mutating func add(_ operation: TidemarkCore.Operation, key: String?, image: String?) {
        func bytes(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Void) {
            guard let text else { return body(nil) }
            Array(text.utf8).withUnsafeBytes(body)
        }
        bytes(key) { key in
            bytes(image) { image in
                page.append(id: nextID, capture: table.capture, operation: operation, key: key, image: image)
            }
        }
        nextID += 1
    }
}

/// A target alone, with a cursor at the beginning.
final class TypedTarget {
    let replica: Replica
    private var cursor: Cursor
    private let target: SQLiteTarget
    var database: SQLiteDatabase { replica.target }

    init(_ schema: String) throws {
        replica = try Replica("", target: schema, setUp: false)
        let administration = try SQLiteTargetAdministration(path: replica.targetPath)
        try administration.install()
        let start = Cursor(source: "pg", snapshot: .change(0), witness: "w0", lastID: 0, epoch: 0)
        try administration.place(start, of: "main")
        target = try SQLiteTarget(path: replica.targetPath, pipeline: "main")
        cursor = try target.takeOver(worker: "test")
    }

    func apply(_ typed: TypedPage, order: ApplyOrder = .paged) throws {
        try apply([typed.page], typed.table, order: order)
    }

    func apply(_ pages: [ChangePage], _ table: CapturedTable, order: ApplyOrder = .paged) throws {
        let end = cursor.lastApplied + 1
        let window = Window(start: cursor.snapshot, end: .change(end), witness: "w\(end)", afterID: 0, throughID: .max)
        var next = pages.makeIterator()
        cursor = try target.apply(
            window, tables: [table.capture: table], moving: cursor, order: order, nextPage: { next.next() })
    }
}

/// The `TidemarkError` that a piece of work throws, or nil.
func errorOf(_ body: () throws -> Void) -> TidemarkError? {
    do {
        try body()
        return nil
    } catch {
        return error as? TidemarkError
    }
}
