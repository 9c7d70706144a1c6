/// What a service does with a pipeline that cannot go on by itself. Databases that do not answer are waited for whatever
/// it says.
package enum FailurePolicy: String, Sendable, CaseIterable, Codable {
    /// Stays where it is until a person has it run again.
    case stop
    /// Tries again, less and less often, until it is mended.
    case retry
    /// Parks the transaction that cannot be applied, with all later changes of the keys that it touched; the rest flows.
    case setAside = "set-aside"

    /// The texts, for help and errors.
    package static let forms = allCases.map(\.rawValue).joined(separator: ", ")
}
