package import TidemarkCore

/// What a worker tells whoever listens, as it happens.
package enum PipelineEvent: Sendable {
    /// Both databases answer; it goes on behind this change.
    case connected(Int64)
    case copied(TableName, rows: Int64)
    /// A window is committed in the target.
    case applied(changes: Int, through: Int64)
    /// It cannot go on, or tries again where `retry` says so.
    case failed(TidemarkError)
}
