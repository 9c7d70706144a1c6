/// What a column of the target makes of SQLite's storage classes.
enum StorageClassTarget {
    case integer(ClosedRange<Int64>)
    case boolean
    case double
    case single
    /// Digits before and after the point; nil where there is no limit.
    case numeric(whole: Int?, scale: Int?)
    /// Characters; nil where there is no limit.
    case text(charactersMax: Int?)
    /// Types that cut what is too long: bytes.
    case name(bytesMax: Int)
    case bytes
    case moment(DateTimeText)
    /// So many digits of a second.
    case interval(fraction: Int)
    /// Takes what its input function takes.
    case input
    /// Takes nothing: its input function would lose something without a word.
    case none

    init(_ baseType: String) {
        guard let type = TypeText(baseType), !type.isQualified else {
            self = .input
            return
        }
        guard !type.isArray else {
            self = Self.takesArray(of: StorageClassTarget(baseType.split(separator: "[", maxSplits: 1).first.map(String.init) ?? ""))
            return
        }
        let first = type.modifiers.first
        switch type.name {
        case "smallint": self = .integer(Int64(Int16.min)...Int64(Int16.max))
        case "integer": self = .integer(Int64(Int32.min)...Int64(Int32.max))
        case "bigint": self = .integer(Int64.min...Int64.max)
        case "oid": self = .integer(0...Int64(UInt32.max))
        case "boolean": self = .boolean
        case "double precision": self = .double
        case "real": self = .single
        case "numeric":
            let scale = type.modifiers.dropFirst().first
            self = .numeric(whole: first.map { $0 - (scale ?? 0) }, scale: scale)
        case "text", "character varying", "character", "bpchar": self = .text(charactersMax: first)
        case "name": self = .name(bytesMax: 63)
        case "\"char\"": self = .name(bytesMax: 1)
        case "bytea": self = .bytes
        case "date": self = .moment(DateTimeText(date: true, time: false, zone: false, fraction: 0))
        case "timestamp without time zone": self = .moment(DateTimeText(date: true, time: true, zone: false, fraction: first ?? 6))
        case "timestamp with time zone": self = .moment(DateTimeText(date: true, time: true, zone: true, fraction: first ?? 6))
        case "time without time zone": self = .moment(DateTimeText(date: false, time: true, zone: false, fraction: first ?? 6))
        case "time with time zone": self = .moment(DateTimeText(date: false, time: true, zone: true, fraction: first ?? 6))
        case "interval": self = .interval(fraction: first ?? 6)
        case "uuid", "json", "jsonb", "inet", "cidr", "macaddr", "macaddr8", "xml", "bit", "bit varying", "pg_lsn", "tsvector",
            "tsquery", "jsonpath":
            self = .input
        case "int4range", "int8range", "numrange", "daterange": self = .input
        default: self = .none
        }
    }

    /// An array is text; where its elements' input function could lose something, none is taken.
    private static func takesArray(of element: StorageClassTarget) -> StorageClassTarget {
        switch element {
        case .integer, .boolean, .double, .text, .bytes, .input, .numeric(nil, _): .input
        case .single, .numeric, .name, .moment, .interval, .none: .none
        }
    }

    /// Is there one text only for each value, whoever wrote it?
    static func isCanonical(_ baseType: String) -> Bool {
        switch StorageClassTarget(baseType) {
        case .integer, .boolean, .bytes: true
        case .text: TypeText(baseType)?.name != "character" && TypeText(baseType)?.name != "bpchar"
        default: false
        }
    }
}

/// Dates and times as ISO 8601 writes them. PostgreSQL's input functions take more, and lose it: a
/// date drops a time, a time without zone drops the zone, digits beyond the precision are rounded, and
/// `now` is another moment each time.
struct DateTimeText {
    let date: Bool
    let time: Bool
    let zone: Bool
    /// How many digits of a second the type keeps.
    let fraction: Int

    func takes(_ text: UnsafeRawBufferPointer) -> Bool {
        var scanner = Scanner(text: text)
        if date {
            let word = String(decoding: text, as: UTF8.self)
            if word == "infinity" || word == "-infinity" { return true }
            guard scanner.digits(4...6) != nil, scanner.take("-"), scanner.digits(2...2) != nil, scanner.take("-"),
                scanner.digits(2...2) != nil
            else { return false }
            if time, scanner.take("T") || scanner.peek(" ", then: isDigit), !clock(&scanner) { return false }
        } else if !clock(&scanner) {
            return false
        }
        if date { _ = scanner.take(" ") && scanner.take("B") && scanner.take("C") }
        return scanner.isAtEnd
    }

    /// Has no number of the text more digits after its point than are kept?
    static func keeps(_ digits: Int, of text: UnsafeRawBufferPointer) -> Bool {
        var scanner = Scanner(text: text)
        while !scanner.isAtEnd {
            if !scanner.take(".") { scanner.offset += 1 } else if !scanner.fraction(digits) { return false }
        }
        return true
    }

    private func clock(_ scanner: inout Scanner) -> Bool {
        guard scanner.digits(2...2) != nil, scanner.take(":"), scanner.digits(2...2) != nil else { return false }
        if scanner.take(":") {
            // A second 60 would become the next minute.
            guard let second = scanner.digits(2...2), second < 60 else { return false }
            if scanner.take("."), !scanner.fraction(fraction) { return false }
        }
        guard zone else { return true }
        if scanner.take("Z") { return true }
        guard scanner.take("+") || scanner.take("-") else { return true }
        guard scanner.digits(2...2) != nil else { return false }
        while scanner.take(":") { guard scanner.digits(2...2) != nil else { return false } }
        return true
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private struct Scanner {
        let text: UnsafeRawBufferPointer
        var offset = 0

        init(text: UnsafeRawBufferPointer) { self.text = text }

        var isAtEnd: Bool { offset == text.count }

        mutating func take(_ character: Unicode.Scalar) -> Bool {
            guard offset < text.count, text[offset] == UInt8(ascii: character) else { return false }
            offset += 1
            return true
        }

        /// Takes the character if what follows it fits too.
        mutating func peek(_ character: Unicode.Scalar, then fits: (UInt8) -> Bool) -> Bool {
            guard offset + 1 < text.count, fits(text[offset + 1]) else { return false }
            return take(character)
        }

        mutating func digits(_ count: ClosedRange<Int>) -> Int? {
            var (value, taken) = (0, 0)
            while taken < count.upperBound, offset < text.count, case 0x30...0x39 = text[offset] {
                value = value * 10 + Int(text[offset] - 0x30)
                offset += 1
                taken += 1
            }
            return taken >= count.lowerBound ? value : nil
        }

        /// Digits of which only so many are not zero.
        mutating func fraction(_ kept: Int) -> Bool {
            var taken = 0
            while offset < text.count, case 0x30...0x39 = text[offset] {
                if taken >= kept, text[offset] != 0x30 { return false }
                offset += 1
                taken += 1
            }
            return taken > 0
        }
    }
}
