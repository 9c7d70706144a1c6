/// Reads the terms and the WHERE of a CREATE INDEX text; SQLite keeps them nowhere else.
struct SQLiteIndexText {
    let terms: [String]
    let predicate: String?

    init?(_ sql: String) {
        let tokens = Self.tokens(sql)
        guard let open = tokens.firstIndex(of: "(") else { return nil }
        var depth = 0
        var terms: [[String]] = [[]]
        var end: Int?
        for place in tokens.indices[open...] {
            let token = tokens[place]
            if token == "(" { depth += 1 }
            if token == ")" { depth -= 1 }
            if depth == 0 {
                end = place
                break
            }
            if place == open { continue }
            if token == ",", depth == 1 { terms.append([]) } else { terms[terms.count - 1].append(token) }
        }
        guard let end else { return nil }
        self.terms = terms.map(Self.expression)
        let rest = tokens[(end + 1)...]
        let word = rest.firstIndex { $0.uppercased() == "WHERE" }
        predicate = word.map { Self.joined(rest[($0 + 1)...]) }
    }

    /// Does this CREATE TRIGGER text, as SQLite keeps it, make a trigger that runs before the row is written?
    /// Without a word for it, it does.
    static func isBeforeTrigger(_ sql: String) -> Bool {
        let words = tokens(sql).filter { !isBlank($0) }
        // CREATE TRIGGER name …
        return words.count < 4 || words[3].uppercased() != "AFTER"
    }

    /// The term without its order; a COLLATE may stay, the index's collation is the same one.
    private static func expression(_ tokens: [String]) -> String {
        var tokens = tokens.filter { !isBlank($0) }
        if let last = tokens.last?.uppercased(), last == "ASC" || last == "DESC" { tokens.removeLast() }
        return joined(tokens[...])
    }

    private static func joined(_ tokens: ArraySlice<String>) -> String {
        tokens.joined(separator: tokens.contains(where: isBlank) ? "" : " ")
    }

    private static func isBlank(_ token: String) -> Bool { token.allSatisfy(\.isWhitespace) }

    /// Words, quoted texts, blanks, operators; comments become a blank.
    static func tokens(_ sql: String) -> [String] {
        let text = Array(sql.unicodeScalars)
        var result: [String] = []
        var place = 0
        while place < text.count {
            let end = endOfToken(text, place)
            let token = String(String.UnicodeScalarView(text[place..<end]))
            result.append(token.hasPrefix("--") || token.hasPrefix("/*") ? " " : token)
            place = end
        }
        return result
    }

    private static func endOfToken(_ text: [Unicode.Scalar], _ start: Int) -> Int {
        let first = text[start]
        let next: Unicode.Scalar? = start + 1 < text.count ? text[start + 1] : nil
        var place = start + 1
        if first == "'" || first == "\"" || first == "`" || first == "[" {
            let closing: Unicode.Scalar = first == "[" ? "]" : first
            while place < text.count {
                if text[place] == closing {
                    guard closing != "]", place + 1 < text.count, text[place + 1] == closing else { return place + 1 }
                    place += 1
                }
                place += 1
            }
            return text.count
        }
        if first == "-", next == "-" {
            while place < text.count, text[place] != "\n" { place += 1 }
            return place
        }
        if first == "/", next == "*" {
            place += 1
            while place < text.count {
                if text[place] == "/", text[place - 1] == "*", place > start + 2 { return place + 1 }
                place += 1
            }
            return place
        }
        if isWord(first) {
            // A dot inside a number belongs to it: `1.5` split and rejoined with blanks is no number.
            while place < text.count, isWord(text[place]) || text[place] == "." { place += 1 }
            // x'41' is one token as well.
            if place < text.count, text[place] == "'", place == start + 1, first == "x" || first == "X" {
                return endOfToken(text, place)
            }
            return place
        }
        // Operators of two characters must stay together.
        let pair = next.map { String(String.UnicodeScalarView([first, $0])) } ?? ""
        return ["||", "<=", ">=", "<>", "!=", "==", "<<", ">>", "->"].contains(pair)
            ? (pair == "->" && start + 2 < text.count && text[start + 2] == ">" ? start + 3 : start + 2) : start + 1
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar == "$" || scalar.value >= 0x80 || ("0"..."9").contains(scalar)
            || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
    }
}
