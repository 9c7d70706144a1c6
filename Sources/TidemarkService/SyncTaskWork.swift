import Foundation
import Logging
import Synchronization
import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// What a task does, beside the pipeline's worker.
struct SyncTaskWork: Sendable {
    private let task: SyncTask
    private let definition: PipelineDefinition
    private let log: Logger
    /// One of them does it.
    private let pipeline: Pipeline?
    private let polled: PolledTables?
    /// How far it is.
    let meter: CopyMeter
    /// For so long it tries again what the databases refuse for a moment.
    private static let patience = Duration.seconds(30)

    init(_ task: SyncTask, _ definition: PipelineDefinition, worker: String, log: Logger) throws {
        (self.task, self.definition, self.log) = (task, definition, log)
        if task.kind == .sync {
            polled = try PolledTables(definition, worker: worker, log: log)
            pipeline = nil
        } else {
            var settings = Pipeline.Settings(name: definition.name, worker: worker)
            if let existing = task.existing.flatMap({ TableCopy.Existing(rawValue: $0) }) { settings.existing = existing }
            pipeline = try Pipeline(definition, settings, log: log)
            polled = nil
        }
        meter = polled?.meter ?? pipeline?.meter ?? CopyMeter()
    }

    func stop() {
        pipeline?.stop()
        polled?.stop()
    }

    /// - Returns: what was found of each table, of a comparison.
    func carryOut() async throws -> [TableVerdict] {
        if let polled { try await sync(polled) }
        guard let pipeline else { return [] }
        let what = task.kind == .copy ? "copy rows" : "compare tables"
        try definition.refuseIfPolledOnly(what)
        try definition.refuseIfDelayed(what)
        if task.kind == .repair { try definition.refuseIfShared("repair it") }
        let (definition, task) = (definition, task)
        // Only a copy of what is not copied yet has none to name.
        let isWhole = task.tables.isEmpty && (task.kind != .copy || task.existing == nil)
        let tables = isWhole ? nil : try await patiently {
            try await OwnThread.run { try definition.naming { try definition.recordedTables(task.tables).map(\.name) } }
        }
        guard task.kind != .copy else {
            // Again it goes on where it was.
            _ = try await patiently {
                try await pipeline.copy(CopyRequest(tables: tables, existing: task.existing.flatMap { TableCopy.Existing(rawValue: $0) } ?? .refuse))
            }
            return []
        }
        var request = VerifyRequest(startedAt: Clock.now)
        request.tables = tables
        request.repair = task.kind == .repair ? .apply : .none
        let verdicts = Mutex<[TableVerdict]>([])
        // Once it has told of a table, the comparison itself has had all the patience that there is.
        try await patiently({ verdicts.withLock(\.isEmpty) }) { [request] in
            try await Verification(definition, pipeline).once(request) { verdict in verdicts.withLock { $0.append(verdict) } }
        }
        return verdicts.withLock { $0 }
    }

    /// A connection that is lost or refused, a lock that somebody has: none of it is worth a person's look, unless it lasts.
    private func patiently<T: Sendable>(_ mayTryAgain: () -> Bool = { true }, _ work: () async throws -> T) async throws -> T {
        let start = ContinuousClock.now
        while true {
            do {
                return try await work()
            } catch let failure as TidemarkError
                where failure.retry == .later && pipeline?.isStopping != true && ContinuousClock.now - start < Self.patience && mayTryAgain() {
                log.info("the task tries again: \(failure.what): \(failure.why)")
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// - Throws: what the first table failed with that did, once all have had their pass.
    private func sync(_ polled: PolledTables) async throws {
        let (definition, task) = (definition, task)
        let found = try await OwnThread.run { try definition.polledTables(task.tables).map(\.table.name) }
        guard !found.isEmpty else { throw RequestRefusal.invalid("the pipeline has no table that is read: all are captured") }
        let outcomes = try await polled.runOnce(task.tables.isEmpty ? nil : Set(found))
        for failure in outcomes.compactMap(\.failure) { throw failure }
    }
}
