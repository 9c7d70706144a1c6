/// Changes in a source's log that tidemark applied there itself, which carry the origin that they had: the identity of the database
/// where they were first made.
package enum AppliedChanges: Hashable, Sendable {
    /// Not taken: only what was first made in the source itself.
    case leftOut
    /// Taken and passed on, but for what was first made in the database that they would go to, or came from there: who merges would
    /// count it once more.
    case passedOn(except: String?)
}

/// How `tidemark.applied`, and `tidemark_applied`, say where a change was made: the identity of the database where that was first and, behind
/// a space, of the one that it came from, where that is another one.
package enum AppliedOrigin {
    /// Of what was decided here.
    package static let own = ""

    /// - Parameters:
    ///   - origin: nil for the source.
    ///   - source: where it was read.
    package static func text(_ origin: String?, from source: String) -> String {
        guard let origin, origin != source else { return source }
        return "\(origin) \(source)"
    }

    /// The databases that know of the change: where it was made, and where it came from; none where it was decided here.
    package static func databases(in text: String) -> [String] { text.split(separator: " ").map(String.init) }
}
