import TidemarkCore

/// Shapes pages of the log: each image is put into a temporary table like the source's, where the filter and the expressions find the
/// names, affinities and collations that they mean.
final class LogShaping {
    private let database: SQLiteDatabase
    private let shaping: SourceShaping
    private var known: [Int32: LoggedShape?] = [:]

    init(_ database: SQLiteDatabase, _ shaping: SourceShaping) { (self.database, self.shaping) = (database, shaping) }

    /// Outside of any read of the log: nobody waits for it.
    func shaped(_ page: ChangePage) throws -> ChangePage {
        var isNeeded = false
        // All before the transaction: what is made in one that fails is gone.
        for capture in Set(page.changes.map(\.capture)) where try shape(of: capture) != nil { isNeeded = true }
        guard isNeeded else { return page }
        return try database.transaction("BEGIN") {
            var shaped = ChangePage()
            try page.bytes.withUnsafeBufferPointer { bytes in
                let logged = AppliedPage(page: page, bytes: bytes)
                for (index, change) in page.changes.enumerated() {
                    if let shape = try shape(of: change.capture) {
                        try shape.shape(change, logged.keyBytes(index), logged.imageBytes(index), index, of: page, into: &shaped)
                    } else {
                        shaped.take(index, from: page)
                    }
                }
            }
            return shaped
        }
    }

    private func shape(of capture: Int32) throws -> LoggedShape? {
        if let found = known[capture] { return found }
        let shape = try shaping.shape(of: capture)
        let made = try shape.flatMap { try $0.passesRows ? nil : LoggedShape($0, in: database) }
        known[capture] = .some(made)
        return made
    }
}

extension AppliedPage {
    fileprivate func keyBytes(_ index: Int) -> UnsafeRawBufferPointer? {
        page.changes[index].key.map { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[$0]) }
    }

    fileprivate func imageBytes(_ index: Int) -> UnsafeRawBufferPointer? {
        page.changes[index].image.map { UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes)[$0]) }
    }
}

/// Shapes the changes of one generation of a table's capture.
final class LoggedShape {
    private let shape: RowShape
    private let image: ImageBinder
    private let row: SQLiteStatement
    private let shaped: SQLiteStatement
    private let labels: ImageLabels
    private let keyNames: KeyNames?
    private let scratch = ScratchBytes()
    private let buffer = RowBuffer(capacity: 4096)
    private let keyBuffer = RowBuffer(capacity: 256)

    init(_ shape: RowShape, in database: SQLiteDatabase) throws(SQLiteFailure) {
        self.shape = shape
        let captured = shape.captured
        let like = try LikeTable(captured, in: database)
        let name = "temp.tidemark_shape_\(captured.capture)"
        try database.execute("DROP TABLE IF EXISTS \(name)")
        try database.execute("CREATE TABLE \(name) (\(like.definitions))")
        try database.execute("INSERT INTO \(name) DEFAULT VALUES")
        let columns = zip(captured.columns, like.columns).map { column, like in
            let target = SQLiteTable.Column(
                name: like.name, declaredType: like.affinity.typeName, notNull: false, defaultSQL: nil, primaryKeyPosition: 0, isGenerated: false,
                affinity: like.affinity)
            return ImageBinder.Column(source: column, target: target, isRowID: false)
        }
        image = ImageBinder(columns, encoding: captured.encoding)
        let places = captured.columns.enumerated().map { "\(SQLiteIdentifier.quoted($1.name)) = ?\($0 + 1)" }
        row = try database.prepare("UPDATE \(name) SET \(places.joined(separator: ", "))")
        let values = shape.expressions(in: captured.name.name, columns: captured.columns.map(\.name))
        let condition = shape.condition.map { " WHERE \($0)" } ?? ""
        shaped = try database.prepare(
            "SELECT \(values.joined(separator: ", ")) FROM \(name) AS \(SQLiteIdentifier.quoted(captured.name.name))\(condition)")
        labels = ImageLabels(shape.shaped.columns.map(\.name))
        keyNames = captured.keyColumns == shape.shaped.keyColumns ? nil : KeyNames(shape.shaped.keyColumns)
    }

    /// Appends what becomes of a change; of a row without a key that does not travel, nothing.
    func shape(
        _ change: Change, _ key: UnsafeRawBufferPointer?, _ image: UnsafeRawBufferPointer?, _ index: Int, of logged: ChangePage,
        into page: inout ChangePage
    ) throws {
        let transaction = logged.transactions.isEmpty ? nil : logged.transactions[index]
        let origin = logged.origin(index)
        let travelling = try renamed(key, change)
        // A truncation's image says which table was meant.
        guard let image, change.operation != .truncate else {
            return page.append(
                id: change.id, capture: change.capture, operation: change.operation, key: travelling, image: image, transaction: transaction,
                origin: origin)
        }
        do {
            try self.image.bind(image.bindMemory(to: UInt8.self), to: row, scratch)
            try row.run()
            defer { shaped.reset() }
            if try shaped.step() {
                buffer.clear()
                labels.write(to: buffer) { shaped.appendImage(Int32($0), to: buffer) }
                page.append(
                    id: change.id, capture: change.capture, operation: change.operation, key: travelling, image: buffer.bytes,
                    transaction: transaction, origin: origin)
            } else if let travelling {
                page.append(
                    id: change.id, capture: change.capture, operation: .delete, key: travelling, image: nil, transaction: transaction, origin: origin)
            }
        } catch {
            throw fault(error, change, key)
        }
    }

    private func renamed(_ key: UnsafeRawBufferPointer?, _ change: Change) throws -> UnsafeRawBufferPointer? {
        guard let keyNames, let key else { return key }
        keyBuffer.clear()
        guard keyNames.rename(key.bindMemory(to: UInt8.self), into: keyBuffer) else {
            throw fault(ValueFault(column: "", why: "its key is not of the form that capture writes", remedy: Self.altered), change, key)
        }
        return keyBuffer.bytes
    }

    private static let altered = "The log was altered, or written by another version: type tidemark setup …, then tidemark copy --table … --existing empty …"

    private func fault(_ cause: any Error, _ change: Change, _ key: UnsafeRawBufferPointer?) -> any Error {
        func error(_ why: String, _ remedy: String) -> TidemarkError {
            TidemarkError(
                "a change cannot be shaped", table: shape.captured.name, key: key.map { String(decoding: $0, as: UTF8.self) }, changeID: change.id,
                why: why, remedy: remedy)
        }
        if let fault = cause as? ValueFault {
            return error((fault.column.isEmpty ? "" : "column \(SQLiteIdentifier.quoted(fault.column)): ") + fault.why, fault.remedy)
        }
        guard let failure = cause as? SQLiteFailure, !failure.isRetryable else { return cause }
        return error(
            "the pipeline's where: or set: cannot take a value of this row: \(failure.message)",
            "Write the expression so that it takes every value, with CASE or coalesce(), in the pipeline's file; then type: tidemark run …")
    }
}

/// Gives the members of a key other names, and leaves their values as they are.
struct KeyNames {
    private let labels: ImageLabels
    private let count: Int
    private let scratch = ScratchBytes()

    init(_ names: [String]) { (labels, count) = (ImageLabels(names), names.count) }

    /// - Returns: false where the bytes are no key as capture writes it.
    func rename(_ key: UnsafeBufferPointer<UInt8>, into buffer: RowBuffer) -> Bool {
        guard let base = key.baseAddress, key.count >= 2 else { return false }
        scratch.begin(atLeast: 2 * key.count)
        var reader = TokenReader(base: base, count: key.count, place: 1, scratch: scratch)
        var values: [Range<Int>] = []
        for _ in 0..<count {
            guard reader.string() != nil, reader.take(UInt8(ascii: ":")) else { return false }
            let start = reader.place
            guard reader.skipValue() else { return false }
            values.append(start..<reader.place)
            guard reader.take(UInt8(ascii: values.count == count ? "}" : ",")) else { return false }
        }
        guard reader.place == key.count else { return false }
        labels.write(to: buffer) { buffer.append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(key)[values[$0]])) }
        return true
    }
}

extension TokenReader {
    /// Moves behind a value as capture writes it.
    fileprivate mutating func skipValue() -> Bool {
        switch peek {
        case UInt8(ascii: "\""): return plainString() != nil
        case UInt8(ascii: "{"): return hexObject() != nil
        case UInt8(ascii: "n"): return take(word: "null")
        default: return number() != nil
        }
    }
}
