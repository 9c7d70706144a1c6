import TidemarkCore

@testable import TidemarkSQLite

/// Two files, of which the first holds nothing of tidemark's, and a pipeline that its second one belongs to.
final class PolledScene {
    let replica: Replica
    let target: SQLitePolledTarget
    let epoch: Int64

    init(_ schema: String, target targetSchema: String? = nil, rows: String = "", mode: String = "WAL") throws {
        replica = try Replica("PRAGMA journal_mode = \(mode); " + schema, target: targetSchema ?? schema, setUp: false)
        try replica.source.execute(rows)
        let administration = try SQLiteTargetAdministration(path: replica.targetPath)
        try administration.install()
        try administration.place(Cursor(source: "file", snapshot: .change(0), witness: "", lastID: 0, epoch: 0), of: "main")
        epoch = try SQLiteTarget(path: replica.targetPath, pipeline: "main").takeOver(worker: "test").epoch
        target = try SQLitePolledTarget(path: replica.targetPath, pipeline: "main")
    }

    func unit(_ name: String = "t", _ mode: SyncMode = .full) throws -> SyncUnit {
        try target.units().first { $0.table.name == name } ?? SyncUnit(TableName(schema: nil, name: name), mode)
    }

    /// The source's table as it stands.
    func table(_ name: String = "t") throws -> CapturedTable {
        guard let found = try SQLiteCatalog(replica.source).table(name) else {
            throw TidemarkError("no table", why: name, remedy: "Mend the test.")
        }
        return CapturedTable(
            capture: 0, name: TableName(schema: nil, name: found.name),
            columns: found.columns.map { CapturedColumn(name: $0.name, type: $0.declaredType, isGenerated: $0.isGenerated) },
            keyColumns: found.key?.columns ?? [], encoding: .storageClasses)
    }

    /// Rows of the source as they are read, so many a page, and deletes of keys.
    func pages(_ table: CapturedTable, where condition: String = "1", deletes: [String] = [], rows rowsMax: Int = 3) throws -> [ChangePage] {
        let image = SQLiteEncoding.object(table.columns.map(\.name), of: "x")
        let key = table.keyColumns.isEmpty ? "NULL" : SQLiteEncoding.object(table.keyColumns, of: "x")
        var pages = [ChangePage()]
        func add(_ operation: Operation, _ key: String?, _ image: String?) {
            if pages[pages.count - 1].changes.count == rowsMax { pages.append(ChangePage()) }
            withBytes(key) { key in
                withBytes(image) { pages[pages.count - 1].append(id: 1, capture: 0, operation: operation, key: key, image: $0) }
            }
        }
        for row in try replica.source.rows("SELECT \(key), \(image) FROM \(SQLiteIdentifier.quoted(table.name.name)) AS x WHERE \(condition)") {
            add(table.keyColumns.isEmpty ? .insert : .update, row[0].string, row[1].string)
        }
        for key in deletes { add(.delete, key, nil) }
        return pages
    }

    private func withBytes(_ text: String?, _ body: (UnsafeRawBufferPointer?) -> Void) {
        guard let text else { return body(nil) }
        Array(text.utf8).withUnsafeBytes(body)
    }

    /// Makes the target's table the source's.
    @discardableResult
    func replace(_ name: String = "t", rows rowsMax: Int = 3) throws -> SyncUnit {
        let table = try table(name)
        var next = try pages(table, rows: rowsMax).makeIterator()
        return try target.replace(SyncUnit(table.name, .full), of: table, epoch: epoch) { next.next() }
    }

    @discardableResult
    func apply(_ pages: [ChangePage], _ table: CapturedTable) throws -> SyncUnit {
        var next = pages.makeIterator()
        return try target.apply(SyncUnit(table.name, .incremental), of: table, epoch: epoch) { next.next() }
    }
}

/// What reads the first file, as its worker would.
final class PolledReader {
    let scene: PolledScene
    private(set) var source: SQLitePolledSource
    private let rules: TableRules
    private(set) var table: CapturedTable

    init(_ scene: PolledScene, _ shaping: TableShaping = TableShaping(), of name: String = "t") throws {
        self.scene = scene
        rules = TableRules([TableRule(TablePattern(name), shaping: shaping, polled: PolledReading(.full))])
        source = try SQLitePolledSource(path: scene.replica.sourcePath)
        table = try PolledReader.table(of: source, name, rules)
    }

    private static func table(of source: SQLitePolledSource, _ name: String, _ rules: TableRules) throws -> CapturedTable {
        guard let table = try source.tables(TableSelection(include: [TablePattern(name)]), rules).first else {
            throw TidemarkError("no table", why: name, remedy: "Mend the test.")
        }
        return table
    }

    /// As a process does that was killed before.
    func reopen() throws {
        source = try SQLitePolledSource(path: scene.replica.sourcePath)
        table = try Self.table(of: source, table.name.name, rules)
    }

    func pages(_ read: ((ChangePage) throws -> Void) throws -> Void) throws -> [ChangePage] {
        var pages: [ChangePage] = []
        try read { pages.append($0) }
        return pages
    }

    /// Key and image of each row of a part.
    func rows(_ part: TablePart? = nil) throws -> [String] {
        try pages { try source.read(part ?? TablePart(table), $0) }.flatMap { page in
            page.changes.map { change in [change.key, change.image].compactMap { $0 }.map { String(decoding: page.bytes[$0], as: UTF8.self) }.joined() }
        }
    }

    @discardableResult
    func replace() throws -> SyncUnit {
        try source.hold([table.name])
        defer { source.release() }
        var next = try pages { try source.read(TablePart(table), $0) }.makeIterator()
        return try scene.target.replace(SyncUnit(table.name, .full), of: table, epoch: scene.epoch) { next.next() }
    }

    /// One pass over what has changed.
    @discardableResult
    func follow(_ reading: IncrementalReading) throws -> SyncUnit {
        var unit = try scene.unit(table.name.name, .incremental)
        (unit.rowsDone, unit.rowsWritten, unit.rowsDeleted) = (0, 0, 0)
        guard let end = try source.reach(of: table, by: reading).mark else { return unit }
        var next = try pages { try source.read(table, by: reading, after: unit.mark, through: end, $0) }.makeIterator()
        unit.mark = end
        return try scene.target.apply(unit, of: table, epoch: scene.epoch) { next.next() }
    }

    /// Compares keys, so many rows at a time.
    func deleteOthers(rows rowsMax: Int) throws {
        var after: String?
        repeat {
            let through = try scene.target.key(in: TablePart(table, after: after), afterRows: rowsMax)
            let part = TablePart(table, after: after, through: through)
            var next = try pages { try source.keys(of: part, $0) }.makeIterator()
            _ = try scene.target.deleteOthers(try scene.unit(table.name.name, .incremental), in: part, epoch: scene.epoch) { next.next() }
            after = through
        } while after != nil
    }
}

extension SyncUnit {
    /// What a pass wrote and deleted.
    var counts: [Int64] { [rowsDone, rowsWritten, rowsDeleted] }
}
