import Glibc
import TidemarkCore

/// Reads keys (and images) as they may come from a person, another engine or capture: members in any order, blanks
/// between them, numbers also as strings.
struct RowKey {
    private let table: TableName
    private let names: [String]
    private let columns: [SQLiteTable.Column]
    private let meanings: [ImageBinder.Meaning]
    private let scratch = ScratchBytes()

    init(_ rows: TableRows) {
        table = rows.captured.name
        names = rows.captured.keyColumns
        columns = rows.keyColumns
        meanings = names.map { name in
            guard rows.captured.encoding == .typedText else { return .storageClass }
            return ImageBinder.Meaning(typedText: rows.captured.columns.first { $0.name == name }?.type ?? "")
        }
    }

    /// - Parameter columns: of SQLite's own encoding.
    init(_ columns: [SQLiteTable.Column], of table: TableName) {
        self.table = table
        self.columns = columns
        names = columns.map(\.name)
        meanings = columns.map { _ in .storageClass }
    }

    /// The values in the order of the key's columns, as these columns hold them.
    func values(_ key: String) throws -> [SQLiteValue] {
        // A blank behind it, so that a number's end is always inside.
        let bytes = Array(key.utf8) + [0x20]
        scratch.begin(atLeast: 2 * bytes.count)
        let found: [SQLiteValue]? = bytes.withUnsafeBufferPointer { bytes in
            guard let base = bytes.baseAddress else { return nil }
            var reader = TokenReader(base: base, count: bytes.count, place: 0, scratch: scratch)
            return members(&reader)
        }
        guard let found else {
            throw TidemarkError(
                "a key cannot be read", table: table, key: key,
                why: "it is no JSON object of \(names.map(SQLiteIdentifier.quoted).joined(separator: ", "))",
                remedy: "Keys look like {\"\(names.first ?? "id")\":1}; correct it and type the command again.")
        }
        return found
    }

    private func members(_ reader: inout TokenReader) -> [SQLiteValue]? {
        var values = [SQLiteValue?](repeating: nil, count: names.count)
        reader.skipBlanks()
        guard reader.take(UInt8(ascii: "{")) else { return nil }
        while true {
            reader.skipBlanks()
            guard let label = reader.string() else { return nil }
            guard let index = names.firstIndex(of: String(decoding: label, as: UTF8.self)), values[index] == nil else {
                return nil
            }
            reader.skipBlanks()
            guard reader.take(UInt8(ascii: ":")) else { return nil }
            reader.skipBlanks()
            guard let value = value(&reader, meanings[index]) else { return nil }
            values[index] = columns[index].affinity.stored(value)
            reader.skipBlanks()
            if reader.take(UInt8(ascii: ",")) { continue }
            guard reader.take(UInt8(ascii: "}")) else { return nil }
            reader.skipBlanks()
            let complete = values.compactMap { $0 }
            return reader.place == reader.count && complete.count == names.count ? complete : nil
        }
    }

    private func value(_ reader: inout TokenReader, _ meaning: ImageBinder.Meaning) -> SQLiteValue? {
        switch reader.peek {
        case UInt8(ascii: "\""):
            guard let text = reader.string() else { return nil }
            return meant(text, meaning, reader)
        case UInt8(ascii: "n"):
            return reader.take(word: "null") ? .null : nil
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            let value: Int64 = reader.peek == UInt8(ascii: "t") ? 1 : 0
            return reader.take(word: value == 1 ? "true" : "false") ? .integer(value) : nil
        case UInt8(ascii: "{"):
            guard let (bytes, isText) = reader.hexObject() else { return nil }
            return isText ? .text(Array(bytes)) : .blob(Array(bytes))
        default:
            guard let token = reader.numberBeforeBlank() else { return nil }
            if meaning == .exactNumber { return .text(Array(token.bytes)) }
            if token.isInteger, meaning != .real, let number = TokenReader.integer(token.bytes) { return .integer(number) }
            return Self.real(token.bytes).map { .real($0) }
        }
    }

    private func meant(_ text: UnsafeBufferPointer<UInt8>, _ meaning: ImageBinder.Meaning, _ reader: TokenReader) -> SQLiteValue? {
        switch meaning {
        case .integer: return text.isEmpty ? nil : TokenReader.integer(text).map { .integer($0) }
        case .boolean:
            if text.elementsEqual("t".utf8) || text.elementsEqual("true".utf8) { return .integer(1) }
            return text.elementsEqual("f".utf8) || text.elementsEqual("false".utf8) ? .integer(0) : nil
        case .real: return Self.real(text).map { .real($0) }
        case .bytes: return reader.byteaBytes(text).map { .blob(Array($0)) }
        case .storageClass, .exactNumber, .text: return .text(Array(text))
        }
    }

    private static func real(_ text: UnsafeBufferPointer<UInt8>) -> Double? {
        let number = strtod(String(decoding: text, as: UTF8.self), nil)
        return number.isNaN ? nil : number
    }
}

extension TokenReader {
    mutating func skipBlanks() {
        while place < count, [0x20, 0x09, 0x0A, 0x0D].contains(base[place]) { place += 1 }
    }

    /// A number that may be followed by a blank.
    mutating func numberBeforeBlank() -> (bytes: UnsafeBufferPointer<UInt8>, isInteger: Bool)? {
        let start = place
        while place < count, !TokenReader.ends(base[place]) { place += 1 }
        let bytes = UnsafeBufferPointer(start: base + start, count: place - start)
        let isInteger = bytes.allSatisfy { 0x30...0x39 ~= $0 || $0 == UInt8(ascii: "-") }
        guard !bytes.isEmpty, TokenReader.looksNumeric(bytes) else { return nil }
        return (bytes, isInteger)
    }

    private static func ends(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte <= 0x20
    }
}

extension SQLiteTable.Affinity {
    /// What a column makes of a value that it is given.
    func stored(_ value: SQLiteValue) -> SQLiteValue {
        switch (self, value) {
        case (.real, .integer(let number)): return .real(Double(number))
        case (.text, .integer(let number)): return .string(String(number))
        case (.integer, .text(let text)), (.numeric, .text(let text)), (.real, .text(let text)):
            guard text.withUnsafeBufferPointer(TokenReader.looksNumeric) else { return value }
            let trimmed = String(decoding: text, as: UTF8.self).filter { !$0.isWhitespace }
            if self != .real, let whole = Int64(trimmed) { return .integer(whole) }
            return stored(.real(strtod(trimmed, nil)))
        case (.integer, .real(let number)), (.numeric, .real(let number)):
            return Int64(exactly: number).map { .integer($0) } ?? value
        default: return value
        }
    }
}
