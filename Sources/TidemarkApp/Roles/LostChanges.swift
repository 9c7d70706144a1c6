import Foundation
package import TidemarkCore
import TidemarkPipeline

/// What a source committed and its promoted replica never got: read from the source's own log, once it is back.
package struct LostChanges: Sendable {
    package private(set) var changes: Int64 = 0
    package private(set) var firstID: Int64?
    package private(set) var lastID: Int64?
    /// How many changes of each table, as the source calls it.
    package private(set) var tables: [TableName: Int64] = [:]
    /// The rows that they touched, by the source's names of tables.
    private(set) var touched = TouchedRows()

    /// Tables in which two keys can be equal and written differently, by the source's names.
    private(set) var uncertainKeys: Set<TableName> = []
    /// The first change of which the log says that it was, and not what: the table was altered, or the row is too large.
    private var unloggedAt: (id: Int64, table: TableName)?

    /// None.
    init() {}

    /// What to say before rows are undone that no export has.
    var unlogged: TidemarkError? {
        guard let unloggedAt else { return nil }
        return TidemarkError(
            "not every lost change can be exported", table: unloggedAt.table, changeID: unloggedAt.id,
            why: "the table was altered after it was set up, or a row is too large: the log does not have what was written then",
            remedy: "Save the table's rows from the old source first. Then add --even-if-not-exported: the table becomes what the new primary has.")
    }

    /// Reads them, and writes each as one line of JSON.
    ///
    /// - Parameters:
    ///   - cursor: the last place that the replica had.
    ///   - file: gets the lines; nil for none.
    /// - Throws: where the source has not everything that the replica has: it was restored, and cannot come back so.
    init(of pipeline: String, in address: String, after cursor: Cursor, writingTo file: FileHandle?) throws {
        var export = try file.map { LostChangesExport($0, history: try Engines.accepting(address, of: "source").history(address)) }
        try Self.read(of: pipeline, in: address, after: cursor) { page, tables in
            for change in page.changes {
                if let table = tables[change.capture] { note(change, of: table, in: page) }
            }
            try export?.write(page, of: tables)
        }
    }

    /// Hands over every change of the pipeline's tables after a place, with the tables by the generation that they carry.
    static func read(
        of pipeline: String, in address: String, after cursor: Cursor,
        _ receive: (ChangePage, [Int32: CapturedTable]) throws -> Void
    ) throws {
        let source = try Engines.accepting(address, of: "source").source(address)
        let identity = try source.identity()
        guard identity == cursor.source else {
            throw TidemarkError(
                "this is not the database that the place is in", why: "the place is in \(cursor.source), this is \(identity)",
                remedy: "Check the addresses. To make any other database a replica, type: tidemark run --existing empty …, with it as the target.")
        }
        let selection = try source.selection(of: pipeline)
        let all = try source.capturedTables().filter { selection.takes($0.name) }
        // Whatever passed capture unseen is for the comparison at the end to find.
        let settled = Dictionary(all.map { ($0.name, TableCopy.everyGeneration) }, uniquingKeysWith: { first, _ in first })
        let byCapture = Dictionary(uniqueKeysWithValues: all.map { ($0.capture, $0) })
        for window in try source.windows(after: cursor, taking: TakenTables(selection, settledThrough: settled), upTo: nil) {
            try source.read(window, captures: byCapture.keys.sorted()) { page in try receive(page, byCapture) }
        }
    }

    private mutating func note(_ change: Change, of table: CapturedTable, in page: ChangePage) {
        changes += 1
        (firstID, lastID) = (min(firstID ?? change.id, change.id), max(lastID ?? change.id, change.id))
        tables[table.name, default: 0] += 1
        if unloggedAt == nil, change.operation == .shapeChanged || change.operation == .imageTooLarge { unloggedAt = (change.id, table.name) }
        if !table.comparesKeysByText { uncertainKeys.insert(table.name) }
        switch change.operation {
        case .insert, .update, .delete, .imageTooLarge:
            if let key = change.key {
                touched.keys[table.name, default: []].insert(String(decoding: page.bytes[key], as: UTF8.self))
            } else {
                touched.whole.insert(table.name)
            }
        case .truncate, .shapeChanged: touched.whole.insert(table.name)
        case .before: break
        }
    }
}

extension CapturedTable {
    /// Are two keys equal exactly if their texts are?
    fileprivate var comparesKeysByText: Bool {
        guard encoding == .typedText else { return true }
        return columns.filter { keyColumns.contains($0.name) }.allSatisfy { column in
            Self.exactTypes.contains { column.type == $0 || column.type.hasPrefix($0 + "(") }
        }
    }

    private static let exactTypes = [
        "smallint", "integer", "bigint", "text", "character varying", "uuid", "boolean", "bytea", "date", "timestamp without time zone",
        "timestamp with time zone",
    ]
}
