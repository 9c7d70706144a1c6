import TidemarkCore

/// A source whose replica was promoted while it was away. What is written to it would be lost.
struct LeftBehindSource {
    private let definition: PipelineDefinition
    static let writersWaitMs = 10_000

    /// - Parameter definition: as it flowed before the replica was promoted.
    init(_ definition: PipelineDefinition) { self.definition = definition }

    /// Refuses writes to the pipeline's tables there, if it can be reached; a guard that is up stays.
    func fence(_ side: PipelineSide, epoch: Int64, cause: Standing.Cause) throws {
        try side.roles.installRoles()
        let known = try side.roles.standing(of: definition.name)
        guard known?.role != .fenced, !(known?.role == .replica && known?.epoch ?? 0 >= epoch) else { return }
        let tables = try side.asSource.tables(try definition.request(side.asSource).selection).map(\.name)
        try side.roles.raiseGuard(
            on: tables, of: definition.name, noting: Standing(.fenced, epoch: epoch, cause: cause), waitMs: Self.writersWaitMs)
    }

    /// What a worker says that finds it.
    func error(_ side: PipelineSide) -> TidemarkError {
        TidemarkError(
            "the source was left behind", pipeline: definition.name,
            why: "its replica was promoted, and what it committed after that never left it; it is fenced now, \(side.shown) takes no more writes",
            remedy: "Let it follow the new primary: tidemark failback …")
    }
}
