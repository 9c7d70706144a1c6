/// Text that comes from databases and goes to a terminal: nothing in it moves the cursor, and columns stay columns.
package enum TerminalText {
    /// Control characters, and those that nobody sees or that turn the text around, written out.
    package static func visible(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: isHidden) else { return text }
        return text.unicodeScalars.reduce(into: "") { shown, scalar in
            guard isHidden(scalar) else { return shown.unicodeScalars.append(scalar) }
            switch scalar {
            case "\n": shown += "\\n"
            case "\t": shown += "\\t"
            default:
                let digits = String(scalar.value, radix: 16)
                shown += "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
            }
        }
    }

    /// A text of several lines as one.
    package static func sentence(_ text: String) -> String {
        text.split(separator: "\n").map { visible(String($0.drop { $0 == " " })) }.joined(separator: " ")
    }

    private static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .unassigned: true
        default: false
        }
    }

    /// How many cells of a terminal a text takes, as far as anybody can know.
    package static func width(_ text: some StringProtocol) -> Int { text.reduce(0) { $0 + width($1) } }

    private static func width(_ character: Character) -> Int {
        character.unicodeScalars.reduce(0) { found, scalar in
            if scalar.properties.isEmojiPresentation || wide.contains(where: { $0.contains(scalar.value) }) { return 2 }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .enclosingMark, .format: return found
            default: return max(found, 1)
            }
        }
    }

    /// What East Asian fonts draw in two cells.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0x303E, 0x3041...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
        0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD,
    ]

    /// Exactly so many cells; what is cut off ends with “…”.
    package static func fitted(_ text: String, to cells: Int, isFigure: Bool = false) -> String {
        let taken = width(text)
        if taken <= cells {
            let padding = String(repeating: " ", count: cells - taken)
            return isFigure ? padding + text : text + padding
        }
        guard cells > 0 else { return "" }
        var (kept, used) = ("", 0)
        for character in text {
            guard used + width(character) < cells else { break }
            kept.append(character)
            used += width(character)
        }
        return kept + "…" + String(repeating: " ", count: cells - used - 1)
    }

    /// Lines of at most so many cells, broken at spaces where there are any.
    package static func wrapped(_ text: String, to cells: Int) -> [String] {
        guard cells > 0 else { return [] }
        var lines = [""]
        for word in text.split(separator: " ") {
            var rest = word
            let needed = width(lines[lines.count - 1]) + (lines[lines.count - 1].isEmpty ? 0 : 1) + width(rest)
            if needed <= cells {
                lines[lines.count - 1] += (lines[lines.count - 1].isEmpty ? "" : " ") + rest
                continue
            }
            if !lines[lines.count - 1].isEmpty { lines.append("") }
            while width(rest) > cells {
                var part = rest.prefix(1)
                while width(rest.prefix(part.count + 1)) <= cells { part = rest.prefix(part.count + 1) }
                lines[lines.count - 1] = String(part)
                lines.append("")
                rest = rest.dropFirst(part.count)
            }
            lines[lines.count - 1] = String(rest)
        }
        return lines
    }
}

/// Figures for narrow columns.
package enum ShortFigure {
    package static let unknown = "–"

    /// “12.3k”
    package static func count(_ value: Int64?) -> String { value.map { count(Double($0)) } ?? unknown }

    package static func count(_ value: Double) -> String {
        guard value.isFinite else { return unknown }
        if value < 1000 { return value < 10 ? tenths(value) : "\(Int(value.rounded()))" }
        var (size, unit) = (value, 0)
        while size >= 999.95, unit < 4 { (size, unit) = (size / 1000, unit + 1) }
        return tenths(size) + ["", "k", "M", "G", "T"][unit]
    }

    /// “184ms”, “3.2s”, “5min”
    package static func span(_ seconds: Double?) -> String {
        guard let seconds, seconds.isFinite else { return unknown }
        return switch seconds {
        case ..<0.0005: "0s"
        case ..<1: "\(Int((seconds * 1000).rounded()))ms"
        case ..<10: "\(tenths(seconds))s"
        case ..<120: "\(Int(seconds.rounded()))s"
        case ..<7200: "\(Int((seconds / 60).rounded()))min"
        case ..<172_800: "\(Int((seconds / 3600).rounded()))h"
        default: "\(Int(min(seconds / 86400, 99_999).rounded()))d"
        }
    }

    /// “700.0MB”
    package static func bytes(_ value: Int64?) -> String {
        guard let value else { return unknown }
        var (size, unit) = (Double(value), 0)
        while size >= 1024, unit < 4 { (size, unit) = (size / 1024, unit + 1) }
        return unit == 0 ? "\(value)B" : tenths(size) + ["", "kB", "MB", "GB", "TB"][unit]
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
    }
}
