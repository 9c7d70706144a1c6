import Foundation
import TidemarkCore

@testable import TidemarkSQLite

/// Databases that send each other what is written to them, each link driven by hand.
final class ConflictRing {
    struct Link {
        var from: Int
        var to: Int
        var rule: ConflictRule
        var passesOn = true

        var name: String { "from\(from)to\(to)" }
    }

    let directory: URL
    let links: [Link]
    /// The applications' connections.
    private(set) var databases: [SQLiteDatabase] = []
    private(set) var ends: [End] = []

    /// What drives a link.
    final class End {
        let source: SQLiteSource
        let target: SQLiteTarget
        let tables: [Int32: CapturedTable]
        var cursor: Cursor

        init(_ link: Link, _ paths: [String], shared: Set<String>) throws {
            var limits = SQLiteSourceLimits()
            limits.pageChangesMax = 7
            source = try SQLiteSource(path: paths[link.from], limits: limits)
            target = try SQLiteTarget(path: paths[link.to], pipeline: link.name)
            cursor = try target.takeOver(worker: "test")
            _ = try source.selection(of: link.name)
            try source.follow(link.passesOn ? .passedOn(except: target.identityAsSource()) : .leftOut)
            tables = Dictionary(uniqueKeysWithValues: try source.capturedTables().map { table in
                var table = table
                if shared.contains(table.name.name) { table.conflicts = link.rule }
                return (table.capture, table)
            })
            try source.keepBefore(of: Set(tables.values.filter { $0.conflicts != nil }.map(\.capture)))
            for database in [source.database, target.database] { try database.execute("PRAGMA synchronous = OFF") }
        }
    }

    init(_ schema: String, databases count: Int, links: [Link], shared: Set<String> = ["t"]) throws {
        self.links = links
        directory = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        let paths = (0..<count).map { [directory] in directory.appendingPathComponent("\($0).db").path }
        for path in paths {
            let database = try SQLiteDatabase(path: path, mode: .create)
            try database.execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF")
            try database.execute(schema)
            databases.append(database)
        }
        for link in links {
            let from = try SQLiteSourceAdministration(path: paths[link.from])
            let to = try SQLiteTargetAdministration(path: paths[link.to])
            for database in [from.database, to.database] { try database.execute("PRAGMA synchronous = OFF") }
            try to.install()
            try from.installLog()
            try to.place(try from.startCursor(of: link.name), of: link.name)
            var request = CaptureRequest(pipeline: link.name)
            (request.images, request.capturesApplied) = (.both, link.passesOn)
            _ = try from.install(request)
            let reader = try SQLiteSource(path: paths[link.from])
            try to.prepareConflicts(in: try reader.capturedTables().filter { shared.contains($0.name.name) && !$0.isRetired }, of: link.name)
        }
        ends = try links.map { try End($0, paths, shared: shared) }
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// One round of a link's worker.
    /// - Returns: how many changes it was given.
    @discardableResult
    func run(_ link: Int) throws -> Int {
        let end = ends[link]
        var changes = 0
        for window in try end.source.windows(after: end.cursor, taking: TakenTables(TableSelection()), upTo: nil) {
            var pages: [ChangePage] = []
            try end.source.read(window, captures: end.tables.keys.sorted()) { pages.append($0) }
            changes += pages.reduce(0) { $0 + $1.changes.count }
            do {
                try apply(window, pages, end, .paged)
            } catch let error as TidemarkError where error.retry == .staged {
                try apply(window, pages, end, .staged)
            }
        }
        return changes
    }

    private func apply(_ window: Window, _ pages: [ChangePage], _ end: End, _ order: ApplyOrder) throws {
        var next = pages.makeIterator()
        end.cursor = try end.target.apply(window, tables: end.tables, moving: end.cursor, order: order, nextPage: { next.next() })
    }

    /// All links, until nothing is left to bring.
    /// - Returns: false where that does not end.
    func calm() throws -> Bool {
        for _ in 0..<30 {
            var changes = 0
            for link in links.indices { changes += try run(link) }
            if changes == 0 { return true }
        }
        return false
    }

    func isEqual(_ table: String = "t") throws -> Bool {
        let rows = try databases.map { try Replica.rows($0, table) }
        return rows.allSatisfy { $0 == rows[0] }
    }

    func rows(_ database: Int, _ sql: String) throws -> [[SQLiteValue]] { try databases[database].rows(sql) }
    func execute(_ database: Int, _ sql: String) throws { try databases[database].execute(sql) }

    func conflicts(_ link: Int) throws -> [Conflict] {
        let path = directory.appendingPathComponent("\(links[link].to).db").path
        return try SQLiteTargetAdministration(path: path).conflicts(of: links[link].name, table: nil, before: nil, limit: 1000)
    }

    func administration(_ link: Int) throws -> SQLiteTargetAdministration {
        try SQLiteTargetAdministration(path: directory.appendingPathComponent("\(links[link].to).db").path)
    }
}

extension ConflictRing {
    /// From each to the next, and from the last to the first, all passing on.
    static func ring(_ schema: String, _ rule: ConflictRule, of count: Int = 3) throws -> ConflictRing {
        try ConflictRing(schema, databases: count, links: (0..<count).map { Link(from: $0, to: ($0 + 1) % count, rule: rule) })
    }

    /// Two databases, each with what the other one is told.
    static func pair(_ schema: String, _ rule: ConflictRule, passesOn: Bool = false) throws -> ConflictRing {
        try ConflictRing(
            schema, databases: 2,
            links: [Link(from: 0, to: 1, rule: rule, passesOn: passesOn), Link(from: 1, to: 0, rule: rule.mirrored, passesOn: passesOn)])
    }
}
