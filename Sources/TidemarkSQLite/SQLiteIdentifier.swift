/// Names and literals as SQL text.
package enum SQLiteIdentifier {
    /// A name in double quotes.
    package static func quoted(_ name: String) -> String { "\"" + doubled(name, "\"") + "\"" }

    /// A string literal in single quotes.
    package static func literal(_ text: String) -> String { "'" + doubled(text, "'") + "'" }

    /// The form in which SQLite compares names: letters of ASCII have no case, all others do.
    static func folded(_ name: String) -> String {
        String(String.UnicodeScalarView(name.unicodeScalars.map { scalar in
            ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) + 32) : scalar
        }))
    }

    // By Unicode scalar: a quote followed by a combining mark is one Character, and would be missed.
    private static func doubled(_ text: String, _ quote: Unicode.Scalar) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            result.append(scalar)
            if scalar == quote { result.append(quote) }
        }
        return String(result)
    }
}
