/// Finds uses of SQLite's date functions that read the clock, or the time zone of the process: SQLite itself notices them only in rows for
/// which they are evaluated.
enum ClockWords {
    private static let functions: Set = ["date", "time", "datetime", "julianday", "unixepoch", "strftime"]
    private static let words: Set = ["'now'", "'localtime'", "'utc'"]

    /// - Returns: the first one, as it stands there.
    static func found(in sql: String) -> String? {
        let tokens = SQLiteIndexText.tokens(sql).filter { !$0.allSatisfy(\.isWhitespace) }
        for (place, token) in tokens.enumerated() where functions.contains(SQLiteIdentifier.folded(token)) {
            guard place + 1 < tokens.count, tokens[place + 1] == "(" else { continue }
            let arguments = arguments(tokens[(place + 1)...])
            if let word = arguments.flatMap(\.self).first(where: { words.contains(SQLiteIdentifier.folded($0)) }) { return "\(token)(\(word))" }
            let least = SQLiteIdentifier.folded(token) == "strftime" ? 2 : 1
            if arguments.count < least { return "\(token)() of now" }
        }
        return nil
    }

    /// The tokens of each argument, behind an opening parenthesis.
    private static func arguments(_ tokens: ArraySlice<String>) -> [[String]] {
        var (depth, found) = (0, [[String]]())
        for token in tokens {
            if token == ")" { depth -= 1 }
            if depth == 0, token == ")" { break }
            if token == "(", depth == 0 {
                depth = 1
                continue
            }
            if found.isEmpty { found.append([]) }
            if token == "(" { depth += 1 }
            if token == ",", depth == 1 { found.append([]) } else { found[found.count - 1].append(token) }
        }
        return found
    }
}
