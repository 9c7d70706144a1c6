import TidemarkCore

/// Writes values that were read as JSON, in the encoding of their table.
struct RowText {
    private let encoding: ImageEncoding
    private let labels: ImageLabels
    private let meanings: [ImageBinder.Meaning]
    private let buffer = RowBuffer(capacity: 256)

    /// - Parameter columns: of the captured table, in the order in which the values will come.
    init(_ columns: [CapturedColumn], encoding: ImageEncoding) {
        self.encoding = encoding
        labels = ImageLabels(columns.map(\.name))
        meanings = columns.map { ImageBinder.Meaning(typedText: $0.type) }
    }

    init(keysOf rows: TableRows) {
        self.init(rows.keyPlaces.map { rows.captured.columns[Int($0)] }, encoding: rows.captured.encoding)
    }

    func text(_ values: [SQLiteValue]) -> String {
        buffer.clear()
        labels.write(to: buffer) { place in
            switch encoding {
            case .storageClasses: buffer.appendImage(values[place])
            case .typedText: Array(Self.typed(values[place], meanings[place]).utf8).withUnsafeBytes { buffer.append($0) }
            }
        }
        return String(decoding: buffer.bytes, as: UTF8.self)
    }

    /// A value as PostgreSQL and `ImageBinder` read it for a column of that meaning.
    private static func typed(_ value: SQLiteValue, _ meaning: ImageBinder.Meaning) -> String {
        switch value {
        case .null: return "null"
        case .integer(let number):
            if meaning == .boolean { return number == 0 ? "false" : "true" }
            return meaning == .text ? "\"\(number)\"" : String(number)
        case .real(let number):
            guard number.isFinite else { return number > 0 ? "\"Infinity\"" : "\"-Infinity\"" }
            return meaning == .text ? "\"\(number)\"" : "\(number)"
        case .text(let bytes): return SQLiteEncoding.jsonString(String(decoding: bytes, as: UTF8.self))
        case .blob(let bytes): return "\"\\\\x\(hex(bytes))\""
        }
    }

    static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
