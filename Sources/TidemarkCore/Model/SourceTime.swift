/// A moment by the clock of a source, in microseconds since 1970, UTC.
package struct SourceTime: Hashable, Comparable, Sendable {
    package var microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static func < (left: SourceTime, right: SourceTime) -> Bool { left.microseconds < right.microseconds }

    package func earlier(bySeconds seconds: Int64) -> SourceTime { SourceTime(microseconds: microseconds - seconds * 1_000_000) }

    /// ISO 8601 with a zone, `2026-01-02T03:04:05.678+02:00`; without a zone it is UTC, without a time midnight. Nil for
    /// anything else.
    package init?(_ text: String) {
        var rest = Substring(text)
        guard let year = Self.number(&rest, digits: 4), Self.drop("-", from: &rest), let month = Self.number(&rest, digits: 2),
            Self.drop("-", from: &rest), let day = Self.number(&rest, digits: 2), year > 0, (1...12).contains(month),
            day > 0, day <= Self.days(in: month, of: year)
        else { return nil }
        var microseconds = Self.daysSince1970(year, month, day) * 86_400_000_000
        if !rest.isEmpty {
            guard Self.drop("T", from: &rest) || Self.drop("t", from: &rest) || Self.drop(" ", from: &rest),
                let time = Self.timeOfDay(&rest), let zone = Self.zoneSeconds(rest)
            else { return nil }
            microseconds += time - zone * 1_000_000
        }
        self.microseconds = microseconds
    }

    private static func timeOfDay(_ rest: inout Substring) -> Int64? {
        guard let hour = number(&rest, digits: 2), drop(":", from: &rest), let minute = number(&rest, digits: 2), hour < 24, minute < 60
        else { return nil }
        var microseconds = (hour * 60 + minute) * 60_000_000
        guard drop(":", from: &rest) else { return microseconds }
        guard let second = number(&rest, digits: 2), second < 60 else { return nil }
        microseconds += second * 1_000_000
        guard drop(".", from: &rest) else { return microseconds }
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        guard !digits.isEmpty else { return nil }
        rest = rest.dropFirst(digits.count)
        return microseconds + (Int64((digits + "000000").prefix(6)) ?? 0)
    }

    private static func zoneSeconds(_ text: Substring) -> Int64? {
        var rest = text
        if rest.isEmpty || rest == "Z" || rest == "z" { return 0 }
        let isWest = rest.first == "-"
        guard drop("+", from: &rest) || drop("-", from: &rest), let hours = number(&rest, digits: 2), hours <= 15 else { return nil }
        _ = drop(":", from: &rest)
        let minutes = rest.isEmpty ? 0 : number(&rest, digits: 2)
        guard let minutes, minutes < 60, rest.isEmpty else { return nil }
        return (isWest ? -1 : 1) * (hours * 60 + minutes) * 60
    }

    private static func number(_ rest: inout Substring, digits: Int) -> Int64? {
        let text = rest.prefix(digits)
        guard text.count == digits, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        rest = rest.dropFirst(digits)
        return Int64(text)
    }

    private static func drop(_ character: Character, from rest: inout Substring) -> Bool {
        guard rest.first == character else { return false }
        rest = rest.dropFirst()
        return true
    }

    private static func days(in month: Int64, of year: Int64) -> Int64 {
        let next = month == 12 ? daysSince1970(year + 1, 1, 1) : daysSince1970(year, month + 1, 1)
        return next - daysSince1970(year, month, 1)
    }

    /// Of the Gregorian calendar, whose years are counted from March on, so that the leap day is a year's last.
    private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
        let marchYear = month > 2 ? year : year - 1
        let marchMonth = (month + 9) % 12
        let leapDays = marchYear / 4 - marchYear / 100 + marchYear / 400
        return marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + day - 719_469
    }
}

extension SourceTime: CustomStringConvertible {
    /// `2026-01-02T03:04:05.678Z`, which sorts as the moments do.
    package var description: String {
        let milliseconds = Self.floored(microseconds, 1000)
        let days = Self.floored(milliseconds, 86_400_000)
        let inDay = milliseconds - days * 86_400_000
        var year = 1970 + days / 366
        while Self.daysSince1970(year + 1, 1, 1) <= days { year += 1 }
        while Self.daysSince1970(year, 1, 1) > days { year -= 1 }
        var month = Int64(1)
        while month < 12, Self.daysSince1970(year, month + 1, 1) <= days { month += 1 }
        let day = days - Self.daysSince1970(year, month, 1) + 1
        return "\(Self.padded(year, 4))-\(Self.padded(month))-\(Self.padded(day))T\(Self.padded(inDay / 3_600_000))"
            + ":\(Self.padded(inDay / 60_000 % 60)):\(Self.padded(inDay / 1000 % 60)).\(Self.padded(inDay % 1000, 3))Z"
    }

    /// The same to the microsecond.
    package var exact: String { description.dropLast() + Self.padded(microseconds - Self.floored(microseconds, 1000) * 1000, 3) + "Z" }

    private static func floored(_ value: Int64, _ unit: Int64) -> Int64 { value >= 0 ? value / unit : (value - unit + 1) / unit }

    private static func padded(_ value: Int64, _ digits: Int = 2) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
