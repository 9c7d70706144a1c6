/// Reads the flat objects that SQLite capture writes (`ImageEncoding.storageClasses`).
struct StorageClassReader {
    private let text: UnsafeRawBufferPointer
    private var offset = 0

    init(_ text: UnsafeRawBufferPointer) { self.text = text }

    mutating func expect(_ character: Unicode.Scalar) throws(StorageClassRefusal) {
        guard offset < text.count, text[offset] == UInt8(ascii: character) else { throw .malformed }
        offset += 1
    }

    /// A member's name, with its quotes, as it is written.
    mutating func label() throws(StorageClassRefusal) -> UnsafeRawBufferPointer {
        let start = offset
        try expect("\"")
        while offset < text.count, text[offset] != UInt8(ascii: "\"") {
            offset += text[offset] == UInt8(ascii: "\\") ? 2 : 1
        }
        try expect("\"")
        return UnsafeRawBufferPointer(rebasing: text[start..<offset])
    }

    /// After a value: is this the end of the object, or does another member follow?
    mutating func endsAfterValue() throws(StorageClassRefusal) -> Bool {
        guard offset < text.count else { throw .malformed }
        defer { offset += 1 }
        if text[offset] == UInt8(ascii: ",") { return false }
        guard text[offset] == UInt8(ascii: "}"), offset + 1 == text.count else { throw .malformed }
        return true
    }

    mutating func value() throws(StorageClassRefusal) -> StorageClassValue {
        guard offset < text.count else { throw .malformed }
        switch text[offset] {
        case UInt8(ascii: "n"):
            guard text[offset...].prefix(4).elementsEqual("null".utf8) else { throw .malformed }
            offset += 4
            return .null
        case UInt8(ascii: "\""):
            let quoted = try label()
            return .ascii(UnsafeRawBufferPointer(rebasing: quoted[1..<quoted.count - 1]))
        case UInt8(ascii: "{"):
            offset += 1
            let kind = try label()
            try expect(":")
            let digits = try label()
            try expect("}")
            guard digits.count % 2 == 0, kind.count == 3 else { throw .malformed }
            let hex = UnsafeRawBufferPointer(rebasing: digits[1..<digits.count - 1])
            switch kind[1] {
            case UInt8(ascii: "t"): return .text(hex: hex)
            case UInt8(ascii: "x"): return .blob(hex: hex)
            default: throw .malformed
            }
        default: return try number()
        }
    }

    private mutating func number() throws(StorageClassRefusal) -> StorageClassValue {
        let start = offset
        var isReal = false
        while offset < text.count, text[offset] != UInt8(ascii: ","), text[offset] != UInt8(ascii: "}") {
            if text[offset] == UInt8(ascii: "e") { isReal = true }
            offset += 1
        }
        let digits = UnsafeRawBufferPointer(rebasing: text[start..<offset])
        guard isReal else { return .integer(digits: digits, try Self.integer(digits)) }
        let word = String(decoding: digits, as: UTF8.self)
        if word == "1e999" { return .real(.infinity) }
        if word == "-1e999" { return .real(-.infinity) }
        guard let real = Double(word), real.isFinite else { throw .malformed }
        return .real(real)
    }

    private static func integer(_ digits: UnsafeRawBufferPointer) throws(StorageClassRefusal) -> Int64 {
        var value = Int64(0)
        let negative = digits.first == UInt8(ascii: "-")
        guard digits.count > (negative ? 1 : 0) else { throw .malformed }
        for byte in digits.dropFirst(negative ? 1 : 0) {
            guard case 0x30...0x39 = byte else { throw .malformed }
            let digit = Int64(byte - 0x30)
            let (tens, first) = value.multipliedReportingOverflow(by: 10)
            let (sum, second) = negative ? tens.subtractingReportingOverflow(digit) : tens.addingReportingOverflow(digit)
            guard !first, !second else { throw .malformed }
            value = sum
        }
        return value
    }
}
