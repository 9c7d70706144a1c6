/// What happened to a row, or to a whole table. The raw value is the letter in the change log.
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
    /// Nothing but what the row was before; only where a page holds that.
    case before = 0x42  // B
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
    /// Beside the changes, from the first that has one: the row as it was before the change's transaction.
    package private(set) var befores: [Range<Int>?] = []
    /// Beside the changes, from the first that has one: where each was first made, if not in the source, as a place in `originNames`.
    private var origins: [Int?] = []
    private var originNames: [String] = []

    package init() {}

    /// Appends a change and copies its key and images into the page.
    package mutating func append(
        id: Int64, capture: Int32, operation: Operation,
        key: UnsafeRawBufferPointer?, image: UnsafeRawBufferPointer?, transaction: UInt64? = nil,
        before: UnsafeRawBufferPointer? = nil, origin: String? = nil
    ) {
        if let transaction { transactions.append(transaction) }
        if before != nil || !befores.isEmpty {
            while befores.count < changes.count { befores.append(nil) }
            befores.append(copy(before))
        }
        if origin != nil || !origins.isEmpty {
            while origins.count < changes.count { origins.append(nil) }
            if let origin { origins.append(place(of: origin)) } else { origins.append(nil) }
        }
        changes.append(
            Change(id: id, capture: capture, operation: operation, key: copy(key), image: copy(image)))
    }

    /// Appends a change of another page, with all that stands beside it.
    package mutating func take(_ index: Int, from page: ChangePage) {
        let change = page.changes[index]
        page.bytes.withUnsafeBytes { bytes in
            append(
                id: change.id, capture: change.capture, operation: change.operation,
                key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                image: change.image.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                transaction: page.transactions.isEmpty ? nil : page.transactions[index],
                before: page.before(index).map { UnsafeRawBufferPointer(rebasing: bytes[$0]) }, origin: page.origin(index))
        }
    }

    /// The row as it was before the transaction of a change, where the page has that.
    package func before(_ index: Int) -> Range<Int>? { index < befores.count ? befores[index] : nil }

    /// The identity of the database where a change was first made; nil for the source itself.
    package func origin(_ index: Int) -> String? { index < origins.count ? origins[index].map { originNames[$0] } : nil }

    private mutating func place(of origin: String) -> Int {
        if let known = originNames.lastIndex(of: origin) { return known }
        originNames.append(origin)
        return originNames.count - 1
    }

    private mutating func copy(_ source: UnsafeRawBufferPointer?) -> Range<Int>? {
        guard let source else { return nil }
        let start = bytes.count
        bytes.append(contentsOf: source)
        return start..<bytes.count
    }
}
