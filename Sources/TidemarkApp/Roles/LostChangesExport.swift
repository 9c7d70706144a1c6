import Foundation
import TidemarkCore

/// Writes changes as lines of JSON: the row as it was written, and as it was before where the log has that.
struct LostChangesExport {
    private let file: FileHandle
    private let history: any SourceHistory
    /// How far the log was looked through for old images.
    private var seenThrough: Int64?
    /// Those whose change is still to come, by generation and key.
    private var before: [Row: String] = [:]

    private struct Row: Hashable {
        let capture: Int32
        let key: String
    }

    init(_ file: FileHandle, history: any SourceHistory) { (self.file, self.history) = (file, history) }

    mutating func write(_ page: ChangePage, of tables: [Int32: CapturedTable]) throws {
        try learnOldImages(of: page)
        for change in page.changes {
            guard let table = tables[change.capture] else { continue }
            let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
            let old = key.flatMap { before.removeValue(forKey: Row(capture: change.capture, key: $0)) }
            try file.write(contentsOf: Self.line(change, of: table.name, before: old, in: page))
        }
    }

    private mutating func learnOldImages(of page: ChangePage) throws {
        guard let first = page.changes.first?.id, let last = page.changes.last?.id else { return }
        // An image may be logged just before its change.
        let start = max(1, seenThrough.map { $0 + 1 } ?? first - 1)
        guard start <= last else { return }
        for old in try history.oldImages(start...last) { before[Row(capture: old.capture, key: old.key)] = old.image }
        seenThrough = last
    }

    /// Keys and images go in as the log has them, which is JSON already.
    private static func line(_ change: Change, of table: TableName, before: String?, in page: ChangePage) -> Data {
        let name = (try? JSONEncoder().encode(table.description)).map { String(decoding: $0, as: UTF8.self) } ?? "\"\""
        var line = Data("{\"change\":\(change.id),\"table\":\(name),\"operation\":\"\(change.operation.word)\"".utf8)
        func add(_ field: String, _ bytes: Range<Int>?) {
            guard let bytes else { return }
            line.append(Data(",\"\(field)\":".utf8))
            line.append(contentsOf: page.bytes[bytes])
        }
        add("key", change.key)
        if let before { line.append(Data(",\"before\":\(before)".utf8)) }
        add(change.operation == .delete ? "before" : "after", change.image)
        line.append(Data("}\n".utf8))
        return line
    }
}

extension TidemarkCore.Operation {
    /// As exports call it.
    fileprivate var word: String {
        switch self {
        case .insert: "insert"
        case .update: "update"
        case .delete: "delete"
        case .truncate: "truncate"
        case .shapeChanged: "table altered"
        case .imageTooLarge: "row too large"
        case .before: "before"
        }
    }
}
