import Foundation
import Logging
import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// One-off work on pipelines' tables, beside their workers.
actor SyncTasks {
    private var known: [String: SyncTask] = [:]
    /// What runs, with what does it once there is that.
    private var running: [String: SyncTaskWork?] = [:]
    private let (jobs, jobSink) = AsyncStream<(SyncTask, PipelineDefinition)>.makeStream()
    private let file: SyncTaskFile?
    private let instance: String
    private let log: Logger
    /// More at a time would be in each other's way.
    static let runningMax = 4
    /// Ended ones beyond that are forgotten, the oldest first.
    static let keptMax = 1_000

    /// - Throws: where the directory cannot be written.
    init(directory: String?, instance: String, log: Logger) throws {
        (self.instance, self.log) = (instance, log)
        file = try directory.map { try SyncTaskFile(directory: $0) }
        for var task in try file?.read() ?? [] {
            if task.state == .running {
                task.state = .failed
                task.error = "The service ended while it ran. Execute it again: what was copied is not copied anew."
                task.endedAt = Clock.now
            }
            known[task.id] = task
        }
    }

    /// The newest first.
    var all: [SyncTask] { known.values.sorted { ($0.createdAt, $0.id) > ($1.createdAt, $1.id) }.map { withProgress($0) } }

    /// What has not ended yet, be it stopped or not.
    var underWay: [SyncTask] { running.keys.compactMap { known[$0] } }

    func task(_ id: String) throws -> SyncTask {
        guard let task = known[id] else { throw RequestRefusal.noSuchTask(id) }
        return withProgress(task)
    }

    func create(_ request: SyncTaskRequest, by actor: Actor) throws -> SyncTask {
        guard request.kind == .copy || request.existing == nil else { throw RequestRefusal.invalid("existing is for a copy") }
        guard request.existing == nil || ["empty", "merge"].contains(request.existing) else {
            throw RequestRefusal.invalid("existing has to be empty or merge")
        }
        let task = SyncTask(
            id: UUID().uuidString.lowercased(), pipeline: request.pipeline, kind: request.kind, tables: request.tables ?? [],
            existing: request.existing, state: .pending, progress: 0, recordsSynced: 0, createdAt: Clock.precise, createdBy: actor.name)
        known[task.id] = task
        forgetOldest()
        save()
        return task
    }

    /// - Parameter definition: of the task's pipeline, as it flows now.
    func execute(_ id: String, _ definition: PipelineDefinition) throws -> SyncTask {
        var task = try task(id)
        guard running[id] == nil else { throw RequestRefusal.conflict("the task runs already") }
        guard task.state != .completed else { throw RequestRefusal.conflict("the task is completed; create another one") }
        guard running.count < Self.runningMax else {
            throw RequestRefusal.conflict("\(running.count) tasks run already; execute it when one of them has ended")
        }
        (task.state, task.startedAt, task.endedAt, task.error) = (.running, Clock.now, nil, nil)
        known[id] = task
        save()
        running[id] = .some(nil)
        jobSink.yield((task, definition))
        return task
    }

    func cancel(_ id: String) throws -> SyncTask {
        var task = try task(id)
        switch task.state {
        case .pending:
            (task.state, task.endedAt) = (.cancelled, Clock.now)
            known[id] = task
            save()
        case .running:
            task.state = .cancelled
            known[id] = task
            running[id]??.stop()
        case .completed, .failed, .cancelled: throw RequestRefusal.conflict("the task has ended: it is \(task.state.rawValue)")
        }
        return task
    }

    func delete(_ id: String) throws {
        let task = try task(id)
        guard running[id] == nil else { throw RequestRefusal.conflict("the task runs; cancel it first") }
        known[task.id] = nil
        save()
    }

    /// Carries out what is executed, until it is stopped.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await (task, definition) in jobs { group.addTask { await self.carryOut(task, definition) } }
        }
    }

    /// Interrupts what runs; `run` waits for it.
    func stop() {
        jobSink.finish()
        for (id, work) in running {
            known[id]?.error = "The service was stopped. Execute it again: what was copied is not copied anew."
            work?.stop()
        }
    }

    private func carryOut(_ task: SyncTask, _ definition: PipelineDefinition) async {
        do {
            let work = try SyncTaskWork(task, definition, worker: instance, log: log)
            running[task.id] = .some(work)
            guard known[task.id]?.state == .running, known[task.id]?.error == nil else { throw CancellationError() }
            for verdict in try await work.carryOut() { note(verdict, of: task.id) }
            end(task.id, .completed, error: nil)
        } catch {
            let wasCancelled = known[task.id]?.state == .cancelled
            end(task.id, wasCancelled ? .cancelled : .failed, error: wasCancelled ? nil : known[task.id]?.error ?? "\(error)")
        }
    }

    private func note(_ verdict: TableVerdict, of id: String) {
        guard var task = known[id] else { return }
        task.recordsSynced += verdict.proof.rows
        task.differences = (task.differences ?? 0) + verdict.proof.differences - verdict.proof.repaired
        known[id] = task
    }

    private func end(_ id: String, _ state: SyncTask.State, error: String?) {
        guard var task = known[id] else { return }
        task = withProgress(task)
        (task.state, task.error, task.endedAt) = (state, error, Clock.now)
        if state == .completed { task.progress = 1 }
        known[id] = task
        running[id] = nil
        save()
    }

    /// While it runs, the pipeline knows how far it is.
    private func withProgress(_ task: SyncTask) -> SyncTask {
        guard let work = running[task.id] ?? nil else { return task }
        var task = task
        let readings = work.meter.readings
        let (done, expected) = readings.reduce((Int64(0), Int64(0))) { ($0.0 + $1.rows, $0.1 + max($1.expectedRows, $1.rows)) }
        task.progress = expected > 0 ? min(0.99, Double(done) / Double(expected)) : 0
        if task.kind == .copy || task.kind == .sync { task.recordsSynced = done }
        return task
    }

    private func forgetOldest() {
        let ended = known.values.filter { [.completed, .failed, .cancelled].contains($0.state) && running[$0.id] == nil }
        guard known.count > Self.keptMax else { return }
        for task in ended.sorted(by: { $0.createdAt < $1.createdAt }).prefix(known.count - Self.keptMax) { known[task.id] = nil }
    }

    private func save() {
        do {
            try file?.write(Array(known.values))
        } catch {
            log.error("tasks cannot be kept: \(error.localizedDescription)")
        }
    }
}
