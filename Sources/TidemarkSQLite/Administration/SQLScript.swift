/// The statements of one of the files under sql/sqlite, for a plan: as SQLite will keep them, with their comments.
enum SQLScript {
    static func statements(_ script: String) -> [String] {
        var statements: [String] = []
        var rest = Substring(script)
        while let start = statementStart(rest) {
            let end = statementEnd(start)
            statements.append(String(start[..<end]))
            rest = start[end...].dropFirst()
        }
        return statements
    }

    /// Behind blanks and whole-line comments; nil where nothing follows.
    private static func statementStart(_ text: Substring) -> Substring? {
        var text = text
        while true {
            text = text.drop { $0.isWhitespace }
            guard text.hasPrefix("--") else { return text.isEmpty ? nil : text }
            text = text.drop { $0 != "\n" }
        }
    }

    /// The semicolon that is in no comment and in no literal.
    private static func statementEnd(_ text: Substring) -> Substring.Index {
        var place = text.startIndex
        var isLiteral = false
        while place < text.endIndex {
            if text[place] == "'" { isLiteral.toggle() }
            if !isLiteral, text[place] == ";" { return place }
            if !isLiteral, text[place...].hasPrefix("--") {
                place = text[place...].firstIndex(of: "\n") ?? text.endIndex
                continue
            }
            place = text.index(after: place)
        }
        return place
    }
}
