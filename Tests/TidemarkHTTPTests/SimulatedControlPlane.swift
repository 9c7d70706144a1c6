import Foundation
import Synchronization
import TidemarkApp
import TidemarkConfig
import TidemarkCore
import TidemarkService

/// A service in memory: pipelines `orders` and `stock`, what is parked, and tasks that run until they are cancelled.
final class SimulatedControlPlane: ControlPlane {
    struct State {
        var pipelines = ["orders", "stock"].map(Samples.pipeline)
        var isReady = true
        var tasks: [SyncTask] = []
        var created = 0
        var audit: [AuditEntry] = []
        var watchers: [Int: AsyncStream<ServiceMoment>.Continuation] = [:]
        var watched = 0
        var hasStopped = false
        /// What asks for metrics waits until this has ended.
        var gate: AsyncStream<Void>?
        var isWaitingAtGate = false
    }

    struct Odd: Error {}

    let state = Mutex(State())

    var audited: [AuditEntry] { state.withLock { $0.audit } }

    func service() async -> ServiceView {
        var view = Samples.service
        view.isReady = state.withLock { $0.isReady }
        view.notReadyBecause = view.isReady ? nil : "orders has not been looked at yet."
        return view
    }

    func pipelines() async -> [PipelineView] { state.withLock { $0.pipelines } }

    func pipeline(_ name: String) async throws -> PipelineView {
        switch name {
        case "away": throw TidemarkError("The source cannot be asked", pipeline: name, why: "connection refused", remedy: "Start it.", retry: .later)
        case "taken": throw TidemarkError("Not here", pipeline: name, why: "another process leads", remedy: "Ask that.", retry: .takenOver)
        case "broken": throw TidemarkError("It cannot be done", pipeline: name, why: "no rights", remedy: "Grant them.")
        case "odd": throw Odd()
        default:
            guard let found = state.withLock({ $0.pipelines.first { $0.name == name } }) else { throw RequestRefusal.noSuchPipeline(name) }
            return found
        }
    }

    func history(of pipeline: String) async throws -> [Sample] {
        _ = try await self.pipeline(pipeline)
        return [Samples.sample]
    }

    private func change(_ name: String, _ change: (inout PipelineView) throws -> Void) async throws -> PipelineView {
        _ = try await pipeline(name)
        return try state.withLock { state in
            guard let index = state.pipelines.firstIndex(where: { $0.name == name }) else { throw RequestRefusal.noSuchPipeline(name) }
            try change(&state.pipelines[index])
            return state.pipelines[index]
        }
    }

    func pause(_ pipeline: String, by actor: TidemarkService.Actor) async throws -> PipelineView {
        try await change(pipeline) { $0.activity = .paused }
    }
    func resume(_ pipeline: String, by actor: TidemarkService.Actor) async throws -> PipelineView {
        try await change(pipeline) { $0.activity = .following }
    }
    func run(_ pipeline: String, by actor: TidemarkService.Actor) async throws -> PipelineView {
        try await change(pipeline) { view in
            guard view.activity != .paused else { throw RequestRefusal.conflict("\(pipeline) is paused.") }
        }
    }

    func parked(of pipeline: String) async throws -> [ParkedTransaction] {
        _ = try await self.pipeline(pipeline)
        return pipeline == "orders" ? (1...3).map(Samples.parked) : []
    }

    private func parked(_ pipeline: String, _ id: Int64) async throws {
        guard try await parked(of: pipeline).contains(where: { $0.id == id }) else { throw RequestRefusal.noSuchParked(id) }
    }

    func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) async throws -> [ParkedChange] {
        try await parked(pipeline, id)
        return Array((41...45).map { Samples.change(Int64($0)) }.filter { $0.changeID > changeID }.prefix(limit))
    }
    func parkedAudit(of pipeline: String, limit: Int) async throws -> [ParkedAudit] {
        _ = try await self.pipeline(pipeline)
        return [Samples.parkedAudit("parked", 1)]
    }
    func conflicts(of pipeline: String, table: String?, before id: Int64?, limit: Int) async throws -> [DecidedConflict] {
        _ = try await self.pipeline(pipeline)
        guard pipeline == "orders" else { return [] }
        let found = (1...3).reversed().map { Samples.conflict(Int64($0)) }
        return Array(found.filter { (table == nil || $0.table == table) && $0.id < id ?? .max }.prefix(limit))
    }
    func conflict(of pipeline: String, _ id: Int64) async throws -> DecidedConflict {
        guard let found = try await conflicts(of: pipeline, table: nil, before: nil, limit: 9).first(where: { $0.id == id }) else {
            throw RequestRefusal.noSuchConflict(id)
        }
        return found
    }
    func restoreConflict(of pipeline: String, _ id: Int64, image: ConflictImage, by actor: TidemarkService.Actor) async throws -> DecidedConflict {
        var found = try await conflict(of: pipeline, id)
        (found.restoredAt, found.restoredBy, found.outcome) = ("t", actor.name, image == .source ? found.source : found.target)
        return found
    }
    func retryParked(of pipeline: String, _ id: Int64, by actor: TidemarkService.Actor) async throws -> ParkedAudit {
        try await parked(pipeline, id)
        return Samples.parkedAudit("retried", id)
    }
    func skipParked(of pipeline: String, _ id: Int64, by actor: TidemarkService.Actor) async throws -> ParkedAudit {
        try await parked(pipeline, id)
        return Samples.parkedAudit("skipped", id)
    }

    func tasks() async -> [SyncTask] { state.withLock { $0.tasks.reversed() } }
    func task(_ id: String) async throws -> SyncTask {
        guard let task = state.withLock({ $0.tasks.first { $0.id == id } }) else { throw RequestRefusal.noSuchTask(id) }
        return task
    }
    func create(_ request: SyncTaskRequest, by actor: TidemarkService.Actor) async throws -> SyncTask {
        _ = try await pipeline(request.pipeline)
        return state.withLock { state in
            state.created += 1
            let task = Samples.task(state.created, request, by: actor.name)
            state.tasks.append(task)
            return task
        }
    }

    private func change(_ id: String, from states: Set<SyncTask.State>, to next: SyncTask.State) throws -> SyncTask {
        try state.withLock { state in
            guard let index = state.tasks.firstIndex(where: { $0.id == id }) else { throw RequestRefusal.noSuchTask(id) }
            guard states.contains(state.tasks[index].state) else { throw RequestRefusal.conflict("Task \(id) is \(state.tasks[index].state.rawValue).") }
            state.tasks[index].state = next
            return state.tasks[index]
        }
    }

    func execute(_ id: String, by actor: TidemarkService.Actor) async throws -> SyncTask {
        try change(id, from: [.pending, .failed, .cancelled], to: .running)
    }
    func cancel(_ id: String, by actor: TidemarkService.Actor) async throws -> SyncTask { try change(id, from: [.pending, .running], to: .cancelled) }
    func delete(_ id: String, by actor: TidemarkService.Actor) async throws {
        _ = try change(id, from: [.pending, .failed, .cancelled, .completed], to: .cancelled)
        state.withLock { $0.tasks.removeAll { $0.id == id } }
    }

    func changes() async -> AsyncStream<ServiceMoment> {
        let (stream, continuation) = AsyncStream.makeStream(of: ServiceMoment.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.watched += 1
            if state.hasStopped { continuation.finish() } else { state.watchers[state.watched] = continuation }
            return state.watched
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.watchers.removeValue(forKey: number) } }
        return stream
    }

    /// A new moment, told from others by the number of pipelines that the service leads.
    func tell(_ number: Int) {
        var service = Samples.service
        service.leading = number
        let (watchers, moment) = state.withLock { state in
            (Array(state.watchers.values), Samples.moment(service, state.pipelines, state.tasks))
        }
        for watcher in watchers { watcher.yield(moment) }
    }

    func stop() {
        let watchers = state.withLock { state in
            state.hasStopped = true
            return Array(state.watchers.values)
        }
        for watcher in watchers { watcher.finish() }
    }

    func metrics() async -> String {
        let gate = state.withLock { state in
            state.isWaitingAtGate = true
            return state.gate
        }
        if let gate { for await _ in gate {} }
        return "# TYPE tidemark_up gauge\ntidemark_up 1\n"
    }
    func audit(_ entry: AuditEntry) async { state.withLock { $0.audit.append(entry) } }
}
