/// A table of a source or target. The schema is nil in engines without schemas.
package struct TableName: Hashable, Sendable, Comparable {
    package let schema: String?
    package let name: String

    package init(schema: String?, name: String) {
        self.schema = schema
        self.name = name
    }

    package static func < (left: TableName, right: TableName) -> Bool {
        (left.schema ?? "", left.name) < (right.schema ?? "", right.name)
    }
}

extension TableName: CustomStringConvertible {
    /// For people: unquoted, `schema.table`.
    package var description: String { schema.map { "\($0).\(name)" } ?? name }
}

/// Which tables a pipeline takes: `schema.table`, in which `*` stands for any run of characters.
/// A pattern without a dot means the table in any schema; the first dot separates the two.
///
/// Behind a leading `!` it leaves tables out: of a selection's patterns the first one that names a table decides.
package struct TablePattern: Hashable, Sendable {
    package let text: String
    package let isNegated: Bool
    /// Without the `!`.
    private let positive: String
    private let schema: String
    private let name: String

    package init(_ text: String) {
        self.text = text
        isNegated = text.hasPrefix("!")
        positive = isNegated ? String(text.dropFirst()) : text
        if let dot = positive.firstIndex(of: ".") {
            schema = String(positive[..<dot])
            name = String(positive[positive.index(after: dot)...])
        } else {
            schema = "*"
            name = positive
        }
    }

    /// The pattern that leaves out what this one names.
    package var negated: TablePattern { TablePattern("!" + positive) }

    /// Does it name every table?
    package var isEverything: Bool { schema == "*" && name == "*" }

    /// Does it name all that the other one does? False also where that cannot be said from the texts.
    package func covers(_ other: TablePattern) -> Bool {
        isEverything || positive == other.positive || !other.positive.contains("*") && matches(other.asTable)
    }

    /// The table that it names, where it has no `*`; without a schema where any will do.
    package var asTable: TableName {
        positive.contains(".") ? TableName(schema: schema, name: name) : TableName(schema: nil, name: name)
    }

    package func matches(_ table: TableName) -> Bool {
        guard let tableSchema = table.schema else {
            return Self.matches(positive, table.name)
        }
        return Self.matches(schema, tableSchema) && Self.matches(name, table.name)
    }

    private static func matches(_ pattern: String, _ text: String) -> Bool {
        let pattern = Array(pattern.unicodeScalars)
        let text = Array(text.unicodeScalars)
        var (p, t) = (0, 0)
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == "*" {
                star = (p, t)
                p += 1
            } else if p < pattern.count, pattern[p] == text[t] {
                (p, t) = (p + 1, t + 1)
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                (p, t) = (last.pattern + 1, last.text + 1)
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }
}
