/// SQL expressions that write values as JSON text with core functions only.
///
/// The application's own SQLite runs them: JSON functions may be missing there, or refused by `trusted_schema=OFF`.
package enum SQLiteEncoding {
    /// Is a text, whose length in bytes is that in characters, printable ASCII without `"` and `\`? In three looks:
    /// GLOB finds one character by itself fast, and of a set every part counts for every character of the text
    /// (84 of them took 1.7 µs with one set for all, and take 1.1 µs so).
    private static func isPlain(_ column: String) -> String {
        #"NOT \#(column) GLOB '*"*' AND NOT \#(column) GLOB '*\*' AND NOT \#(column) GLOB '*[^ -~]*'"#
    }

    /// One value, given as a column reference (it is repeated several times).
    package static func value(_ column: String) -> String {
        // length() of text ends at a NUL, that of a blob does not: equal means that nothing hides behind one.
        """
        CASE typeof(\(column)) WHEN 'null' THEN 'null' WHEN 'integer' THEN cast(\(column) AS TEXT) \
        WHEN 'real' THEN CASE WHEN \(column) = 9e999 THEN '1e999' WHEN \(column) = -9e999 THEN '-1e999' \
        ELSE printf('%!.20e', \(column)) END \
        WHEN 'text' THEN CASE WHEN length(cast(\(column) AS BLOB)) = length(\(column)) \
        AND \(isPlain(column)) THEN '"' || \(column) || '"' ELSE '{"t":"' || hex(\(column)) || '"}' END \
        ELSE '{"x":"' || hex(\(column)) || '"}' END
        """
    }

    /// An object of columns by name; `row` is NEW, OLD or an alias.
    package static func object(_ columns: [String], of row: String) -> String {
        object(columns.map { ($0, "\(row).\(SQLiteIdentifier.quoted($0))") })
    }

    /// An object of columns by name, each with a reference to its value.
    static func object(_ columns: [(name: String, reference: String)]) -> String {
        let members = columns.enumerated().map { place, column in
            let label = (place == 0 ? "{" : ",") + jsonString(column.name) + ":"
            return "(\(SQLiteIdentifier.literal(label)) || \(value(column.reference)))"
        }
        return "(\(balanced(members[...])) || '}')"
    }

    /// Joined as a balanced tree: a chain of 2,000 columns is deeper than SQLite's limit of 1,000.
    private static func balanced(_ parts: ArraySlice<String>) -> String {
        guard parts.count > 1 else { return parts.first ?? "'{'" }
        let middle = parts.startIndex + parts.count / 2
        return "(\(balanced(parts[..<middle])) || \(balanced(parts[middle...])))"
    }

    /// A name as a JSON string.
    package static func jsonString(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" {
                result += "\\"
                result.unicodeScalars.append(scalar)
            } else if scalar.value < 0x20 {
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits
            } else {
                result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
