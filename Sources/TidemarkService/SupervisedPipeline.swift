import Foundation
import Logging
import TidemarkApp
import TidemarkBlocking
import TidemarkConfig
import TidemarkCore
import TidemarkObservability
import TidemarkPipeline

/// One pipeline of the service: takes its lease, runs it, and decides what becomes of its failures. What happens to it is no
/// concern of the others.
actor SupervisedPipeline {
    nonisolated let name: String
    let entry: Configuration.Entry
    /// As it is configured; roles may have turned it round.
    let definition: PipelineDefinition
    private let leases: LeasesByTarget
    private let jointLogs: JointLogs
    private let instance: String
    nonisolated let log: Logger
    private let wakeup = Wakeup()
    private(set) var activity = PipelineView.Activity.starting
    private(set) var run: PipelineRun?
    private(set) var failures = 0
    private var windowsAtFailure: Int64 = 0
    private(set) var lastError: PipelineView.ErrorView?
    private(set) var retryAt: Date?
    /// As the target said when it was asked last; while it is this process's own, `kept` knows more.
    private var lease: Lease?
    private var kept: LeaseKeeping?
    private var isStopping = false
    private var isAskedToRun = false
    /// Counted over all runs of this process.
    let figures = PipelineMeter()

    init(_ entry: Configuration.Entry, _ definition: PipelineDefinition, leases: LeasesByTarget, jointLogs: JointLogs, instance: String, log: Logger) {
        (name, self.entry, self.definition) = (entry.name, entry, definition)
        (self.leases, self.jointLogs, self.instance) = (leases, jointLogs, instance)
        var log = log
        log[.pipeline] = "\(entry.name)"
        self.log = log
    }

    /// All that is said of it at one moment.
    struct Standing {
        var activity: PipelineView.Activity
        var failures: Int
        var lastError: PipelineView.ErrorView?
        var retryAt: Date?
        var lease: Lease?
    }

    var standing: Standing {
        get async {
            let lease = await currentLease()
            return Standing(activity: activity, failures: failures, lastError: lastError, retryAt: retryAt, lease: lease)
        }
    }

    /// What was this process's, and was not renewed, is nobody's as far as is known here.
    private func currentLease() async -> Lease? {
        guard var known = lease, known.holder == instance else { return lease }
        if let own = await kept?.own(name) { return own }
        known.remainingMs = 0
        return known
    }

    /// Until it is stopped.
    func supervise() async {
        while !isStopping {
            do {
                let flowing = try await oriented()
                // Where the pipeline flows to, as everybody else who runs it sees it.
                let keeping = try leases.keeping(flowing.target, holder: instance)
                if kept !== keeping { await giveLeaseBack() }
                kept = keeping
                guard try await isLeading(keeping) else { continue }
                let isTurned = try await lead(flowing, keeping)
                failures = 0
                if isTurned || isStopping { await keeping.release(name) }
            } catch {
                await settle(error)
            }
        }
        activity = .stopping
        await giveLeaseBack()
    }

    /// The definition in the direction in which the pipeline flows now.
    func flowing() async -> PipelineDefinition {
        if let run { return run.definition }
        return (try? await oriented()) ?? definition
    }

    private func oriented() async throws -> PipelineDefinition {
        let definition = definition
        return try await OwnThread.run { definition.oriented() }
    }

    /// One that ends after a failure still has its lease, which would be renewed for as long as this process lives.
    private func giveLeaseBack() async {
        await kept?.release(name)
        kept = nil
    }

    /// Lets it end after the window at hand.
    func stop() {
        isStopping = true
        run?.stop()
        wakeup.raise()
    }

    /// One that has stopped, or waits, tries at once.
    func runNow() {
        isAskedToRun = true
        wakeup.raise()
    }

    /// - Returns: false once it has waited for whoever leads.
    private func isLeading(_ keeping: LeaseKeeping) async throws -> Bool {
        let found = try await keeping.acquire(name)
        lease = found
        if found.holder == instance { return true }
        if activity != .standby { log.info("standing by: \(found.holder) leads") }
        activity = .standby
        failures = 0
        // A leader that ends gives its lease back; one that dies lets it run out.
        await wakeup.wait(ms: Int(min(max(found.remainingMs, 200), 2_000)))
        return false
    }

    /// - Returns: does the pipeline flow in the other direction now?
    private func lead(_ flowing: PipelineDefinition, _ keeping: LeaseKeeping) async throws -> Bool {
        activity = .starting
        let creates = entry.run.creates ?? false
        let captured = try await setUp(flowing, creating: creates, keeping)
        if let captured { log.notice("set up: \(Amount.text(captured, "table", ("is", "are"))) captured") }
        guard !isStopping else { return false }
        let run = try PipelineRun(flowing, settings, figures: figures, log: log)
        self.run = run
        retryAt = nil
        activity = .following
        defer { self.run = nil }
        let name = name
        return try await withThrowingTaskGroup(of: Ending.self) { group in
            group.addTask { try await run.untilTurned() ? .turned : .over }
            group.addTask {
                await keeping.lost(name)
                return .lost
            }
            if entry.run.verify == .continuously { group.addTask { await self.prove(flowing) } }
            while let ending = try await group.next() {
                switch ending {
                case .over, .turned:
                    group.cancelAll()
                    return ending == .turned
                case .lost:
                    // What it still does before it ends cannot take effect: the cursor's epoch is another's by then.
                    if !isStopping { log.notice("the lease is lost: another process may lead") }
                    run.stop()
                case .proofEnded: break
                }
            }
            return false
        }
    }

    /// Where that cannot be, another service may have a configuration with which it can.
    private func setUp(_ flowing: PipelineDefinition, creating creates: Bool, _ keeping: LeaseKeeping) async throws -> Int? {
        do {
            return try await OwnThread.run { try Installation(flowing).setUpIfNeeded(creating: creates)?.count }
        } catch {
            if (error as? TidemarkError)?.retry != .later { await keeping.release(name) }
            throw error
        }
    }

    private enum Ending { case over, turned, lost, proofEnded }

    /// Compares tables beside the stream.
    private func prove(_ definition: PipelineDefinition) async -> Ending {
        do {
            var settings = Pipeline.Settings(name: definition.name, worker: instance)
            settings.jobs = 1
            let pipeline = try Pipeline(definition, settings, log: log)
            try await withTaskCancellationHandler {
                try await Verification(definition, pipeline).besideStream()
            } onCancel: {
                pipeline.stop()
            }
        } catch {
            log.warning("\(error)")
        }
        return .proofEnded
    }

    private var settings: Pipeline.Settings {
        var settings = Pipeline.Settings(name: name, worker: instance)
        settings.isLeader = true
        settings.jointLogs = jointLogs
        settings.follow(definition.run)
        settings.limit = StreamLimit(delaySeconds: definition.delaySeconds)
        return settings
    }

    /// What becomes of a failure: the databases' own are waited for, what a person has to mend goes by the policy.
    private func settle(_ failure: any Error) async {
        guard !isStopping else { return }
        // Failures with work between them are not in a row.
        let windows = figures.reading.windows
        failures = windows > windowsAtFailure ? 1 : failures + 1
        windowsAtFailure = windows
        var error = failure
        if var failure = failure as? TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            if let keys = KeysForFlags.sentence(for: failure.remedy) { failure.remedy += "\n  \(keys)" }
            error = failure
        }
        let kind = (error as? TidemarkError)?.kind ?? (error is UsageError ? "configuration" : "other")
        let text = "\(error)"
        if lastError?.what != text || failures == 1 { log.failure(error) }
        lastError = PipelineView.ErrorView(kind: kind, what: text, at: Clock.now)
        let isTemporary = ["connection", "conflict"].contains(kind)
        guard isTemporary || entry.failurePolicy == .retry else {
            activity = .stopped
            retryAt = nil
            await waitUntilAsked()
            return
        }
        // Databases come back by themselves: nobody should have to wait long for that to be seen.
        let wait = min(RetryWait.afterFailures(failures), isTemporary ? .seconds(30) : RetryWait.max)
        retryAt = Date.now.addingTimeInterval(wait.inSeconds)
        activity = .backingOff
        await wakeup.wait(ms: Int(wait.inSeconds * 1_000))
        isAskedToRun = false
        retryAt = nil
    }

    /// The databases were asked. What it failed with last is over once it works again, and is kept to be read.
    func note(_ report: StatusReport) {
        guard lastError != nil, lastError?.resolvedAt == nil, [.following, .standby].contains(activity) else { return }
        guard report.state == .current || figures.reading.windows > windowsAtFailure else { return }
        lastError?.resolvedAt = Clock.now
        failures = 0
    }

    /// Whoever stands still leaves the lease where it is: another process would fail in the same way.
    private func waitUntilAsked() async {
        while !isStopping, !isAskedToRun { await wakeup.wait(ms: 60_000) }
        isAskedToRun = false
        failures = 0
    }
}
