import Glibc

/// Walks over one flat JSON object. It checks every bound: the bytes come out of a database.
struct TokenReader {
    let base: UnsafePointer<UInt8>
    let count: Int
    var place: Int
    let scratch: ScratchBytes

    @inline(__always) var peek: UInt8 { place < count ? base[place] : 0 }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard place < count, base[place] == byte else { return false }
        place += 1
        return true
    }

    mutating func take(word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard length <= count - place, memcmp(base + place, word.utf8Start, length) == 0 else { return false }
        place += length
        return true
    }

    /// A string that holds no escapes: capture writes texts with `"` or `\` in another form.
    @inline(__always)
    mutating func plainString() -> UnsafeBufferPointer<UInt8>? {
        let start = place + 1
        guard start < count, let end = memchr(base + start, 0x22, count - start) else { return nil }
        let length = UnsafeRawPointer(end) - UnsafeRawPointer(base + start)
        place = start + length + 1
        return UnsafeBufferPointer(start: base + start, count: length)
    }

    /// Any JSON string; where it lies if it holds no escapes, else decoded in the scratch.
    mutating func string() -> UnsafeBufferPointer<UInt8>? {
        guard peek == UInt8(ascii: "\"") else { return nil }
        let start = place + 1
        guard let plain = plainString() else { return nil }
        guard memchr(base + start, 0x5C, plain.count) != nil else { return plain }
        place = start
        return unescaped()
    }

    private mutating func unescaped() -> UnsafeBufferPointer<UInt8>? {
        let out = scratch.free
        var length = 0
        while place < count {
            let byte = base[place]
            place += 1
            if byte == UInt8(ascii: "\"") { return scratch.keep(length) }
            guard byte == UInt8(ascii: "\\") else {
                out[length] = byte
                length += 1
                continue
            }
            guard place < count else { return nil }
            let escape = base[place]
            place += 1
            switch escape {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out[length] = escape
            case UInt8(ascii: "b"): out[length] = 8
            case UInt8(ascii: "f"): out[length] = 12
            case UInt8(ascii: "n"): out[length] = 10
            case UInt8(ascii: "r"): out[length] = 13
            case UInt8(ascii: "t"): out[length] = 9
            case UInt8(ascii: "u"):
                guard let scalar = scalarAfterEscape() else { return nil }
                for unit in String(scalar).utf8 {
                    out[length] = unit
                    length += 1
                }
                continue
            default: return nil
            }
            length += 1
        }
        return nil
    }

    /// Four digits, or two surrogates of four; a surrogate alone is no character.
    private mutating func scalarAfterEscape() -> Unicode.Scalar? {
        guard let first = fourDigits() else { return nil }
        guard first & 0xFC00 == 0xD800 else { return Unicode.Scalar(first) }
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), let second = fourDigits(), second & 0xFC00 == 0xDC00
        else { return nil }
        return Unicode.Scalar(0x10000 + ((first & 0x3FF) << 10) + (second & 0x3FF))
    }

    private mutating func fourDigits() -> UInt32? {
        guard count - place >= 4 else { return nil }
        var value: UInt32 = 0
        for offset in 0..<4 {
            guard let digit = Self.hexDigit(base[place + offset]) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        place += 4
        return value
    }

    /// `{"t":"HEX"}` or `{"x":"HEX"}`.
    mutating func hexObject() -> (bytes: UnsafeBufferPointer<UInt8>, isText: Bool)? {
        let isText: Bool
        if take(word: #"{"t":"#) {
            isText = true
        } else if take(word: #"{"x":"#) {
            isText = false
        } else {
            return nil
        }
        guard peek == UInt8(ascii: "\""), let digits = plainString(), take(UInt8(ascii: "}")),
            let bytes = decodedHex(digits)
        else { return nil }
        return (bytes, isText)
    }

    /// PostgreSQL's text of a bytea: `\x` and digits.
    func byteaBytes(_ text: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard text.count >= 2, text[0] == UInt8(ascii: "\\"), text[1] == UInt8(ascii: "x") else { return nil }
        return decodedHex(UnsafeBufferPointer(rebasing: text[2...]))
    }

    private func decodedHex(_ digits: UnsafeBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8>? {
        guard digits.count % 2 == 0 else { return nil }
        let out = scratch.free
        // Without a branch for each digit: what is none shows at the end.
        var wrong: UInt8 = 0
        for index in 0..<(digits.count / 2) {
            let (high, low) = (Self.nibble(digits[2 * index]), Self.nibble(digits[2 * index + 1]))
            wrong |= high | low
            out[index] = high << 4 | low & 15
        }
        return wrong < 16 ? scratch.keep(digits.count / 2) : nil
    }

    /// A hexadecimal digit's value; 255 for what is none.
    @inline(__always)
    private static func nibble(_ byte: UInt8) -> UInt8 {
        let decimal = byte &- 0x30
        let letter = (byte | 0x20) &- 0x61
        return decimal < 10 ? decimal : letter < 6 ? letter &+ 10 : 255
    }

    @inline(__always)
    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        let value = nibble(byte)
        return value < 16 ? value : nil
    }

    /// The bytes of a number, and whether they are an integer's.
    @inline(__always)
    mutating func number() -> (bytes: UnsafeBufferPointer<UInt8>, isInteger: Bool)? {
        let start = place
        var isInteger = true
        while place < count {
            switch base[place] {
            case 0x30...0x39, UInt8(ascii: "-"): break
            case UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"), UInt8(ascii: "+"): isInteger = false
            case UInt8(ascii: ","), UInt8(ascii: "}"):
                guard place > start else { return nil }
                return (UnsafeBufferPointer(start: base + start, count: place - start), isInteger)
            default: return nil
            }
            place += 1
        }
        return nil
    }

    @inline(__always)
    static func integer(_ digits: UnsafeBufferPointer<UInt8>) -> Int64? {
        let isNegative = digits[0] == UInt8(ascii: "-")
        var value: Int64 = 0
        var index = isNegative ? 1 : 0
        guard index < digits.count else { return nil }
        // Downwards, because the lowest number has no positive twin.
        while index < digits.count {
            let digit = Int64(digits[index]) - 0x30
            guard 0...9 ~= digit else { return nil }
            let (product, tooMuch) = value.multipliedReportingOverflow(by: 10)
            let (difference, tooLow) = product.subtractingReportingOverflow(digit)
            if tooMuch || tooLow { return nil }
            value = difference
            index += 1
        }
        if isNegative { return value }
        return value == .min ? nil : -value
    }

    /// Would a column of numeric affinity make a number of this text? As SQLite reads it: blanks around, a sign,
    /// digits with a point, an exponent.
    static func looksNumeric(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        var place = 0
        var end = text.count
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }
        func digits() -> Int {
            let start = place
            while place < end, 0x30...0x39 ~= text[place] { place += 1 }
            return place - start
        }
        while place < end, isBlank(text[place]) { place += 1 }
        while end > place, isBlank(text[end - 1]) { end -= 1 }
        if place < end, text[place] == 0x2B || text[place] == 0x2D { place += 1 }
        var found = digits()
        if place < end, text[place] == 0x2E {
            place += 1
            found += digits()
        }
        guard found > 0 else { return false }
        if place < end, text[place] == 0x65 || text[place] == 0x45 {
            place += 1
            if place < end, text[place] == 0x2B || text[place] == 0x2D { place += 1 }
            guard digits() > 0 else { return false }
        }
        return place == end
    }
}
