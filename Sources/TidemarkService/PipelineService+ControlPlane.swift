import Foundation
import TidemarkApp
import TidemarkBlocking
import TidemarkConfig
import TidemarkCore
import TidemarkObservability

extension PipelineService: ControlPlane {
    package func service() async -> ServiceView { service(with: await pipelines()) }

    /// - Parameter views: of all pipelines, which take a while to be asked for.
    func service(with views: [PipelineView]) -> ServiceView {
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
        try await acting(on: pipeline) { definition in _ = try Pause(definition).pause(by: actor.name) }
    }

    package func resume(_ pipeline: String, by actor: Actor) async throws -> PipelineView {
        try await acting(on: pipeline) { definition in
            guard try Pause(definition).resume() else { throw RequestRefusal.conflict("the pipeline is not paused") }
        }
    }

    package func run(_ pipeline: String, by actor: Actor) async throws -> PipelineView {
        let member = try member(pipeline)
        let activity = await member.pipeline.activity
        guard [.stopped, .backingOff].contains(activity) else {
            throw RequestRefusal.conflict("the pipeline neither has stopped nor waits: it is \(activity.rawValue)")
        }
        await member.pipeline.runNow()
        await member.watch.lookNow()
        return await view(of: member)
    }

    /// Does something to a pipeline's databases, on a thread of its own.
    private func acting(on name: String, _ body: @escaping @Sendable (PipelineDefinition) throws -> Void) async throws -> PipelineView {
        let member = try member(name)
        let definition = await member.pipeline.flowing()
        try await OwnThread.run { try body(definition) }
        await member.watch.lookNow()
        return await view(of: member)
    }

    package func changes() async -> AsyncStream<ServiceMoment> {
        // Whoever comes has not to wait for the next second.
        defer { pulse.raise() }
        return moments.stream()
    }

    package func metrics() async -> String {
        let views = await pipelines()
        return ServiceMetrics.text(views, service: service(with: views), process: ProcessFigures.current, now: Clock.time)
    }

    package func audit(_ entry: AuditEntry) async { audit.note(entry) }
}

extension PipelineService {
    func member(_ name: String) throws -> Member {
        guard let member = members[name] else { throw RequestRefusal.noSuchPipeline(name) }
        return member
    }

    /// Whoever follows may be copying, or wait for somebody who has paused the pipeline.
    private static func activity(_ activity: PipelineView.Activity, _ report: StatusReport?) -> PipelineView.Activity {
        guard activity == .following else { return activity }
        return switch report?.state {
        case .copying: .copying
        case .paused: .paused
        default: activity
        }
    }

    func view(of member: Member) async -> PipelineView {
        let (pipeline, watch) = (member.pipeline, member.watch)
        let (report, figures, age) = await (watch.report, watch.figures, watch.ageSeconds)
        let state = await pipeline.standing
        // What was asked before setup had ended, or before anybody knew what is to be copied, says nothing.
        let isBeginning = state.activity == .following && (report?.state == .notSetUp || report?.state == .current && report?.tables.isEmpty == true)
        let activity = isBeginning ? .starting : Self.activity(state.activity, report)
        let assessment = PipelineAssessment(
            activity: activity, status: isBeginning ? nil : report, statusAgeSeconds: age, failures: state.failures, lastError: state.lastError,
            retryInSeconds: state.retryAt.map { $0.timeIntervalSinceNow }, leader: state.lease?.holder,
            parkedTransactions: report?.parkedTransactions ?? 0, notExactTables: report?.notExactTables ?? [],
            pendingSeconds: figures.pendingSeconds, endToEndSeconds: figures.endToEndSeconds,
            hasLostLease: state.lease.map { $0.holder == instance && !$0.isAlive } ?? false)
        return PipelineView(
            name: pipeline.name, health: assessment.health, activity: activity, summary: assessment.summary, reason: assessment.reason,
            onFailure: (pipeline.entry.failurePolicy ?? .stop).rawValue, retryAt: state.retryAt?.formatted(.iso8601), failures: state.failures,
            lastError: state.lastError,
            lease: state.lease.map {
                PipelineView.LeaseView(
                    holder: $0.holder, epoch: $0.epoch, isMine: $0.holder == instance && $0.isAlive, remainingSeconds: Double($0.remainingMs) / 1_000)
            },
            figures: figures, status: report, statusAt: await watch.reportedAt?.formatted(.iso8601),
            parkedTransactions: report?.parkedTransactions ?? 0, parkedChanges: report?.parkedChanges ?? 0, notExactTables: report?.notExactTables ?? [])
    }
}
