/// The lines of a file, as its parser counts them.
struct SourceLines {
    private(set) var lines: [[Unicode.Scalar]] = [[]]
    private static let longest = 120

    init(_ text: String) {
        var wasReturn = false
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n" where wasReturn: break
            case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": lines.append([])
            default: lines[lines.count - 1].append(scalar)
            }
            wasReturn = scalar == "\r"
        }
    }

    subscript(place: Place) -> Unicode.Scalar? {
        guard lines.indices.contains(place.line - 1), lines[place.line - 1].indices.contains(place.column - 1) else { return nil }
        return lines[place.line - 1][place.column - 1]
    }

    /// The line with a caret below the place; nil where the line may hold a secret. What follows an unknown key is left out:
    /// it may be a misspelt password.
    func excerpt(_ place: Place) -> String? {
        guard lines.indices.contains(place.line - 1) else { return nil }
        let line = lines[place.line - 1]
        var start = 0
        while start < line.count, line[start] == " " || (line[start] == "-" && start + 1 < line.count && line[start + 1] == " ") { start += 1 }
        var end = start
        while end < line.count, Self.isOfKey(line[end]) { end += 1 }
        guard end > start, end - start <= 63, end < line.count, line[end] == ":", end + 1 == line.count || line[end + 1] == " " else { return nil }
        let key = Self.text(line[start..<end])
        let rest = Self.text(line[(end + 1)...])
        var shown = Self.text(line[...end])
        if ConfigurationSection.shown.contains(key), !["://", "{", "$", "@", "#", "password"].contains(where: rest.contains) {
            shown = Self.text(line)
        } else if !rest.allSatisfy({ $0 == " " }) {
            shown += " …"
            guard place.column <= end + 1 else { return nil }
        }
        guard shown.unicodeScalars.count <= Self.longest, place.column <= shown.unicodeScalars.count + 1 else { return nil }
        return "  \(shown)\n  \(String(repeating: " ", count: place.column - 1))^"
    }

    /// The place where a key that stands at `first` stands again in the same mapping.
    func again(_ key: String, after first: Place) -> Place? {
        for number in lines.indices.dropFirst(first.line) {
            let line = lines[number]
            guard let start = line.firstIndex(where: { $0 != " " }), line[start] != "#" else { continue }
            if start < first.column - 1 { break }
            if start == first.column - 1, isKey(key, in: line, at: start) { return Place(line: number + 1, column: start + 1) }
        }
        // Or within braces, all on one line.
        guard lines.indices.contains(first.line - 1) else { return nil }
        let line = lines[first.line - 1]
        for start in line.indices.dropFirst(first.column) where [" ", ",", "{"].contains(line[start - 1]) && isKey(key, in: line, at: start) {
            return Place(line: first.line, column: start + 1)
        }
        return nil
    }

    /// Takes the key at this place for another one, which is left out.
    mutating func cross(out key: String, at place: Place) {
        var column = place.column - 1
        if self[place] == "\"" || self[place] == "'" { column += 1 }
        for other in column..<column + key.unicodeScalars.count where lines[place.line - 1].indices.contains(other) {
            lines[place.line - 1][other] = Self.crossed
        }
        // Two keys that were crossed out are not the same either.
        let number = UInt32(crossedOut % 6_000)
        crossedOut += 1
        if let own = Unicode.Scalar(0xE001 + number) { lines[place.line - 1][column] = own }
    }

    private var crossedOut = 0
    private static let crossed = Unicode.Scalar(0xE000 as UInt16) ?? " "
    static func isCrossedOut(_ key: String) -> Bool { key.unicodeScalars.first.map { (0xE000...0xF8FF).contains($0.value) } ?? false }

    var text: String { lines.map { Self.text($0[...]) }.joined(separator: "\n") }

    private func isKey(_ key: String, in line: [Unicode.Scalar], at start: Int) -> Bool {
        ["\(key)", "\"\(key)\"", "'\(key)'"].contains { form in
            let form = Array(form.unicodeScalars)
            guard line[start...].starts(with: form) else { return false }
            return line[(start + form.count)...].first { $0 != " " } == ":"
        }
    }

    private static func isOfKey(_ scalar: Unicode.Scalar) -> Bool {
        scalar.isASCII && (scalar.properties.isAlphabetic || ("0"..."9").contains(scalar) || scalar == "-" || scalar == "_" || scalar == ".")
    }

    private static func text(_ scalars: some Sequence<Unicode.Scalar>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }
}
