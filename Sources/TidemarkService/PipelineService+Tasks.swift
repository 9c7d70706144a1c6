package import TidemarkApp
import TidemarkBlocking

/// One-off tasks, and changes that were set aside.
extension PipelineService {
    package func tasks() async -> [SyncTask] { await tasks.all }

    package func task(_ id: String) async throws -> SyncTask { try await tasks.task(id) }

    package func create(_ request: SyncTaskRequest, by actor: Actor) async throws -> SyncTask {
        let member = try member(request.pipeline)
        let task = try await tasks.create(request, by: actor)
        guard request.execute ?? true else { return task }
        return try await tasks.execute(task.id, await member.pipeline.flowing())
    }

    package func execute(_ id: String, by actor: Actor) async throws -> SyncTask {
        let task = try await tasks.task(id)
        return try await tasks.execute(id, await member(task.pipeline).pipeline.flowing())
    }

    package func cancel(_ id: String, by actor: Actor) async throws -> SyncTask { try await tasks.cancel(id) }

    package func delete(_ id: String, by actor: Actor) async throws { try await tasks.delete(id) }

    package func parked(of pipeline: String) async throws -> [ParkedTransaction] { try await parking(pipeline) { try $0.list() } }

    package func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) async throws -> [ParkedChange] {
        try await parking(pipeline) { try $0.changes(of: id, after: changeID, limit: limit) }
    }

    package func parkedAudit(of pipeline: String, limit: Int) async throws -> [ParkedAudit] {
        try await parking(pipeline) { try $0.audit(limit: limit) }
    }

    package func retryParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit {
        try await parking(pipeline) { try $0.retry(id, by: actor.name) }
    }

    package func skipParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit {
        try await parking(pipeline) { try $0.skip(id, by: actor.name) }
    }

    private func parking<T: Sendable>(_ name: String, _ body: @escaping @Sendable (Parking) throws -> T) async throws -> T {
        let member = try member(name)
        let definition = await member.pipeline.flowing()
        let result = try await OwnThread.run { try body(Parking(definition)) }
        await member.watch.lookNow()
        return result
    }
}
