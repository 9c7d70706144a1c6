import Logging
import TidemarkCore
import TidemarkPipeline

/// A replica of a lost source that follows the promoted one from now on.
///
/// The two were at different places of a log that is gone, so what lies between is found by comparing them.
struct Following {
    private let flow: PipelineDefinition
    private let worker: String
    private let log: Logger

    /// - Parameters:
    ///   - other: the replica's pipeline, as it was.
    ///   - promoted: the pipeline whose target is the new primary.
    init(_ other: PipelineDefinition, of promoted: PipelineDefinition, worker: String, log: Logger) {
        var flow = other
        flow.source = promoted.target
        (self.flow, self.worker, self.log) = (flow, worker, log)
    }

    /// - Returns: what was different, table by table, and is equal now.
    func begin() async throws -> [TableVerdict] {
        let (primary, replica) = (try flow.openSourceSide(), try flow.openTargetSide())
        let name = flow.name
        let theirs = try primary.asSource.tables(TableSelection())
        let copied = try replica.asTarget.copies(of: name).map {
            SourceTable(name: $0.table, columns: [], keyColumns: [], encoding: .typedText)
        }
        let tables = PairedTables(copied, with: theirs).onReplica
        let known = try replica.asTarget.cursor(of: name)
        if try known?.closedAt != nil || known?.cursor.source != primary.asSource.identity() {
            let start = try primary.asSource.startCursor(of: name)
            _ = try primary.asSource.install(
                CaptureRequest(pipeline: name, selection: TableSelection(include: tables.map { TablePattern($0.description) })))
            try replica.roles.follow(start, tables: try primary.captured(tables), of: name)
        }
        _ = try await Pipeline(flow, Pipeline.Settings(name: name, worker: worker), log: log).runOnce()
        return try await Pipeline(flow, Pipeline.Settings(name: name, worker: worker), log: log).verdicts(repairing: true)
    }
}
