import Foundation
import TidemarkApp
import TidemarkBlocking
import TidemarkConfig
import TidemarkCore
import TidemarkObservability

extension Service: ControlPlane {
    package func service() async -> ServiceView {
        let views = await pipelines()
        let unknown = views.filter { $0.activity == .starting }
        return ServiceView(
            version: version, instance: instance, startedAt: startedAt.formatted(.iso8601), configuration: configuration.path,
            pipelines: views.count, leading: views.filter { $0.lease?.isMine == true }.count,
            health: Dictionary(views.map { ($0.health.rawValue, 1) }, uniquingKeysWith: +), isReady: unknown.isEmpty && !isStopping,
            notReadyBecause: isStopping ? "it stops" : unknown.first.map { "pipeline \($0.name) has not begun yet" })
    }

    package func pipelines() async -> [PipelineView] {
        var views: [PipelineView] = []
        for member in members.values { views.append(await view(of: member)) }
        return views.sorted { $0.name < $1.name }
    }

    package func pipeline(_ name: String) async throws -> PipelineView { await view(of: try member(name)) }

    package func history(of pipeline: String) async throws -> [Sample] { await (try member(pipeline)).watch.history.samples }

    package func pause(_ pipeline: String, by actor: Actor) async throws -> PipelineView {
        try await acting("pause", on: pipeline, by: actor) { definition in
            let cursor = try Pause(definition).pause(by: actor.name)
            return "at change \(cursor.lastID)"
        }
    }

    package func resume(_ pipeline: String, by actor: Actor) async throws -> PipelineView {
        try await acting("resume", on: pipeline, by: actor) { definition in
            guard try Pause(definition).resume() else { throw RequestRefusal.conflict("the pipeline is not paused") }
            return nil
        }
    }

    package func run(_ pipeline: String, by actor: Actor) async throws -> PipelineView {
        let member = try member(pipeline)
        guard [.stopped, .backingOff].contains(await member.pipeline.activity) else {
            throw RequestRefusal.conflict("the pipeline neither has stopped nor waits: it is \(await member.pipeline.activity.rawValue)")
        }
        return try await acting("run", on: pipeline, by: actor) { _ in nil } then: { await member.pipeline.runNow() }
    }

    /// Does something to a pipeline's databases, on a thread of its own, and notes who did.
    private func acting(
        _ action: String, on name: String, by actor: Actor, _ body: @escaping @Sendable (PipelineDefinition) throws -> String?,
        then: @Sendable () async -> Void = {}
    ) async throws -> PipelineView {
        let member = try member(name)
        let definition = await flowing(member)
        _ = try await noting(action, pipeline: name, subject: nil, by: actor) { try await OwnThread.run { try body(definition) } }
        await then()
        await member.watch.lookNow()
        return await view(of: member)
    }

    /// Notes what came of an action.
    func noting<T: Sendable>(
        _ action: String, pipeline: String?, subject: String?, by actor: Actor, detail: (T) -> String? = { _ in nil }, _ body: () async throws -> T
    ) async throws -> T {
        func note(_ outcome: String, _ detail: String?) {
            audit.note(
                AuditEntry(
                    at: Clock.precise, actor: actor, action: action, pipeline: pipeline, subject: subject, outcome: outcome, detail: detail))
        }
        do {
            let result = try await body()
            note("done", detail(result))
            return result
        } catch {
            note(error is RequestRefusal ? "refused" : "failed", "\(error)")
            throw error
        }
    }

    package func changes() async -> AsyncStream<ServiceMoment> { moments.stream() }

    package func metrics() async -> String { ServiceMetrics.text(await pipelines(), service: await service(), process: ProcessFigures.current, now: Clock.time) }

    package func audit(_ entry: AuditEntry) async { audit.note(entry) }
}

extension Service {
    func member(_ name: String) throws -> Member {
        guard let member = members[name] else { throw RequestRefusal.noSuchPipeline(name) }
        return member
    }

    /// The definition in the direction in which the pipeline flows now.
    func flowing(_ member: Member) async -> PipelineDefinition {
        if let running = await member.pipeline.run?.definition { return running }
        let given = member.pipeline.definition
        return (try? await OwnThread.run { given.oriented() }) ?? given
    }

    func view(of member: Member) async -> PipelineView {
        let (pipeline, watch) = (member.pipeline, member.watch)
        let (report, figures, age) = await (watch.report, watch.figures, watch.ageSeconds)
        let state = await pipeline.standing
        let assessment = PipelineAssessment(
            activity: state.activity, status: report, statusAgeSeconds: age, failures: state.failures, lastError: state.lastError,
            retryInSeconds: state.retryAt.map { $0.timeIntervalSinceNow }, leader: state.lease?.holder,
            parkedTransactions: report?.parkedTransactions ?? 0, notExactTables: report?.notExactTables ?? [],
            pendingSeconds: figures.pendingSeconds, endToEndSeconds: figures.endToEndSeconds)
        return PipelineView(
            name: pipeline.name, health: assessment.health, activity: state.activity, summary: assessment.summary, reason: assessment.reason,
            onFailure: (pipeline.entry.failurePolicy ?? .stop).rawValue, retryAt: state.retryAt?.formatted(.iso8601), failures: state.failures,
            lastError: state.lastError,
            lease: state.lease.map {
                PipelineView.LeaseView(
                    holder: $0.holder, epoch: $0.epoch, isMine: $0.holder == instance, remainingSeconds: Double($0.remainingMs) / 1_000)
            },
            figures: figures, status: report, statusAt: await watch.reportedAt?.formatted(.iso8601),
            parkedTransactions: report?.parkedTransactions ?? 0, parkedChanges: report?.parkedChanges ?? 0, notExactTables: report?.notExactTables ?? [])
    }
}
