/// Values as images of `.storageClasses` write them, byte for byte what `SQLiteEncoding` makes SQLite write in the
/// application's process: here it is tidemark's own, and several times as fast.
extension RowBuffer {
    func append(word: StaticString) { append(UnsafeRawBufferPointer(start: word.utf8Start, count: word.utf8CodeUnitCount)) }

    func appendImage(_ number: Int64) {
        // From the end; the longest has twenty characters.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var place = 20
            var rest = number.magnitude
            repeat {
                place -= 1
                digits[place] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            if number < 0 {
                place -= 1
                digits[place] = UInt8(ascii: "-")
            }
            append(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(digits)[place...]))
        }
    }

    func appendImage(text: UnsafeRawBufferPointer) {
        // Printable ASCII without `"` and `\`.
        let isPlain = text.allSatisfy { 0x20...0x7E ~= $0 && $0 != 0x22 && $0 != 0x5C }
        if isPlain {
            append(UInt8(ascii: "\""))
            append(text)
            append(UInt8(ascii: "\""))
        } else {
            append(word: #"{"t":""#)
            appendHex(text)
        }
    }

    func appendImage(blob: UnsafeRawBufferPointer) {
        append(word: #"{"x":""#)
        appendHex(blob)
    }

    private func appendHex(_ bytes: UnsafeRawBufferPointer) {
        let digits: StaticString = "0123456789ABCDEF"
        for byte in bytes {
            append(digits.utf8Start[Int(byte >> 4)])
            append(digits.utf8Start[Int(byte & 15)])
        }
        append(word: #""}"#)
    }

    func appendImage(_ value: SQLiteValue) {
        switch value {
        case .null: append(word: "null")
        case .integer(let number): appendImage(number)
        case .real(let number): appendImage(number)
        case .text(let bytes): bytes.withUnsafeBytes { appendImage(text: $0) }
        case .blob(let bytes): bytes.withUnsafeBytes { appendImage(blob: $0) }
        }
    }
}

/// The names of an image's members, as capture spells them, and what stands between the values.
struct ImageLabels {
    private let labels: [[UInt8]]

    init(_ names: [String]) {
        labels = names.enumerated().map { place, name in Array(((place == 0 ? "{" : ",") + SQLiteEncoding.jsonString(name) + ":").utf8) }
    }

    /// - Parameter value: appends the value of a member.
    @inline(__always)
    func write(to buffer: RowBuffer, _ value: (Int) -> Void) {
        if labels.isEmpty { buffer.append(UInt8(ascii: "{")) }
        for place in labels.indices {
            labels[place].withUnsafeBytes { buffer.append($0) }
            value(place)
        }
        buffer.append(UInt8(ascii: "}"))
    }
}
