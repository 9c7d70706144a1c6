import Glibc

/// Reads an image from its beginning and writes its values as COPY takes them.
///
/// What is written is never longer than what was read, so there is room for it where there is room for the image.
struct CopyValues {
    private var from: UnsafePointer<UInt8>
    private let end: UnsafePointer<UInt8>
    var to: UnsafeMutablePointer<UInt8>

    init(from: UnsafePointer<UInt8>, end: UnsafePointer<UInt8>, to: UnsafeMutablePointer<UInt8>) {
        (self.from, self.end, self.to) = (from, end, to)
    }

    var isAtEnd: Bool { from == end }

    @inline(__always)
    mutating func take(_ byte: UInt8) -> Bool {
        guard from < end, from.pointee == byte else { return false }
        from += 1
        return true
    }

    @inline(__always)
    mutating func take(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard text.count <= end - from, let start = text.baseAddress, memcmp(from, start, text.count) == 0 else { return false }
        from += text.count
        return true
    }

    @inline(__always)
    mutating func put(_ byte: UInt8) {
        to.pointee = byte
        to += 1
    }

    /// - Returns: whether there was a scalar.
    @inline(__always)
    mutating func copyValue() -> Bool {
        guard from < end else { return false }
        switch from.pointee {
        case UInt8(ascii: "\""):
            from += 1
            return copyString()
        case UInt8(ascii: "n"):
            guard end - from > 4 else { return false }
            from += 4
            put(UInt8(ascii: "\\"))
            put(UInt8(ascii: "N"))
            return true
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            return false
        default:
            while from < end, from.pointee != UInt8(ascii: ","), from.pointee != UInt8(ascii: "}") {
                put(from.pointee)
                from += 1
            }
            return true
        }
    }

    /// Behind the quotation mark that opens a string: eight bytes at a time, up to what has a meaning in JSON.
    private mutating func copyString() -> Bool {
        while true {
            while end - from >= 8 {
                let word = UnsafeRawPointer(from).loadUnaligned(as: UInt64.self)
                UnsafeMutableRawPointer(to).storeBytes(of: word, as: UInt64.self)
                let special = Self.special(UInt64(littleEndian: word))
                guard special == 0 else {
                    let plain = special.trailingZeroBitCount / 8
                    from += plain
                    to += plain
                    break
                }
                from += 8
                to += 8
            }
            guard from < end else { return false }
            let byte = from.pointee
            if byte == UInt8(ascii: "\"") {
                from += 1
                return true
            }
            if byte == UInt8(ascii: "\\") {
                guard copyEscape() else { return false }
            } else {
                guard byte >= 0x20 else { return false }
                put(byte)
                from += 1
            }
        }
    }

    /// The highest bit of the first byte of a word that is `"`, `\` or a control character; zero where none is.
    ///
    /// Subtracting borrows into that bit; what it does to those above it says nothing.
    @inline(__always)
    private static func special(_ word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ (ones &* 0x22)
        let backslashes = word ^ (ones &* 0x5C)
        return ((quotes &- ones) & ~quotes | (backslashes &- ones) & ~backslashes | (word &- ones &* 0x20) & ~word)
            & (ones &* 0x80)
    }

    /// At a backslash.
    private mutating func copyEscape() -> Bool {
        guard end - from >= 2 else { return false }
        let letter = from[1]
        from += 2
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "/"):
            put(letter)
        case UInt8(ascii: "\\"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            // COPY has these too.
            put(UInt8(ascii: "\\"))
            put(letter)
        case UInt8(ascii: "u"):
            guard let scalar = scalarOfEscape() else { return false }
            put(scalar)
        default: return false
        }
        return true
    }

    /// Four digits, or two surrogates of four.
    private mutating func scalarOfEscape() -> Unicode.Scalar? {
        guard let high = codeUnit() else { return nil }
        guard UTF16.isLeadSurrogate(high) else { return Unicode.Scalar(high) }
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), let low = codeUnit(), UTF16.isTrailSurrogate(low) else { return nil }
        return UTF16.decode(UTF16.EncodedScalar([high, low]))
    }

    private mutating func codeUnit() -> UInt16? {
        guard end - from >= 4 else { return nil }
        defer { from += 4 }
        return UInt16(String(decoding: UnsafeBufferPointer(start: from, count: 4), as: UTF8.self), radix: 16)
    }

    private mutating func put(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\\", "\n", "\r", "\t":
            put(UInt8(ascii: "\\"))
            put(scalar == "\\" ? UInt8(ascii: "\\") : UInt8(ascii: scalar == "\n" ? "n" : scalar == "\r" ? "r" : "t"))
        default:
            for byte in String(scalar).utf8 { put(byte) }
        }
    }
}
