package import TidemarkApp
package import TidemarkConfig
package import TidemarkCore

/// What may be asked of a running service. The API is thin functions over it.
package protocol ControlPlane: Sendable {
    func service() async -> ServiceView
    /// By name.
    func pipelines() async -> [PipelineView]
    func pipeline(_ name: String) async throws -> PipelineView
    /// The oldest first.
    func history(of pipeline: String) async throws -> [Sample]

    func pause(_ pipeline: String, by actor: Actor) async throws -> PipelineView
    func resume(_ pipeline: String, by actor: Actor) async throws -> PipelineView
    /// Has a pipeline that has stopped, or that waits before it tries again, run now.
    func run(_ pipeline: String, by actor: Actor) async throws -> PipelineView

    func parked(of pipeline: String) async throws -> [ParkedTransaction]
    func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) async throws -> [ParkedChange]
    func parkedAudit(of pipeline: String, limit: Int) async throws -> [ParkedAudit]
    /// Applies what is parked, with all that waits for it.
    func retryParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit
    /// Gives up what is parked: the rows stay as the target has them.
    func skipParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit

    /// Rows that both ends had changed, the newest first.
    /// - Parameters:
    ///   - table: of this one only, as the target calls it.
    ///   - id: those before this one.
    func conflicts(of pipeline: String, table: String?, before id: Int64?, limit: Int) async throws -> [DecidedConflict]
    func conflict(of pipeline: String, _ id: Int64) async throws -> DecidedConflict
    /// Writes one of its images to the target, as an ordinary write.
    func restoreConflict(of pipeline: String, _ id: Int64, image: ConflictImage, by actor: Actor) async throws -> DecidedConflict

    /// The newest first.
    func tasks() async -> [SyncTask]
    func task(_ id: String) async throws -> SyncTask
    func create(_ request: SyncTaskRequest, by actor: Actor) async throws -> SyncTask
    /// One that is pending, or has failed or was cancelled.
    func execute(_ id: String, by actor: Actor) async throws -> SyncTask
    func cancel(_ id: String, by actor: Actor) async throws -> SyncTask
    func delete(_ id: String, by actor: Actor) async throws

    /// Ends the stream when the service stops; a reader that is slow misses moments, not the last one.
    func changes() async -> AsyncStream<ServiceMoment>
    /// In the text format of Prometheus.
    func metrics() async -> String
    /// Notes an action that was refused, too.
    func audit(_ entry: AuditEntry) async
}

/// Who acts, and from where.
package struct Actor: Codable, Sendable, Equatable {
    package var name: String
    package var role: AccessRole
    package var address: String?
    package init(name: String, role: AccessRole, address: String? = nil) { (self.name, self.role, self.address) = (name, role, address) }
}

/// What live readers get: all pipelines as they are.
package struct ServiceMoment: Codable, Sendable {
    package var service: ServiceView
    package var pipelines: [PipelineView]
    package var tasks: [SyncTask]
}

/// One line of the audit log.
package struct AuditEntry: Codable, Sendable {
    package var at: String
    package var actor: Actor
    /// pause, resume, run, parked.retry, task.create …
    package var action: String
    package var pipeline: String?
    package var subject: String?
    /// done, refused or failed
    package var outcome: String
    package var detail: String?

    package init(
        at: String, actor: Actor, action: String, pipeline: String? = nil, subject: String? = nil, outcome: String, detail: String? = nil
    ) {
        (self.at, self.actor, self.action, self.pipeline, self.subject) = (at, actor, action, pipeline, subject)
        (self.outcome, self.detail) = (outcome, detail)
    }
}

/// Why a request cannot be done, where that is no failure of a pipeline.
package enum RequestRefusal: Error, Sendable {
    case noSuchPipeline(String)
    case noSuchTask(String)
    case noSuchParked(Int64)
    case noSuchConflict(Int64)
    /// It is not in a state for that; with what it is.
    case conflict(String)
    case invalid(String)
}
