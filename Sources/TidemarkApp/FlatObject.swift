import Foundation

/// A row's image, cut into its members without making anything of them: numbers keep their digits.
enum FlatObject {
    static func members(_ json: String) -> [(name: String, value: String)] {
        var found: [(name: String, value: String)] = []
        let bytes = Array(json.utf8)
        var (depth, inString, escaped, start) = (0, false, false, 1)
        var colon: Int?
        func close(_ end: Int) {
            guard let at = colon, at > start else { return }
            let name = (try? JSONDecoder().decode(String.self, from: Data(bytes[start..<at]))) ?? String(decoding: bytes[start..<at], as: UTF8.self)
            found.append((name, String(decoding: bytes[(at + 1)..<end], as: UTF8.self)))
        }
        for (place, byte) in bytes.enumerated() {
            if inString {
                if escaped { escaped = false } else if byte == UInt8(ascii: "\\") { escaped = true } else if byte == UInt8(ascii: "\"") { inString = false }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): inString = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { close(place) }
            case UInt8(ascii: ":") where depth == 1 && colon == nil: colon = place
            case UInt8(ascii: ",") where depth == 1:
                close(place)
                (start, colon) = (place + 1, nil)
            default: break
            }
        }
        return found
    }

    /// SQLite's texts and blobs travel in hex, and its reals with twenty digits.
    static func shown(_ value: String) -> String {
        if let match = value.wholeMatch(of: /\{"(t|x)":"([0-9A-F]*)"\}/) {
            guard match.1 == "t" else { return "x'\(match.2)'" }
            let digits = Array(match.2.utf8)
            let bytes = stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(decoding: digits[$0...$0 + 1], as: UTF8.self), radix: 16) }
            let text = (try? JSONEncoder().encode(String(decoding: bytes, as: UTF8.self))) ?? Data()
            return String(decoding: text, as: UTF8.self)
        }
        if value.wholeMatch(of: /-?[0-9]\.[0-9]{20}e[+-][0-9]+/) != nil, let number = Double(value) { return "\(number)" }
        return value
    }
}
