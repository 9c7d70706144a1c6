/// What happened to a row, or to a whole table. The raw value is the letter in the change log, which has one more: rows
/// with B say what a row was before, and no window hands them over.
package enum Operation: UInt8, Sendable, CaseIterable {
    /// The row stands with this image, and the statement that logged it was an INSERT.
    case insert = 0x49  // I
    /// The row stands with this image.
    case update = 0x55  // U
    /// The row is gone.
    case delete = 0x44  // D
    /// Every row of the table is gone.
    case truncate = 0x54  // T
    /// The table no longer had the shape that its capture was made for: the rows are not in the log.
    case shapeChanged = 0x58  // X
    /// The row was too large to be logged: only its key is.
    case imageTooLarge = 0x4C  // L
}

/// One row of the change log. Key and image are ranges of the page's bytes: on the way from log to
/// target nobody looks inside them.
package struct Change: Sendable, Hashable {
    package var id: Int64
    /// The generation of the capture that wrote it: which table, with which columns and key.
    package var capture: Int32
    package var operation: Operation
    /// JSON of the key columns; nil where the row is identified by its whole image.
    package var key: Range<Int>?
    /// JSON of the row; nil for a keyed delete and for a truncation.
    package var image: Range<Int>?

    package init(id: Int64, capture: Int32, operation: Operation, key: Range<Int>?, image: Range<Int>?) {
        self.id = id
        self.capture = capture
        self.operation = operation
        self.key = key
        self.image = image
    }
}

/// A bounded piece of a window: changes in the order of their ids and, in one buffer, their bytes.
package struct ChangePage: Sendable {
    package private(set) var changes: [Change] = []
    package private(set) var bytes: [UInt8] = []
    /// Beside the changes, where the source was asked for them: who made each.
    package private(set) var transactions: [UInt64] = []

    package init() {}

    /// Appends a change and copies its key and image into the page.
    package mutating func append(
        id: Int64, capture: Int32, operation: Operation,
        key: UnsafeRawBufferPointer?, image: UnsafeRawBufferPointer?, transaction: UInt64? = nil
    ) {
        if let transaction { transactions.append(transaction) }
        changes.append(
            Change(id: id, capture: capture, operation: operation, key: copy(key), image: copy(image)))
    }

    /// Appends a change of another page.
    package mutating func take(_ change: Change, from page: ChangePage) {
        page.bytes.withUnsafeBytes { bytes in
            append(
                id: change.id, capture: change.capture, operation: change.operation,
                key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                image: change.image.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) })
        }
    }

    private mutating func copy(_ source: UnsafeRawBufferPointer?) -> Range<Int>? {
        guard let source else { return nil }
        let start = bytes.count
        bytes.append(contentsOf: source)
        return start..<bytes.count
    }
}
