/// Where something stands in a file; both count from 1, columns in Unicode scalars.
package struct Place: Hashable, Sendable, Comparable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) { (self.line, self.column) = (line, column) }

    package static func < (left: Self, right: Self) -> Bool { (left.line, left.column) < (right.line, right.column) }
}

/// Something that is wrong in a configuration, or that somebody should know of it. It never holds a secret.
package struct Diagnostic: Hashable, Sendable {
    package enum Severity: String, Sendable, CaseIterable {
        case error
        /// It can be used as it is.
        case warning
    }

    package var severity: Severity
    /// nil for the file as a whole.
    package var place: Place?
    package var what: String
    /// What was probably meant.
    package var suggestion: String?
    /// The line and a caret below it, where that shows nothing secret.
    package var excerpt: String?

    /// As compilers write it, so that editors can jump there.
    package func text(path: String) -> String {
        let whereabouts = place.map { ":\($0.line):\($0.column)" } ?? ""
        let kind = severity == .warning ? "warning: " : ""
        return "\(path)\(whereabouts): \(kind)\(what)" + (excerpt.map { "\n\($0)" } ?? "") + (suggestion.map { "\n  Did you mean “\($0)”?" } ?? "")
    }
}

/// A configuration that cannot be used, with everything that is wrong in it.
package struct ConfigurationProblems: Error, Sendable, CustomStringConvertible {
    package var path: String
    /// In the order of their places.
    package var diagnostics: [Diagnostic]

    package var errors: [Diagnostic] { diagnostics.filter { $0.severity == .error } }

    package var description: String { diagnostics.map { $0.text(path: path) }.joined(separator: "\n") }
}
