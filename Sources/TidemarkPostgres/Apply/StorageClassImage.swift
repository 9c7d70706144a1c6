import TidemarkCore

/// Turns the images and keys of one table that SQLite captured into what `json_to_recordset` takes for
/// the target's columns: the same value, or none.
struct StorageClassImage {
    private struct Column {
        let source: TargetColumn
        let target: StorageClassTarget
        /// Its name as the images write it, with quotes.
        let label: [UInt8]
    }

    private let table: CapturedTable
    private let context: ApplyContext
    private let columns: [Column]
    private let keys: [Column]

    init(_ target: TargetTable, context: ApplyContext) throws {
        table = target.captured
        self.context = context
        columns = target.columns.map {
            Column(source: $0, target: StorageClassTarget($0.baseType), label: Array(JSONString.quoted($0.name).utf8))
        }
        let all = columns
        keys = table.keyColumns.compactMap { name in all.first { $0.source.name == name } }
    }

    /// Converts a change's key and image; what a change lacks is left empty.
    /// - Throws: `TidemarkError` at a value that the target's column cannot hold.
    func convert(_ change: Change, of page: ChangePage, key: inout [UInt8], image: inout [UInt8]) throws {
        key.removeAll(keepingCapacity: true)
        image.removeAll(keepingCapacity: true)
        try convert(change.key, keys, change, of: page, into: &key)
        try convert(change.image, columns, change, of: page, into: &image)
    }

    /// Converts what the row was before, if that is known.
    func convert(before: Range<Int>?, _ change: Change, of page: ChangePage, into output: inout [UInt8]) throws {
        output.removeAll(keepingCapacity: true)
        // One that was too large to be kept is empty.
        if before?.isEmpty == false { try convert(before, columns, change, of: page, into: &output) }
    }

    private func convert(
        _ range: Range<Int>?, _ columns: [Column], _ change: Change, of page: ChangePage, into output: inout [UInt8]
    ) throws {
        guard let range else { return }
        try page.bytes.withUnsafeBytes { bytes in
            var place = columns.startIndex
            do throws(StorageClassRefusal) {
                try Self.convert(UnsafeRawBufferPointer(rebasing: bytes[range]), columns, &place, into: &output)
            } catch {
                throw refusal(of: place < columns.count ? columns[place] : nil, change, of: page, error)
            }
        }
    }

    private static func convert(
        _ text: UnsafeRawBufferPointer, _ columns: [Column], _ place: inout Int, into output: inout [UInt8]
    ) throws(StorageClassRefusal) {
        output.reserveCapacity(text.count + 16)
        var reader = StorageClassReader(text)
        try reader.expect("{")
        place = 0
        while true {
            let label = try reader.label()
            // Images have the columns in their order, so the search ends where it begins.
            let expected = place
            while place < columns.count, !columns[place].label.elementsEqual(label) { place += 1 }
            if place == columns.count {
                place = columns[..<expected].firstIndex { $0.label.elementsEqual(label) } ?? columns.count
            }
            guard place < columns.count else { throw .malformed }
            output.append(UInt8(ascii: output.isEmpty ? "{" : ","))
            output.append(contentsOf: label)
            output.append(UInt8(ascii: ":"))
            try reader.expect(":")
            let value = try reader.value()
            if columns[place].source.isGenerated {
                output.append(contentsOf: "null".utf8)
            } else {
                try value.write(to: columns[place].target, into: &output)
            }
            place += 1
            if try reader.endsAfterValue() { break }
        }
        output.append(UInt8(ascii: "}"))
    }

    private func refusal(
        of column: Column?, _ change: Change, of page: ChangePage, _ refusal: StorageClassRefusal
    ) -> TidemarkError {
        let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
        guard refusal != .malformed, let column else {
            return TidemarkError(
                "a row of the change log cannot be read", pipeline: context.pipeline, table: table.name, key: key,
                changeID: change.id, why: "it is not what SQLite capture writes, or names a column that the registry does not",
                remedy: "The change log was altered by hand, or another version of tidemark wrote it:"
                    + " type tidemark setup …, then tidemark copy --table … --existing empty …")
        }
        let name = column.source.quoted
        return TidemarkError(
            "the target cannot hold a value", pipeline: context.pipeline, table: table.name, key: key, changeID: change.id,
            why: "\(name) is \(column.source.type) on the target, and the value is \(refusal.sentence)",
            remedy: "Mend the row at the source, or type on the target: alter table \(PostgresIdentifier.quoted(table.atTarget))"
                + " alter column \(name) type \(refusal.typeThatFits); then type: tidemark run …", isAboutData: true)
    }
}

/// Why a value cannot be held.
enum StorageClassRefusal: Error, Equatable {
    case malformed
    case integer
    case integerOutOfRange
    case integerInexact
    case real
    case realInexact
    case text
    case textTooLong
    case textNoUTF8
    case textWithNUL
    case textNotPlain
    case blob

    var sentence: String {
        switch self {
        case .malformed: "unreadable"
        case .integer: "an integer"
        case .integerOutOfRange: "an integer out of its range"
        case .integerInexact: "an integer that it would round"
        case .real: "a real"
        case .realInexact: "a real that it would round"
        case .text: "a text"
        case .textTooLong: "a text that is too long"
        case .textNoUTF8: "a text that is no valid UTF-8"
        case .textWithNUL: "a text with a NUL character"
        case .textNotPlain: "a text that it would change, or not take (dates and times have to be ISO 8601, numbers plain decimals)"
        case .blob: "a blob"
        }
    }

    /// What the column could be altered to.
    var typeThatFits: String {
        switch self {
        case .integer, .integerOutOfRange: "bigint"
        case .integerInexact: "numeric"
        case .real, .realInexact: "double precision"
        case .text, .textTooLong, .textNotPlain: "text"
        case .malformed, .textNoUTF8, .textWithNUL, .blob: "bytea"
        }
    }
}
