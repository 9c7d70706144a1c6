import TidemarkCore

@testable import TidemarkSQLite

/// Two files set up as one pipeline, with what reads and loads rows on either side.
final class RowScene {
    let replica: Replica
    let source: SQLiteRowSource
    let target: SQLiteRowTarget
    let reader: SQLiteTargetReader
    private(set) var cursor: Cursor
    private(set) var position: HeldPosition

    /// - Parameter rows: SQL that fills the source after setup.
    init(_ schema: String, target targetSchema: String? = nil, rows: String = "", mode: String = "WAL", rules: TableRules = TableRules()) throws {
        let journal = "PRAGMA journal_mode = \(mode); "
        replica = try Replica(journal + schema, target: targetSchema.map { journal + $0 })
        replica.rules = rules
        try replica.source.execute(rows)
        source = try SQLiteRowSource(path: replica.sourcePath)
        try source.shape(rules)
        target = try SQLiteRowTarget(path: replica.targetPath, pipeline: "main")
        reader = try SQLiteTargetReader(path: replica.targetPath, pipeline: "main")
        cursor = try SQLiteTarget(path: replica.targetPath, pipeline: "main").takeOver(worker: "test")
        position = try source.hold([])
    }

    /// Looks at the source and the cursor anew.
    func look() throws {
        source.release()
        position = try source.hold([])
        cursor = try SQLiteTarget(path: replica.targetPath, pipeline: "main").cursor()
    }

    func table(_ name: String = "t") throws -> CapturedTable {
        guard let found = position.tables.last(where: { $0.name.name == name }) else {
            throw TidemarkError("no table", why: name, remedy: "Mend the test.")
        }
        return found
    }

    func copies() throws -> [TableCopy] {
        try SQLiteTargetAdministration(path: replica.targetPath).copies(of: "main")
    }

    func pages(_ part: TablePart, _ form: RowForm) throws -> [RowPage] {
        var pages: [RowPage] = []
        try source.read(part, as: form) { pages.append($0) }
        return pages
    }

    /// Loads a part in the target's own form, or in the one given.
    @discardableResult
    func load(_ part: TablePart, as given: RowForm? = nil, order: ApplyOrder = .paged, saving copy: TableCopy? = nil, at place: Cursor? = nil) throws -> Int64 {
        let form = try given ?? target.form(of: part.table, from: SQLiteEngine().name)
        var next = try pages(part, form).makeIterator()
        return try target.load(part.table, as: form, order: order, at: place ?? cursor, saving: copy) { next.next() }
    }

    /// The changes that repair these keys.
    func changes(_ keys: [String], of table: CapturedTable) throws -> ChangePage {
        guard case .changes(let page)? = try pages(TablePart(table, keys: keys), .changes).first else { return ChangePage() }
        return page
    }

    /// Every change of the rows of a part, as JSON.
    func images(_ part: TablePart) throws -> [String] {
        try pages(part, .changes).flatMap { page -> [String] in
            guard case .changes(let page) = page else { return [] }
            return page.changes.compactMap { $0.image.map { String(decoding: page.bytes[$0], as: UTF8.self) } }
        }
    }
}

extension ChangePage {
    func keys() -> [String] { changes.map { $0.key.map { String(decoding: bytes[$0], as: UTF8.self) } ?? "" } }
}
