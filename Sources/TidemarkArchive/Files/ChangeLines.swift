import TidemarkCore

/// Changes as lines of JSON, which a person can read, and whose keys and images are the very bytes of the log.
///
///     {"id":7,"xid":740,"capture":1,"operation":"U","keyBytes":8,"key":{"id":1},"image":{"id":1,"v":"x"}}
enum ChangeLines {
    static let newline: UInt8 = 0x0A

    /// - Parameter place: of the change in its page.
    static func append(_ place: Int, of page: ChangePage, to lines: inout [UInt8]) {
        let change = page.changes[place]
        lines += "{\"id\":\(change.id)".utf8
        if place < page.transactions.count { lines += ",\"xid\":\(page.transactions[place])".utf8 }
        lines += ",\"capture\":\(change.capture),\"operation\":\"".utf8
        lines.append(change.operation.rawValue)
        lines += "\"".utf8
        if let key = change.key {
            lines += ",\"keyBytes\":\(key.count),\"key\":".utf8
            append(page.bytes[key], to: &lines)
        }
        if let image = change.image {
            lines += ",\"image\":".utf8
            append(page.bytes[image], to: &lines)
        }
        lines += "}\n".utf8
    }

    /// A line break in JSON is a space between two tokens: in a text it would have to be written as `\n`.
    private static func append(_ json: ArraySlice<UInt8>, to lines: inout [UInt8]) {
        if json.contains(newline) { lines += json.map { $0 == newline ? 0x20 : $0 } } else { lines += json }
    }

    /// - Returns: false where the line is none of these.
    static func read(_ line: ArraySlice<UInt8>, into page: inout ChangePage) -> Bool {
        var rest = line
        guard let id = integer(after: "{\"id\":", &rest) else { return false }
        let transaction = integer(after: ",\"xid\":", &rest).flatMap { UInt64(exactly: $0) }
        guard let capture = integer(after: ",\"capture\":", &rest).flatMap({ Int32(exactly: $0) }),
            drop(",\"operation\":\"", &rest), let operation = rest.popFirst().flatMap({ Operation(rawValue: $0) }), drop("\"", &rest)
        else { return false }
        var key: ArraySlice<UInt8>?
        if let count = integer(after: ",\"keyBytes\":", &rest) {
            guard drop(",\"key\":", &rest), count <= rest.count else { return false }
            key = rest.prefix(Int(count))
            rest = rest.dropFirst(Int(count))
        }
        var image: ArraySlice<UInt8>?
        if drop(",\"image\":", &rest) {
            image = rest.dropLast()
            rest = rest.suffix(1)
        }
        guard rest.elementsEqual("}".utf8) else { return false }
        lend(key) { key in
            lend(image) { image in page.append(id: id, capture: capture, operation: operation, key: key, image: image, transaction: transaction) }
        }
        return true
    }

    private static func lend(_ bytes: ArraySlice<UInt8>?, _ body: (UnsafeRawBufferPointer?) -> Void) {
        if let bytes { bytes.withUnsafeBytes { body($0) } } else { body(nil) }
    }

    private static func drop(_ text: String, _ rest: inout ArraySlice<UInt8>) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest = rest.dropFirst(text.utf8.count)
        return true
    }

    private static func integer(after text: String, _ rest: inout ArraySlice<UInt8>) -> Int64? {
        guard drop(text, &rest) else { return nil }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        rest = rest.dropFirst(digits.count)
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}

/// Puts pieces together and takes them apart at line breaks.
struct LineSplitter {
    private var rest: [UInt8] = []
    private var searched = 0

    mutating func take(_ piece: UnsafeRawBufferPointer, _ receive: (ArraySlice<UInt8>) throws -> Void) rethrows {
        rest += piece
        var start = 0
        while let end = rest[max(start, searched)...].firstIndex(of: ChangeLines.newline) {
            try receive(rest[start..<end])
            start = end + 1
        }
        if start > 0 { rest.removeFirst(start) }
        searched = rest.count
    }

    var isEmpty: Bool { rest.isEmpty }
}
