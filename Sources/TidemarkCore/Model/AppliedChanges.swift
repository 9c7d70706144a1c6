/// Changes in a source's log that tidemark applied there itself, which carry the origin that they had: the identity of the database
/// where they were first made.
package enum AppliedChanges: Hashable, Sendable {
    /// Not taken: only what was first made in the source itself.
    case leftOut
    /// Taken and passed on, but for what was first made in the database that they would go to.
    case passedOn(except: String?)
}
