package import TidemarkCore

extension PostgresSession {
    /// Streams what a query with the columns id, capture, operation, key, image and these returns, in pages.
    func copyOutChanges(
        _ query: String, beside columns: ChangeColumns = ChangeColumns(), _ limits: ReadLimits, _ receive: (ChangePage) throws -> Void
    ) throws {
        var page = ChangePage()
        var decoder = ChangeDecoder(columns)
        try copyOut(query) { buffer in
            try decoder.decode(buffer, into: &page)
            if limits.isFull(page) {
                try receive(page)
                page = ChangePage()
            }
        }
        if !page.changes.isEmpty { try receive(page) }
    }
}

/// What a query returns of changes beside id, capture, operation, key and image, in this order.
package struct ChangeColumns {
    /// xid.
    package var transactions = false
    /// before: empty where the row was too large.
    package var befores = false
    /// origin: null for the source itself.
    package var origins = false

    package init() {}

    fileprivate var count: Int { 5 + [transactions, befores, origins].count { $0 } }
}

/// Decodes rows of `COPY … (FORMAT binary)` with the columns id, capture, operation, key, image and those asked for.
///
/// Source of the format: PostgreSQL documentation, COPY, "Binary Format".
package struct ChangeDecoder {
    private static let signatureBytes = 11
    private let columns: ChangeColumns
    private var started = false

    package init(_ columns: ChangeColumns = ChangeColumns()) { self.columns = columns }

    /// Appends the rows of one message.
    package mutating func decode(_ buffer: UnsafeRawBufferPointer, into page: inout ChangePage) throws {
        var offset = 0
        if !started {
            started = true
            let extensionAt = Self.signatureBytes + 4
            offset = extensionAt + 4 + Int(try Self.integer(buffer, at: extensionAt, as: Int32.self))
        }
        while offset < buffer.count {
            let fields = try Self.integer(buffer, at: offset, as: Int16.self)
            offset += 2
            if fields == -1 { return }
            guard fields == columns.count else { throw Self.malformed("\(fields) fields") }
            let id = try Self.field(buffer, &offset)
            let capture = try Self.field(buffer, &offset)
            let operation = try Self.field(buffer, &offset)
            let key = try Self.field(buffer, &offset)
            let image = try Self.field(buffer, &offset)
            let transaction = try columns.transactions ? Self.field(buffer, &offset) : nil
            let before = try columns.befores ? Self.field(buffer, &offset) : nil
            let origin = try columns.origins ? Self.field(buffer, &offset) : nil
            guard let id, let capture, let letter = operation?.first, let kind = Operation(rawValue: letter) else {
                throw Self.malformed("a NULL or an unknown operation")
            }
            page.append(
                id: try Self.integer(id, at: 0, as: Int64.self),
                capture: try Self.integer(capture, at: 0, as: Int32.self),
                operation: Self.lacksImage(kind, key, image) || before?.isEmpty == true ? .imageTooLarge : kind, key: key, image: image,
                transaction: try transaction.map { try Self.integer($0, at: 0, as: UInt64.self) },
                before: before, origin: origin.map { String(decoding: $0, as: UTF8.self) })
        }
    }

    private static func lacksImage(
        _ operation: Operation, _ key: UnsafeRawBufferPointer?, _ image: UnsafeRawBufferPointer?
    ) -> Bool {
        guard image == nil else { return false }
        switch operation {
        case .insert, .update: return true
        case .delete: return key == nil
        case .truncate, .shapeChanged, .imageTooLarge, .before: return false
        }
    }

    private static func field(_ buffer: UnsafeRawBufferPointer, _ offset: inout Int) throws -> UnsafeRawBufferPointer? {
        let length = Int(try integer(buffer, at: offset, as: Int32.self))
        offset += 4
        if length < 0 { return nil }
        guard offset + length <= buffer.count else { throw malformed("a field longer than its row") }
        defer { offset += length }
        return UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + length])
    }

    private static func integer<T: FixedWidthInteger>(
        _ buffer: UnsafeRawBufferPointer, at offset: Int, as type: T.Type
    ) throws -> T {
        guard offset >= 0, offset + MemoryLayout<T>.size <= buffer.count else { throw malformed("a row cut short") }
        return T(bigEndian: buffer.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    private static func malformed(_ what: String) -> TidemarkError {
        TidemarkError(
            "the change log cannot be read", why: "the server sent \(what)",
            remedy: "tidemark.data_changes has been altered, or something wrote into it; compare it with sql/postgresql/log.sql.")
    }
}
