/// Sizes, as people write and read them: powers of 1024.
package enum ByteCount {
    private static let units = ["KB", "MB", "GB", "TB"]

    package static func text(_ bytes: Int64) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let tenths = Int((value * 10).rounded())
        return unit == 0 ? "\(bytes) bytes" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    /// “10GB”, and “0”; nil for anything else, so that nobody's 20 becomes 20 bytes.
    package static func parsed(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        guard let place = units.firstIndex(where: { text.uppercased().hasSuffix($0) }), let count = Int64(text.dropLast(2)), count > 0 else {
            return nil
        }
        let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: 1 << (10 * Int64(place + 1)))
        return isTooMuch ? nil : bytes
    }
}

/// Lengths of time, as people write and read them.
package enum TimeSpan {
    private static let units: [(letter: Character, seconds: Int64)] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]

    /// “24h”; nil for anything that is no number with s, m, h or d.
    package static func parsed(_ text: String) -> Int64? {
        guard let unit = units.first(where: { $0.letter == text.last }), let count = Int64(text.dropLast()), count > 0 else { return nil }
        let (seconds, isTooMuch) = count.multipliedReportingOverflow(by: unit.seconds)
        // What an interval of PostgreSQL holds, and more than anybody keeps.
        return isTooMuch || seconds > 100 * 365 * 86400 ? nil : seconds
    }

    /// The largest unit that says it exactly.
    package static func text(_ seconds: Int64) -> String {
        let unit = units.last { seconds % $0.seconds == 0 && seconds >= $0.seconds } ?? units[0]
        return "\(seconds / unit.seconds) \(unit.letter == "m" ? "min" : String(unit.letter))"
    }

    /// “about 3 h”: as exact as a forecast is.
    package static func estimate(_ seconds: Double) -> String {
        let unit = units.last { seconds >= 2 * Double($0.seconds) } ?? units[0]
        // A forecast of centuries is none, and no number.
        let count = min(seconds / Double(unit.seconds), 9999).rounded()
        return "about \(Int(count)) \(unit.letter == "m" ? "min" : String(unit.letter))"
    }
}
