package import Logging
package import TidemarkCore
import TidemarkPipeline

/// A planned change of roles: the replica becomes the primary, and the primary its replica, without a lost write.
///
/// The old primary is fenced before anything else changes, and the new one is let write last, in one transaction that
/// succeeds only while this process holds the pipeline. So the two are never writable at a time, whatever dies when.
package struct Switchover: Sendable {
    package struct Options: Sendable {
        /// Make the source as given the primary again.
        package var back = false
        /// For how long it waits for transactions that are writing when the fence is raised.
        package var writersWaitSeconds = 10.0
        /// A pipeline that is further behind is not switched.
        package var lagMaxSeconds = 30.0
        /// How long applying the last changes may take, with writes refused on both sides.
        package var drainMaxSeconds = 60.0
        /// How many values each sequence leaves out.
        package var sequenceMargin = Int64(0)

        package init() {}
    }

    package struct Outcome: Sendable {
        package var primary: String
        package var replica: String
        /// Nil where there was nothing to do any more.
        package var secondsWithoutWrites: Double?
        package var sequencesNotSet: [String] = []
    }

    /// As the change flows: from the old primary to the new one.
    private let flow: PipelineDefinition
    private let options: Options
    private let worker: String
    private let log: Logger
    private let timed: TimedSteps
    private let interruption = Interruption()

    /// - Parameters:
    ///   - worker: who works on the pipeline meanwhile, as nobody else is called.
    ///   - report: gets each step once it is done.
    package init(
        _ definition: PipelineDefinition, _ options: Options, worker: String, log: Logger,
        report: @escaping @Sendable (RoleChangeReport) -> Void
    ) {
        var flow = options.back ? definition.reversed : definition
        // What comes while roles change is not set aside unseen.
        flow.failurePolicy = .stop
        self.flow = flow
        (self.options, self.worker, self.log, timed) = (options, worker, log, TimedSteps(report))
    }

    private var name: String { flow.name }

    /// Lets it put everything back, unless the new primary takes writes already.
    package func stop() { interruption.raise() }

    /// Everything that would keep the change from working, problems first.
    package func check() throws -> [(side: String, finding: Finding)] {
        try flow.naming {
            try flow.requireWholeReplica(to: "switch over to it")
            return try RoleChangeCheck(flow, lagMaxSeconds: options.lagMaxSeconds).findings()
        }
    }

    /// The statements that it would run, by side, besides the last changes and the sequences.
    package func plan() throws -> [(side: String, statement: PlannedStatement)] {
        try flow.naming {
            try flow.requireWholeReplica(to: "switch over to it")
            let (old, new) = (try flow.openSourceSide(), try flow.openTargetSide())
            let tables = try pairedTables(old, new)
            let request = try ReverseCapture(of: flow, from: old, to: new).request
            return try new.asSource.planInstall(request).map { ("new primary", $0) }
                + old.asTarget.planInstall().map { ("old primary", $0) }
                + new.roles.planGuard(on: tables.onReplica, of: name).map { ("new primary, until it is promoted", $0) }
                + old.roles.planGuard(on: tables.onPrimary, of: name).map { ("old primary", $0) }
        }
    }

    /// Changes the roles, or completes a change that was interrupted.
    /// - Throws: once everything is as it was before; or, where that cannot be said, with what to type.
    package func run() async throws -> Outcome {
        do {
            return try await change()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            throw failure
        }
    }

    private func change() async throws -> Outcome {
        try flow.requireWholeReplica(to: "switch over to it")
        let (old, new) = try claimedSides()
        var outcome = Outcome(primary: new.shown, replica: old.shown)
        switch try SwitchoverProgress(old: try old.roles.standing(of: name), new: try new.roles.standing(of: name), flow) {
        case .done: return outcome
        case .promoted(let standing):
            try turn(old, epoch: standing.epoch)
            return outcome
        case .fenced(let standing):
            // It stays fenced: what it would take to check again may not be there any more.
            return try await complete(&outcome, old, new, epoch: standing.epoch, fencedAt: timed.now)
        case .notBegun(let epoch):
            try timed(.checked) { try refuseIfUnfit() }
            let wasFeed = try new.roles.standing(of: name) == nil
            do {
                try prepare(old, new, epoch: epoch)
                _ = try new.roles.hold(name, for: .switchover, by: worker)
                _ = try await timed(.caughtUp) { try await drain() }
                try interruption.check()
                let held = try timed(.fenced) { try fence(old, new, epoch: epoch) }
                // Between the tries before, writers went on.
                return try await complete(&outcome, old, new, epoch: epoch, fencedAt: timed.now - .seconds(held))
            } catch {
                let failure = try undoing(error, old, new)
                if wasFeed { forgetPreparation(new) }
                throw failure
            }
        }
    }

    /// Both databases, from which any other change of roles is kept away.
    private func claimedSides() throws -> (old: PipelineSide, new: PipelineSide) {
        let sides = (old: try flow.openSourceSide(), new: try flow.openTargetSide())
        try sides.old.roles.claim(name)
        try sides.new.roles.claim(name)
        return sides
    }

    /// From the fence on.
    private func complete(
        _ outcome: inout Outcome, _ old: PipelineSide, _ new: PipelineSide, epoch: Int64, fencedAt: ContinuousClock.Instant
    ) async throws -> Outcome {
        do {
            _ = try new.roles.hold(name, for: .switchover, by: worker)
            let cursor = try await timed(.drained) { try await drain(forSeconds: options.drainMaxSeconds) }
            outcome.sequencesNotSet = try timed(.sequences) { try setSequences(from: old, to: new) }
            let start = try timed(.placed) { try place(old, new) }
            try interruption.check()
            try timed(.promoted) {
                try new.roles.liftGuard(
                    of: name, noting: Standing(.primary, epoch: epoch, cause: .switchover, start: start), closing: cursor)
            }
        } catch {
            throw try undoing(error, old, new)
        }
        outcome.secondsWithoutWrites = timed.seconds(since: fencedAt)
        try turn(old, epoch: epoch)
        return outcome
    }

    private func refuseIfUnfit() throws {
        guard let problem = try check().first(where: { $0.finding.severity == .problem }) else { return }
        let finding = problem.finding
        throw TidemarkError(
            "the roles cannot be changed", table: finding.table, why: "on the \(problem.side): \(finding.what)",
            remedy: "\(finding.remedy)\n  Nothing was changed. tidemark switchover --check … lists all that was found.")
    }

    /// Nothing of this is felt by anybody who reads, and all of it may be done twice. The new primary is guarded, if it was
    /// not: an application that is refused by the old one may try it before it is time.
    private func prepare(_ old: PipelineSide, _ new: PipelineSide, epoch: Int64) throws {
        try timed(.prepared) {
            try new.asSource.installLog()
            try new.roles.installRoles()
            let capture = try ReverseCapture(of: flow, from: old, to: new)
            // With the new epoch already: whatever becomes of this, a later failover gets a higher one than the old primary.
            var standing = try new.roles.standing(of: name) ?? Standing(.replica, epoch: epoch, cause: .setup)
            standing.epoch = epoch
            try new.roles.raiseGuard(
                on: capture.tables.onReplica, of: name, noting: standing, waitMs: Int(options.writersWaitSeconds * 1000))
            _ = try new.asSource.install(capture.request)
            try old.asTarget.install()
            try old.roles.installRoles()
        }
    }

    /// - Returns: for how long writers have waited, in seconds.
    private func fence(_ old: PipelineSide, _ new: PipelineSide, epoch: Int64) throws -> Double {
        try old.roles.raiseGuard(
            on: try pairedTables(old, new).onPrimary, of: name, noting: Standing(.fenced, epoch: epoch, cause: .switchover),
            waitMs: Int(options.writersWaitSeconds * 1000))
    }

    private func pairedTables(_ old: PipelineSide, _ new: PipelineSide) throws -> PairedTables {
        PairedTables(try old.asSource.tables(try flow.request(old.asSource).selection), with: try new.asSource.tables(TableSelection()))
    }

    /// Applies what is committed at the old primary.
    /// - Parameter limit: nil for as long as it takes.
    private func drain(forSeconds limit: Double? = nil) async throws -> Cursor {
        let pipeline = try Pipeline(flow, Pipeline.Settings(name: name, worker: worker), log: log)
        let overdue = limit.map { limit in
            Task {
                try await Task.sleep(for: .seconds(limit))
                pipeline.stop()
            }
        }
        interruption.reaches(pipeline)
        defer { overdue?.cancel() }
        return try await pipeline.runOnce()
    }

    private func setSequences(from old: PipelineSide, to new: PipelineSide) throws -> [String] {
        try new.asTarget.setSequences(try old.asSource.sequences(try flow.request(old.asSource).selection), margin: options.sequenceMargin)
    }

    /// Where the old primary begins to follow: before the first write that the new one lets in.
    private func place(_ old: PipelineSide, _ new: PipelineSide) throws -> Cursor {
        let start = try new.asSource.startCursor(of: name)
        try old.roles.follow(start, tables: try new.captured(try pairedTables(old, new).onReplica), of: name)
        return start
    }

    /// The guard stands already; from now on it says that this is a replica.
    private func turn(_ old: PipelineSide, epoch: Int64) throws {
        try timed(.turned) { try old.roles.note(Standing(.replica, epoch: epoch, cause: .switchover), of: name) }
    }

    /// Puts everything back, as long as it is certain that the new primary takes no writes.
    package func undo() throws {
        try flow.naming {
            let (old, new) = try claimedSides()
            switch try SwitchoverProgress(old: try old.roles.standing(of: name), new: try new.roles.standing(of: name), flow) {
            case .done, .promoted:
                throw TidemarkError(
                    "the switchover cannot be undone", why: "\(new.shown) takes writes already",
                    remedy: "To go back, type: tidemark switchover \(options.back ? "" : "--back ")…")
            case .fenced, .notBegun: try putBack(old, new)
            }
        }
    }

    private func putBack(_ old: PipelineSide, _ new: PipelineSide) throws {
        func refuseIfPromoted() throws {
            if let standing = try new.roles.standing(of: name), standing.role == .primary { throw Promoted() }
        }
        try refuseIfPromoted()
        // From here on nobody else can promote it: whoever is about to holds an older epoch.
        _ = try new.roles.hold(name, for: .switchover, by: worker)
        try refuseIfPromoted()
        if let standing = try old.roles.standing(of: name), standing.role == .fenced {
            try old.roles.liftGuard(of: name, noting: Standing(.primary, epoch: standing.epoch, cause: .switchover), closing: nil)
        }
        try new.roles.release(name)
    }

    private struct Promoted: Error {}

    /// A target that nobody had guarded takes its own applications' writes again.
    private func forgetPreparation(_ new: PipelineSide) {
        do {
            try new.roles.forget(name)
            try new.asSource.remove(name)
        } catch {
            log.warning("\(new.shown) stays guarded: tidemark setup --role feed … lifts that (\(error))")
        }
    }

    /// - Returns: what to say once everything is as it was.
    private func undoing(_ cause: any Error, _ old: PipelineSide, _ new: PipelineSide) throws -> any Error {
        do {
            // The connections may be what failed; what keeps others away is with the old ones.
            try putBack(try flow.openSourceSide(), try flow.openTargetSide())
        } catch is Promoted {
            throw TidemarkError(
                "the switchover is not ended", why: "\(new.shown) takes writes, and then: \(cause)",
                remedy: "Type the command again: it completes the change.")
        } catch {
            throw TidemarkError(
                "the switchover failed, and it could not be undone", why: "\(cause)\n  and then: \(error)",
                remedy: "Type the command again to complete it, or with --undo to go back. Until then no application can write to"
                    + " the pipeline's tables on either side.")
        }
        guard var failure = cause as? TidemarkError else { return cause }
        failure.remedy += "\n  Everything is as it was before: \(old.shown) takes writes."
        return failure
    }
}

/// How far a switchover has come, as the two databases tell.
enum SwitchoverProgress {
    /// - Parameter epoch: the one that it will have.
    case notBegun(epoch: Int64)
    case fenced(Standing)
    case promoted(Standing)
    case done

    init(old: Standing?, new: Standing?, _ flow: PipelineDefinition) throws {
        switch Orientation(source: old, target: new).direction {
        case .reversed: self = old?.role == .replica ? .done : .promoted(new ?? Standing(.primary, epoch: 1, cause: .switchover))
        case .sourceLeftBehind:
            throw TidemarkError(
                "the roles cannot be changed", why: "the target was promoted by a failover, and the source was left behind",
                remedy: "Let it follow first: tidemark failback …")
        case .asGiven:
            if old?.role == .replica {
                throw TidemarkError(
                    "the roles cannot be changed", why: "neither database is the pipeline's primary",
                    remedy: "Type the command that was interrupted again: tidemark failback …")
            }
            if let old, old.role == .fenced {
                guard old.cause == .switchover else {
                    throw TidemarkError(
                        "the roles cannot be changed", why: "the source was fenced by a \(old.cause.rawValue)",
                        remedy: "Type: tidemark \(old.cause.rawValue) …")
                }
                self = .fenced(old)
            } else {
                self = .notBegun(epoch: max(old?.epoch ?? 1, new?.epoch ?? 1) + 1)
            }
        }
    }
}
