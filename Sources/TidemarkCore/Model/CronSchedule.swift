/// The minutes that five fields of cron name: minute, hour, day of the month, month, day of the week. In UTC.
///
/// Each field is `*`, or numbers, ranges and steps with commas (`0,30`, `1-5`, `*/15`, `9-17/2`); Sunday is 0 or 7. Where both days are
/// restricted, either is enough, as POSIX has it.
package struct CronSchedule: Hashable, Sendable {
    package static let forms = "five fields of cron, such as 0 3 * * * (at three each night, UTC)"

    private var minutes: Set<Int>
    private var hours: Set<Int>
    private var days: Set<Int>
    private var months: Set<Int>
    private var weekdays: Set<Int>
    private var isEitherDay: Bool

    /// - Returns: nil where the text is no schedule, or names no day that ever comes.
    package init?(_ text: String) {
        let fields = text.split(whereSeparator: { $0 == " " || $0 == "\t" })
        guard fields.count == 5, let minutes = Self.values(fields[0], 0...59), let hours = Self.values(fields[1], 0...23),
            let days = Self.values(fields[2], 1...31), let months = Self.values(fields[3], 1...12), let weekdays = Self.values(fields[4], 0...7)
        else { return nil }
        (self.minutes, self.hours, self.days, self.months) = (minutes, hours, days, months)
        self.weekdays = Set(weekdays.map { $0 % 7 })
        isEitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
        guard next(after: SourceTime(microseconds: 0)) != nil else { return nil }
    }

    private static func values(_ field: Substring, _ range: ClosedRange<Int>) -> Set<Int>? {
        var values: Set<Int> = []
        for part in field.split(separator: ",", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "/", omittingEmptySubsequences: false)
            guard pieces.count <= 2, let step = pieces.count == 2 ? number(pieces[1]) : 1, step > 0, let span = span(pieces[0], range, isStepped: pieces.count == 2)
            else { return nil }
            values.formUnion(stride(from: span.lowerBound, through: span.upperBound, by: step))
        }
        return values
    }

    private static func span(_ text: Substring, _ range: ClosedRange<Int>, isStepped: Bool) -> ClosedRange<Int>? {
        if text == "*" { return range }
        let ends = text.split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count <= 2, let first = number(ends[0]), range.contains(first) else { return nil }
        guard ends.count == 2 else { return first...(isStepped ? range.upperBound : first) }
        guard let last = number(ends[1]), range.contains(last), first <= last else { return nil }
        return first...last
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.count <= 4, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(text)
    }

    /// The first minute of the schedule behind a moment; nil where none comes within eight years, which is how long a 29th of February
    /// may be away.
    package func next(after moment: SourceTime) -> SourceTime? {
        let (minuteUs, dayUs) = (Int64(60_000_000), Int64(86_400_000_000))
        let first = (moment.microseconds / minuteUs + 1) * minuteUs
        let firstDay = first / dayUs
        for day in firstDay...firstDay + 366 * 8 where takes(day: day) {
            let begin = day == firstDay ? Int((first % dayUs) / minuteUs) : 0
            for minute in begin..<1440 where hours.contains(minute / 60) && minutes.contains(minute % 60) {
                return SourceTime(microseconds: day * dayUs + Int64(minute) * minuteUs)
            }
        }
        return nil
    }

    /// - Parameter day: since 1970-01-01, a Thursday.
    private func takes(day: Int64) -> Bool {
        let (month, dayOfMonth) = Self.date(day)
        guard months.contains(month) else { return false }
        let (isDay, isWeekday) = (days.contains(dayOfMonth), weekdays.contains(Int((day + 4) % 7)))
        return isEitherDay ? isDay || isWeekday : isDay && isWeekday
    }

    /// Month and day by the proleptic Gregorian calendar; the year begins in March, so that the leap day is its last.
    private static func date(_ day: Int64) -> (month: Int, day: Int) {
        let shifted = day + 719_468
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        return (Int(month < 10 ? month + 3 : month - 9), Int(dayOfYear - (153 * month + 2) / 5 + 1))
    }
}
