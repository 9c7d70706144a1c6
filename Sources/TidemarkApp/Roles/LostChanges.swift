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
        switch change.operation {
        case .insert, .update, .delete, .imageTooLarge:
            if let key = change.key {
                touched.keys[table.name, default: []].insert(String(decoding: page.bytes[key], as: UTF8.self))
            } else {
                touched.whole.insert(table.name)
            }
        case .truncate, .shapeChanged: touched.whole.insert(table.name)
        }
    }
}
