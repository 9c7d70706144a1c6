import TidemarkCore
import TidemarkTestSupport

/// What the rows of a benchmark are like. The first column is the key.
enum RowKind: String, CaseIterable {
    /// TPC-B's accounts: 100 bytes.
    case tpcb = "TPC-B rows"
    /// 40 columns of ten types, a tenth of them NULL: 1 kB.
    case wide = "wide rows"
    /// Texts that JSON escapes, and characters beyond ASCII.
    case escaped = "rows with escapes"
    /// Two plain texts of 4 kB.
    case long = "long texts"

    /// A column, and how capture writes its value in a row.
    struct Column {
        let name: String
        let type: String
        let json: (_ id: Int, inout SeededRandom) -> String
    }

    var columns: [Column] {
        let id = Column(name: "id", type: "integer") { id, _ in String(id) }
        switch self {
        case .tpcb:
            return [
                id, Column(name: "bid", type: "integer") { id, _ in String(id / 100_000) },
                Column(name: "abalance", type: "integer") { _, random in String(Int.random(in: -5000...5000, using: &random)) },
                Column(name: "filler", type: "character(84)") { _, _ in quoted(String(repeating: " ", count: 84)) },
            ]
        case .wide: return [id] + (1..<40).map { Self.wideColumn($0) }
        case .escaped:
            return [
                id, Column(name: "title", type: "text") { id, _ in quoted("No. \(id): \"Übergrößenträger\", 東京 🚢") },
                Column(name: "path", type: "text") { id, random in quoted("C:\\import\\\(words(2, &random))\\\(id).csv") },
                Column(name: "note", type: "text") { _, random in
                    quoted((0..<4).map { _ in "\t" + words(6, &random) }.joined(separator: "\r\n") + "\u{1}")
                },
            ]
        case .long:
            return [id] + ["body", "abstract"].map { name in
                Column(name: name, type: "text") { _, random in quoted(words(460, &random)) }
            }
        }
    }

    private static func wideColumn(_ number: Int) -> Column {
        let types: [(type: String, json: (inout SeededRandom) -> String)] = [
            ("bigint", { String(Int.random(in: 0..<1 << 40, using: &$0)) }),
            ("smallint", { String(Int.random(in: 0..<100, using: &$0)) }),
            ("numeric(12,2)", { "\(Int.random(in: 0..<100_000, using: &$0)).\(Int.random(in: 10..<100, using: &$0))" }),
            ("double precision", { String(Double.random(in: 0..<1, using: &$0)) }),
            ("boolean", { String(Bool.random(using: &$0)) }),
            ("date", { quoted("20\(Int.random(in: 10..<30, using: &$0))-0\(Int.random(in: 1...9, using: &$0))-17") }),
            ("timestamp with time zone", { quoted("2031-05-17T10:22:\(Int.random(in: 10..<60, using: &$0)).123456+00:00") }),
            ("text", { quoted(words(5, &$0)) }),
            ("bytea", { quoted("\\x" + String($0.next() | 1 << 63, radix: 16)) }),
            ("text", { quoted(words(8, &$0)) }),
        ]
        let (type, json) = types[number % types.count]
        return Column(name: "column_\(number)", type: type) { _, random in
            Int.random(in: 0..<10, using: &random) == 0 ? "null" : json(&random)
        }
    }
}

/// Words of nine bytes with the blank between them.
private func words(_ count: Int, _ random: inout SeededRandom) -> String {
    (0..<count).map { _ in String(random.next() % 100_000_000 + 100_000_000).dropFirst() }.joined(separator: " ")
}

/// A JSON string as PostgreSQL writes it.
private func quoted(_ text: String) -> String {
    var json = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"", "\\": json += "\\" + String(scalar)
        case "\n": json += "\\n"
        case "\r": json += "\\r"
        case "\t": json += "\\t"
        case "\0"..<" ": json += "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
        default: json.unicodeScalars.append(scalar)
        }
    }
    return json + "\""
}
