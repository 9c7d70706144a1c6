import TidemarkCore

/// A page of changes that have no place in the log, of bounded size.
struct FilledPage {
    private let capture: Int32
    private let keyPlaces: [Int32]
    private let key: ImageLabels
    private let image: ImageLabels
    private let buffer = RowBuffer(capacity: 4096)
    private var page = ChangePage()

    /// A change's place among the others goes by its id.
    private var number = Int64(0)

    init(_ rows: TableRows) {
        capture = rows.captured.capture
        keyPlaces = rows.isKeyed ? rows.keyPlaces : []
        key = ImageLabels(rows.captured.keyColumns)
        image = ImageLabels(rows.captured.columns.map(\.name))
    }

    var isEmpty: Bool { page.changes.isEmpty }
    var isFull: Bool { page.changes.count >= RowPages.rowsMax || page.bytes.count >= RowPages.bytesMax }

    /// The current row, of all columns: as an upsert, or an insertion where there is no key.
    mutating func append(_ row: SQLiteStatement) {
        buffer.clear()
        if !keyPlaces.isEmpty { key.write(to: buffer) { row.appendImage(keyPlaces[$0], to: buffer) } }
        let keyEnd = buffer.count
        image.write(to: buffer) { row.appendImage(Int32($0), to: buffer) }
        let bytes = buffer.bytes
        number += 1
        page.append(
            id: number, capture: capture, operation: keyPlaces.isEmpty ? .insert : .update,
            key: keyPlaces.isEmpty ? nil : UnsafeRawBufferPointer(rebasing: bytes[..<keyEnd]),
            image: UnsafeRawBufferPointer(rebasing: bytes[keyEnd...]))
    }

    /// The key of the current row, of all columns, as a delete.
    mutating func appendDelete(_ row: SQLiteStatement) {
        let places = keyPlaces
        append(.delete) { row.appendImage(places[$0], to: $1) }
    }

    /// The current row, of the key's columns alone, as an upsert without an image.
    mutating func appendKey(_ row: SQLiteStatement) { append(.update) { row.appendImage(Int32($0), to: $1) } }

    mutating func appendDelete(_ key: String) {
        number += 1
        Array(key.utf8).withUnsafeBytes { page.append(id: number, capture: capture, operation: .delete, key: $0, image: nil) }
    }

    private mutating func append(_ operation: Operation, _ value: (Int, RowBuffer) -> Void) {
        buffer.clear()
        key.write(to: buffer) { value($0, buffer) }
        number += 1
        page.append(id: number, capture: capture, operation: operation, key: buffer.bytes, image: nil)
    }

    mutating func take() -> ChangePage {
        defer { page = ChangePage() }
        return page
    }
}
