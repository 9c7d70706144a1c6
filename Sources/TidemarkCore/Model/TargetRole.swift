/// What a pipeline's target is for.
package enum TargetRole: String, Sendable, CaseIterable {
    /// It can be promoted, and nobody but the pipeline writes to its tables until then.
    case replica
    /// Others may write to its tables, too.
    case feed

    package static let forms = allCases.map(\.rawValue).joined(separator: " or ")
}
