/// A name with its schema, as it is read from SQL that a catalogue function wrote.
struct QualifiedName: Hashable {
    let schema: String
    let name: String

    var quoted: String { PostgresIdentifier.qualified(schema, name) }

    /// The name that follows a keyword outside of quotes; nil where there is none with a schema.
    init?(after keyword: String, in sql: String) {
        var words = SQLWords(sql)
        while let word = words.next() {
            guard word.isBare, word.text.lowercased() == keyword else { continue }
            self.init(&words)
            return
        }
        return nil
    }

    /// The name that comes next.
    init?(_ words: inout SQLWords) {
        guard let schema = words.next(), words.next()?.text == ".", let name = words.next() else { return nil }
        self.init(schema: schema.text, name: name.text)
    }

    init(schema: String, name: String) { (self.schema, self.name) = (schema, name) }
}

/// Reads SQL word by word: names, quoted or not, string literals, and single characters.
struct SQLWords {
    struct Word {
        /// A quoted name without its quotes.
        let text: String
        /// Neither a quoted name nor a literal.
        let isBare: Bool
    }

    private var rest: Substring.UnicodeScalarView

    init(_ sql: String) { rest = Substring(sql).unicodeScalars }

    mutating func next() -> Word? {
        rest = rest.drop { $0 == " " || $0 == "\n" || $0 == "\t" }
        guard let first = rest.popFirst() else { return nil }
        if first == "\"" || first == "'" { return Word(text: quoted(by: first), isBare: false) }
        var text = String.UnicodeScalarView([first])
        while Self.isWord(first), let scalar = rest.first, Self.isWord(scalar) { text.append(rest.removeFirst()) }
        return Word(text: String(text), isBare: true)
    }

    /// Takes these words, or stays where it is.
    mutating func take(_ words: String...) -> Bool {
        let start = rest
        for word in words {
            guard let next = next(), next.isBare, next.text.lowercased() == word else {
                rest = start
                return false
            }
        }
        return true
    }

    private mutating func quoted(by quote: Unicode.Scalar) -> String {
        var text = String.UnicodeScalarView()
        while let scalar = rest.popFirst() {
            if scalar == quote {
                guard rest.first == quote else { break }
                rest.removeFirst()
            }
            text.append(scalar)
        }
        return String(text)
    }

    private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar == "$" || scalar.value >= 0x80 || ("0"..."9").contains(scalar)
            || ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar)
    }
}
