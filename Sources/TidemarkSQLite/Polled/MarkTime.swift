import TidemarkCore

/// A moment as applications write it into SQLite, which has no type for it: what the value is says how it is meant.
enum MarkTime {
    /// A text in ISO form without a zone, or with Z, which sorts as the moments do.
    case text
    /// A number that counts so many units of a second.
    case number(perSecond: Double)

    /// - Returns: nil for what is no moment that can be told from a counter.
    init?(_ value: SQLiteValue) {
        switch value {
        case .text(let bytes):
            guard let text = String(validating: bytes, as: UTF8.self), Self.moment(text) != nil else { return nil }
            self = .text
        case .integer(let number): self.init(Double(number))
        case .real(let number): self.init(number)
        case .null, .blob: return nil
        }
    }

    /// By their size: from the year 1973 on, seconds, milliseconds, microseconds and nanoseconds since 1970 are ranges apart.
    private init?(_ number: Double) {
        switch number {
        case 2_400_000..<2_600_000: self = .number(perSecond: 1 / 86_400)  // Julian days
        case 1e8..<1e11: self = .number(perSecond: 1)
        case 1e11..<1e14: self = .number(perSecond: 1e3)
        case 1e14..<1e17: self = .number(perSecond: 1e6)
        case 1e17..<9.2e18: self = .number(perSecond: 1e9)
        default: return nil
        }
    }

    /// - Returns: a value that all later than so many seconds before that one follow, or are; nil where it is no moment.
    static func earlier(_ value: SQLiteValue, bySeconds seconds: Int64) -> SQLiteValue? {
        guard let time = MarkTime(value) else { return nil }
        switch (time, value) {
        case (.text, .text(let bytes)): return earlier(String(decoding: bytes, as: UTF8.self), bySeconds: seconds).map { .string($0) }
        case (.number(let perSecond), .integer(let number)) where perSecond >= 1: return .integer(number - Int64(perSecond) * seconds)
        case (.number(let perSecond), .integer(let number)): return .real(Double(number) - Double(seconds) * perSecond)
        case (.number(let perSecond), .real(let number)): return .real(number - Double(seconds) * perSecond)
        default: return nil
        }
    }

    /// To the second, or what the text has of it: as a beginning, that sorts before every longer form of the same second.
    private static func earlier(_ text: String, bySeconds seconds: Int64) -> String? {
        guard let moment = moment(text) else { return nil }
        let written = Array(moment.earlier(bySeconds: seconds).description.utf8)
        var kept = Array(written.prefix([10, 16, 19].last { $0 <= text.utf8.count } ?? 10))
        if kept.count > 10 { kept[10] = Array(text.utf8)[10] }
        return String(decoding: kept, as: UTF8.self)
    }

    private static func moment(_ text: String) -> SourceTime? {
        guard let moment = SourceTime(text) else { return nil }
        // Behind the date, a sign begins a zone; texts of several zones do not sort as their moments do.
        return text.utf8.dropFirst(10).contains { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "-") } ? nil : moment
    }
}
