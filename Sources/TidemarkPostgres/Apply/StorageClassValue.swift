/// One value of SQLite, as an image writes it.
enum StorageClassValue {
    case null
    case integer(digits: UnsafeRawBufferPointer, Int64)
    case real(Double)
    /// Printable ASCII without `"` and `\`.
    case ascii(UnsafeRawBufferPointer)
    case text(hex: UnsafeRawBufferPointer)
    case blob(hex: UnsafeRawBufferPointer)

    /// Writes it as JSON that `json_to_recordset` reads as the same value of the target's type.
    func write(to target: StorageClassTarget, into output: inout [UInt8]) throws(StorageClassRefusal) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .integer(let digits, let value): try Self.write(digits, value, to: target, into: &output)
        case .real(let value): try Self.write(value, to: target, into: &output)
        case .ascii(let text):
            try Self.check(text, for: target, characters: text.count)
            output.append(UInt8(ascii: "\""))
            output.append(contentsOf: text)
            output.append(UInt8(ascii: "\""))
        case .text(let hex):
            let text = try Self.bytes(hex)
            guard !text.contains(0) else { throw .textWithNUL }
            guard let characters = Self.charactersOfUTF8(text) else { throw .textNoUTF8 }
            try text.withUnsafeBufferPointer { (text) throws(StorageClassRefusal) in
                try Self.check(UnsafeRawBufferPointer(text), for: target, characters: characters)
            }
            JSONString.append(text, to: &output)
        case .blob(let hex):
            guard case .bytes = target else { throw .blob }
            output.append(contentsOf: "\"\\\\x".utf8)
            output.append(contentsOf: hex)
            output.append(UInt8(ascii: "\""))
        }
    }

    private static func write(
        _ digits: UnsafeRawBufferPointer, _ value: Int64, to target: StorageClassTarget, into output: inout [UInt8]
    ) throws(StorageClassRefusal) {
        switch target {
        case .integer(let range):
            guard range.contains(value) else { throw .integerOutOfRange }
        case .numeric(let whole, _):
            guard value == 0 || digits.count - (value < 0 ? 1 : 0) <= whole ?? .max else { throw .integerOutOfRange }
        case .double:
            guard Double(exactly: value) != nil else { throw .integerInexact }
        case .single:
            guard Float(exactly: value) != nil else { throw .integerInexact }
        case .boolean:
            guard value == 0 || value == 1 else { throw .integerOutOfRange }
            output.append(contentsOf: (value == 1 ? "true" : "false").utf8)
            return
        default: throw .integer
        }
        output.append(contentsOf: digits)
    }

    private static func write(
        _ value: Double, to target: StorageClassTarget, into output: inout [UInt8]
    ) throws(StorageClassRefusal) {
        switch target {
        case .double:
            if value.isInfinite { break }
            // The shortest digits that read back as the same number.
            output.append(contentsOf: value.description.utf8)
            return
        case .single:
            if value.isInfinite { break }
            let single = Float(value)
            guard Double(single) == value else { throw .realInexact }
            output.append(contentsOf: single.description.utf8)
            return
        case .numeric(let whole, let scale):
            if value.isInfinite, whole == nil { break }
            let decimal = DecimalText(value)
            // A numeric knows no -0.
            guard let decimal, !(value == 0 && value.sign == .minus), decimal.fits(whole: whole, scale: scale)
            else { throw .realInexact }
            output.append(contentsOf: decimal.text.utf8)
            return
        default: throw .real
        }
        output.append(contentsOf: (value < 0 ? "\"-Infinity\"" : "\"Infinity\"").utf8)
    }

    /// May this text stand in such a column?
    private static func check(
        _ text: UnsafeRawBufferPointer, for target: StorageClassTarget, characters: Int
    ) throws(StorageClassRefusal) {
        switch target {
        case .text(let charactersMax):
            guard characters <= charactersMax ?? .max else { throw .textTooLong }
        case .name(let bytesMax):
            guard text.count <= bytesMax else { throw .textTooLong }
        case .numeric(let whole, let scale):
            guard let decimal = DecimalText(plain: text), decimal.fits(whole: whole, scale: scale) else { throw .textNotPlain }
        case .moment(let format):
            guard format.takes(text) else { throw .textNotPlain }
        case .interval(let digits):
            guard DateTimeText.keeps(digits, of: text) else { throw .textNotPlain }
        case .input: return
        case .integer, .boolean, .double, .single, .bytes: throw .text
        case .none: throw .textNotPlain
        }
    }

    private static func bytes(_ hex: UnsafeRawBufferPointer) throws(StorageClassRefusal) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hex.count / 2)
        var place = 0
        while place + 1 < hex.count {
            guard let high = digit(hex[place]), let low = digit(hex[place + 1]) else { throw .malformed }
            bytes.append(high << 4 | low)
            place += 2
        }
        return bytes
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }

    /// How many characters, or nil where it is no UTF-8.
    private static func charactersOfUTF8(_ text: [UInt8]) -> Int? {
        guard String(validating: text, as: UTF8.self) != nil else { return nil }
        return text.reduce(0) { $0 + ($1 & 0xc0 != 0x80 ? 1 : 0) }
    }
}

/// A number in decimal digits, to see whether a `numeric(p,s)` takes it unrounded.
struct DecimalText {
    let text: String
    private let whole: Int
    private let fraction: Int

    /// The shortest digits of a real, written without exponent; nil for what is no finite number.
    init?(_ value: Double) {
        guard value.isFinite else { return nil }
        let parts = value.magnitude.description.split(separator: "e")
        let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
        let mantissa = parts[0].split(separator: ".")
        var digits = Array(mantissa.joined().utf8)
        var point = mantissa[0].utf8.count + exponent
        while digits.count > 1, digits.last == 0x30 { digits.removeLast() }
        if point <= 0 {
            digits = Array(repeating: 0x30, count: 1 - point) + digits
            point = 1
        }
        if digits.count < point { digits += Array(repeating: 0x30, count: point - digits.count) }
        let before = String(decoding: digits[..<point], as: UTF8.self)
        let after = String(decoding: digits[point...], as: UTF8.self)
        self.init(before, after, negative: value < 0)
    }

    /// Digits with at most one point and one minus, and no zero too many in front.
    init?(plain text: UnsafeRawBufferPointer) {
        let word = String(decoding: text, as: UTF8.self)
        let negative = word.hasPrefix("-")
        let parts = word.dropFirst(negative ? 1 : 0).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } }),
            parts[0] == "0" || !parts[0].hasPrefix("0")
        else { return nil }
        self.init(String(parts[0]), parts.count > 1 ? String(parts[1]) : "", negative: negative)
    }

    private init(_ before: String, _ after: String, negative: Bool) {
        text = (negative ? "-" : "") + before + (after.isEmpty ? "" : "." + after)
        whole = before == "0" ? 0 : before.utf8.count
        let significant = after.utf8.reversed().drop { $0 == 0x30 }
        fraction = significant.count
    }

    func fits(whole wholeMax: Int?, scale: Int?) -> Bool {
        whole <= wholeMax ?? .max && fraction <= scale ?? (wholeMax == nil ? .max : 0)
    }
}
