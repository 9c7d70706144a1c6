/// What a change of roles has come to.
package enum RoleChangeStep: String, Sendable, CaseIterable {
    case checked, prepared, read
    case caughtUp = "caught up"
    case fenced, drained, sequences, placed, replayed, promoted, turned, compared

    /// For people, as a line of the command's output.
    package var words: String {
        switch self {
        case .checked: "both databases are fit for their new roles"
        case .read: "the old primary's log is read"
        case .prepared: "capture stands on the new primary, and logs nothing yet"
        case .caughtUp: "the new primary has caught up"
        case .fenced: "the old primary refuses writes"
        case .drained: "the last change is applied"
        case .sequences: "sequences are set"
        case .placed: "the old primary will follow from here"
        case .replayed: "the lost changes are on the new primary"
        case .promoted: "the new primary takes writes"
        case .turned: "the old primary is a replica"
        case .compared: "both sides are compared"
        }
    }
}

/// A step of a change of roles that was done.
package struct RoleChangeReport: Sendable {
    package let step: RoleChangeStep
    package let seconds: Double
    /// What there is to know besides.
    package var note: String?
}
