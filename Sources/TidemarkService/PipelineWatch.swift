import Foundation
import Logging
import TidemarkApp
import TidemarkBlocking
import TidemarkPipeline

/// Asks the databases again and again how one pipeline stands, on a thread and connections of its own: one that does not
/// answer keeps no other waiting.
actor PipelineWatch {
    private let pipeline: SupervisedPipeline
    private let thread = DedicatedThread<StatusConnections> { StatusConnections() }
    private let wakeup = Wakeup()
    private var isStopping = false
    private(set) var report: StatusReport?
    private(set) var reportedAt: Date?
    private var reportedInstant: ContinuousClock.Instant?
    private(set) var history = PipelineHistory()
    private let heartbeats: HeartbeatCounts
    private var earlier: (instant: ContinuousClock.Instant, applied: Int64)?
    private var appliedPerSecond = 0.0
    private var captureRate = CaptureRate()
    private var conflicts = ConflictCounting()
    /// Roles are changed seldom, and are asked for on new connections.
    private static let looksPerOrientation = 12

    init(_ pipeline: SupervisedPipeline, _ heartbeats: HeartbeatCounts) { (self.pipeline, self.heartbeats) = (pipeline, heartbeats) }

    deinit { thread.stop() }

    func watch(everyMs: @Sendable () async -> Int) async {
        var looks = 0
        var flowing = pipeline.definition
        while !isStopping {
            if looks % Self.looksPerOrientation == 0 || report?.state == .blocked {
                flowing = await pipeline.flowing()
            } else if let current = await pipeline.run?.definition {
                flowing = current
            }
            looks += 1
            await look(flowing)
            let waitMs = await everyMs()
            // Many pipelines that begin at one moment do not ask at one moment for ever.
            await wakeup.wait(ms: Int.random(in: waitMs * 9 / 10...waitMs * 11 / 10))
        }
    }

    /// Has the databases asked at once.
    func lookNow() { wakeup.raise() }

    func stop() {
        isStopping = true
        wakeup.raise()
    }

    /// How old the report is.
    var ageSeconds: Double? { reportedInstant.map { ($0.duration(to: .now)).inSeconds } }

    private func look(_ definition: PipelineDefinition) async {
        let found = try? await thread.run { connections in try StatusReport(of: definition, using: connections) }
        guard let found else { return }
        (report, reportedAt, reportedInstant) = (found, .now, .now)
        if let line = conflicts.note(found) { pipeline.log.notice("\(line)") }
        await pipeline.note(found)
        noteRates(applied: pipeline.figures.reading.appliedChanges)
        captureRate.note(drawn: found.sourceID, from: definition.source, heartbeats: heartbeats.written(to: definition.source), at: .now)
        history.note(figures, logBytes: found.logBytes, at: .now)
    }

    private func noteRates(applied: Int64) {
        let now = ContinuousClock.now
        if let earlier {
            let seconds = max(0.001, earlier.instant.duration(to: now).inSeconds)
            appliedPerSecond = Double(max(0, applied - earlier.applied)) / seconds
        }
        earlier = (now, applied)
    }

    /// What is counted by the pipeline, and what the databases say.
    var figures: PipelineView.Figures {
        let counted = pipeline.figures.reading
        var figures = PipelineView.Figures()
        (figures.appliedChanges, figures.appliedBytes, figures.windows) = (counted.appliedChanges, counted.appliedBytes, counted.windows)
        (figures.lastWindowChanges, figures.lastWindowSeconds) = (counted.lastWindowChanges, counted.lastWindowSeconds)
        (figures.takeovers, figures.errors, figures.endToEndSeconds) = (counted.takeovers, counted.failures, counted.endToEndSeconds)
        (figures.acknowledgeSeconds, figures.conflicts) = (counted.acknowledgeSeconds, conflicts.seen)
        figures.changesReadByOthers = counted.changesReadByOthers
        (figures.appliedChangesPerSecond, figures.capturedChangesPerSecond) = (appliedPerSecond, captureRate.perSecond)
        if let report {
            (figures.pendingChanges, figures.pendingSeconds) = (report.pendingChanges, report.pendingSeconds)
            (figures.pendingBytes, figures.pendingTransactions) = (report.pendingBytes, report.pendingTransactions)
            figures.copiedRows = report.tables.reduce(0) { $0 + $1.copiedRows }
            figures.copiedBytes = report.tables.reduce(0) { $0 + $1.copiedBytes }
        }
        return figures
    }
}
