/// JSON as PostgreSQL's jsonb has it, so that the two engines come to one text: members once, the shorter names first, numbers without
/// an exponent.
indirect enum JSONValue: Equatable {
    /// null, true, false, or a number.
    case word([UInt8])
    /// The text that it means.
    case string([UInt8])
    case array([JSONValue])
    case object([[UInt8]: JSONValue])

    /// Nil for what is no JSON.
    init?(_ text: some Sequence<UInt8>) {
        var parser = JSONParser(Array(text))
        guard let value = parser.whole() else { return nil }
        self = value
    }

    var text: [UInt8] {
        var text: [UInt8] = []
        append(to: &text)
        return text
    }

    private func append(to text: inout [UInt8]) {
        switch self {
        case .word(let word): text += word
        case .string(let string): Self.append(string, to: &text)
        case .array(let values):
            text.append(UInt8(ascii: "["))
            for (place, value) in values.enumerated() {
                if place > 0 { text += Array(", ".utf8) }
                value.append(to: &text)
            }
            text.append(UInt8(ascii: "]"))
        case .object(let members):
            text.append(UInt8(ascii: "{"))
            for (place, name) in Self.sorted(members.keys).enumerated() {
                if place > 0 { text += Array(", ".utf8) }
                Self.append(name, to: &text)
                text += Array(": ".utf8)
                members[name]?.append(to: &text)
            }
            text.append(UInt8(ascii: "}"))
        }
    }

    static func sorted(_ names: some Sequence<[UInt8]>) -> [[UInt8]] {
        names.sorted { $0.count == $1.count ? $0.lexicographicallyPrecedes($1) : $0.count < $1.count }
    }

    private static func append(_ string: [UInt8], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in string {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x08: text += Array("\\b".utf8)
            case 0x09: text += Array("\\t".utf8)
            case 0x0A: text += Array("\\n".utf8)
            case 0x0C: text += Array("\\f".utf8)
            case 0x0D: text += Array("\\r".utf8)
            case 0..<0x20: text += Array("\\u00".utf8) + [byte < 16 ? 0x30 : 0x31, Array("0123456789abcdef".utf8)[Int(byte & 15)]]
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}

/// Reads JSON text.
private struct JSONParser {
    private let bytes: [UInt8]
    private var place = 0
    private var depth = 0
    private static let depthMax = 500
    /// jsonb's numbers have no more digits than that either.
    private static let exponentMax = 10_000

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func whole() -> JSONValue? {
        guard let value = value() else { return nil }
        skipBlanks()
        return place == bytes.count ? value : nil
    }

    private mutating func value() -> JSONValue? {
        skipBlanks()
        guard place < bytes.count, depth < Self.depthMax else { return nil }
        depth += 1
        defer { depth -= 1 }
        switch bytes[place] {
        case UInt8(ascii: "{"): return object()
        case UInt8(ascii: "["): return array()
        case UInt8(ascii: "\""): return string().map { .string($0) }
        case UInt8(ascii: "n"): return word("null")
        case UInt8(ascii: "t"): return word("true")
        case UInt8(ascii: "f"): return word("false")
        default: return number()
        }
    }

    private mutating func object() -> JSONValue? {
        var members: [[UInt8]: JSONValue] = [:]
        place += 1
        if take("}") { return .object(members) }
        repeat {
            skipBlanks()
            guard let name = string(), take(":"), let value = value() else { return nil }
            members[name] = value
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func array() -> JSONValue? {
        var values: [JSONValue] = []
        place += 1
        if take("]") { return .array(values) }
        repeat {
            guard let value = value() else { return nil }
            values.append(value)
        } while take(",")
        return take("]") ? .array(values) : nil
    }

    private mutating func word(_ word: String) -> JSONValue? {
        guard bytes[place...].starts(with: word.utf8) else { return nil }
        place += word.utf8.count
        return .word(Array(word.utf8))
    }

    private mutating func string() -> [UInt8]? {
        guard place < bytes.count, bytes[place] == UInt8(ascii: "\"") else { return nil }
        place += 1
        var text: [UInt8] = []
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"):
                guard escape(&text) else { return nil }
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape(_ text: inout [UInt8]) -> Bool {
        guard place < bytes.count else { return false }
        let byte = bytes[place]
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            guard var unit = unit(), unit != 0 else { return false }
            if 0xD800..<0xDC00 ~= unit {
                guard place + 1 < bytes.count, bytes[place] == UInt8(ascii: "\\"), bytes[place + 1] == UInt8(ascii: "u") else { return false }
                place += 2
                guard let low = self.unit(), 0xDC00..<0xE000 ~= low else { return false }
                unit = 0x10000 + (unit - 0xD800) << 10 + (low - 0xDC00)
            }
            guard let scalar = Unicode.Scalar(unit) else { return false }
            text += Array(String(scalar).utf8)
        default: return false
        }
        return true
    }

    private mutating func unit() -> UInt32? {
        guard place + 4 <= bytes.count else { return nil }
        defer { place += 4 }
        let digits = bytes[place..<(place + 4)]
        guard digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20 }) else { return nil }
        return UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private mutating func number() -> JSONValue? {
        let isNegative = bytes[place] == UInt8(ascii: "-")
        if isNegative { place += 1 }
        let whole = digits()
        guard !whole.isEmpty, whole.count == 1 || whole[0] != 0x30 else { return nil }
        var fraction: [UInt8] = []
        if place < bytes.count, bytes[place] == UInt8(ascii: ".") {
            place += 1
            fraction = digits()
            guard !fraction.isEmpty else { return nil }
        }
        var exponent = 0
        if place < bytes.count, bytes[place] | 0x20 == UInt8(ascii: "e") {
            place += 1
            let isDown = place < bytes.count && bytes[place] == UInt8(ascii: "-")
            if isDown || place < bytes.count && bytes[place] == UInt8(ascii: "+") { place += 1 }
            guard let size = Int(String(decoding: digits(), as: UTF8.self)), size <= Self.exponentMax else { return nil }
            exponent = isDown ? -size : size
        }
        return .word(Self.plain(isNegative, whole, fraction, exponent))
    }

    private mutating func digits() -> [UInt8] {
        let start = place
        while place < bytes.count, 0x30...0x39 ~= bytes[place] { place += 1 }
        return Array(bytes[start..<place])
    }

    /// Without an exponent, with as many digits behind the point as were meant.
    private static func plain(_ isNegative: Bool, _ whole: [UInt8], _ fraction: [UInt8], _ exponent: Int) -> [UInt8] {
        var digits = whole + fraction
        var point = whole.count + exponent
        if point < 0 {
            digits = [UInt8](repeating: 0x30, count: -point) + digits
            point = 0
        }
        if point > digits.count { digits += [UInt8](repeating: 0x30, count: point - digits.count) }
        let front = Array(digits[..<point].drop { $0 == 0x30 })
        let isZero = digits.allSatisfy { $0 == 0x30 }
        return (isNegative && !isZero ? [UInt8(ascii: "-")] : []) + (front.isEmpty ? [0x30] : front)
            + (point < digits.count ? [UInt8(ascii: ".")] + digits[point...] : [])
    }

    private mutating func take(_ mark: String) -> Bool {
        skipBlanks()
        guard place < bytes.count, bytes[place] == mark.utf8.first else { return false }
        place += 1
        return true
    }

    private mutating func skipBlanks() {
        while place < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
    }
}
