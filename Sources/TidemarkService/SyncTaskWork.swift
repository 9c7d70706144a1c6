import Foundation
import Synchronization
import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// What a task does, on a pipeline of its own beside the worker's.
struct SyncTaskWork {
    private let task: SyncTask
    private let definition: PipelineDefinition
    private let pipeline: Pipeline

    init(_ task: SyncTask, _ definition: PipelineDefinition, _ pipeline: Pipeline) {
        (self.task, self.definition, self.pipeline) = (task, definition, pipeline)
    }

    /// - Returns: what was found of each table, of a comparison.
    func carryOut() async throws -> [TableVerdict] {
        try definition.refuseIfDelayed(task.kind == .copy ? "copy rows" : "compare tables")
        let (definition, task) = (definition, task)
        // Only a copy of what is not copied yet has none to name.
        let isWhole = task.tables.isEmpty && (task.kind != .copy || task.existing == nil)
        let tables = isWhole ? nil : try await OwnThread.run { try definition.naming { try definition.recordedTables(task.tables).map(\.name) } }
        guard task.kind != .copy else {
            _ = try await pipeline.copy(CopyRequest(tables: tables, existing: task.existing.flatMap { TableCopy.Existing(rawValue: $0) } ?? .refuse))
            return []
        }
        var request = VerifyRequest(startedAt: Date.now.formatted(.iso8601))
        request.tables = tables
        request.repair = task.kind == .repair ? .apply : .none
        let verdicts = Mutex<[TableVerdict]>([])
        try await Verification(definition, pipeline).once(request) { verdict in verdicts.withLock { $0.append(verdict) } }
        return verdicts.withLock { $0 }
    }
}
