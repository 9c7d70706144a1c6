package import Logging
import Synchronization
import TidemarkBlocking
package import TidemarkCore
package import TidemarkPipeline

/// A pipeline that runs for years, whichever of its databases is the primary.
package final class PipelineRun: Sendable {
    private struct State {
        var definition: PipelineDefinition
        var flow: Flow
        var isStopping = false
    }

    /// What `once` has done.
    package struct Outcome: Sendable {
        /// The place reached in the log; nil for a pipeline that reads all of its tables.
        package var cursor: Cursor?
        /// Of the tables that are read.
        package var passes: [PolledTables.Outcome] = []
    }

    private let state: Mutex<State>
    private let settings: Pipeline.Settings
    private let log: Logger
    /// What copies of the first direction have done; the other one begins with equal sides.
    package let meter: CopyMeter
    /// Of all directions.
    package let figures: PipelineMeter

    /// - Parameter definition: as it flows now.
    package init(_ definition: PipelineDefinition, _ settings: Pipeline.Settings, figures: PipelineMeter = PipelineMeter(), log: Logger) throws {
        let flow = try Flow(definition, settings, log: log, figures: figures)
        (meter, self.figures) = (flow.meter, figures)
        state = Mutex(State(definition: definition, flow: flow))
        (self.settings, self.log) = (settings, log)
    }

    /// Lets it return after the window, or the part of a copy, at hand.
    package func stop() {
        let flow = state.withLock { state in
            state.isStopping = true
            return state.flow
        }
        flow.stop()
    }

    /// Reads tables now that are read by a schedule.
    package func ask(for patterns: [TablePattern]) async { await state.withLock(\.flow).polled?.ask(for: patterns) }

    /// As it flows now.
    package var definition: PipelineDefinition { state.withLock(\.definition) }

    /// Applies all that was committed when it started, and makes one pass over every table that is read.
    package func once() async throws -> Outcome {
        let flow = state.withLock(\.flow)
        return Outcome(cursor: try await flow.stream?.runOnce(), passes: try await flow.polled?.runOnce() ?? [])
    }

    /// Where it has ended; nil for one without a limit.
    package var limitedPlace: LimitedPlace? {
        get async { await state.withLock(\.flow).stream?.limitedPlace }
    }

    /// Follows the primary until the roles are changed, or it is stopped.
    /// - Returns: does the pipeline flow in the other direction now, as `definition` says?
    package func untilTurned() async throws -> Bool {
        let (flow, definition) = state.withLock { ($0.flow, $0.definition) }
        do {
            try await flow.run()
            return false
        } catch let failure as TidemarkError where !isStopping {
            guard let next = try await definition.turned(after: failure, waiting: { !self.isStopping }) else { throw failure }
            return try replace(by: next)
        }
    }

    /// Follows the primary. Where the roles are changed, it turns round and follows the new one.
    /// - Parameter leases: where the pipeline's lease is taken from whoever leads, and given back in the end; nil for one that
    ///   somebody else sees to.
    package func forEver(takingLeaseIn leases: LeasesByTarget? = nil) async throws {
        var failures = 0
        while true {
            let begun = ContinuousClock.now
            let (flow, definition) = state.withLock { ($0.flow, $0.definition) }
            do {
                guard let leases else { return try await flow.run() }
                return try await leading(definition, leases) { try await flow.run() }
            } catch let failure as TidemarkError where !isStopping {
                guard let next = try await definition.turned(after: failure, waiting: { !self.isStopping }) else {
                    guard definition.failurePolicy == .retry, failure.retry == .never || failure.retry == .unlessMoved else { throw failure }
                    failures = ContinuousClock.now - begun > RetryWait.max ? 1 : failures + 1
                    try await wait(after: failure, failures)
                    guard !isStopping, try replace(by: definition) else { return }
                    continue
                }
                guard try replace(by: next) else { return }
                if next.source != definition.source {
                    log.notice("the roles were changed: pipeline \(next.name) follows what was its target")
                }
            }
        }
    }

    private func leading(_ definition: PipelineDefinition, _ leases: LeasesByTarget, _ body: () async throws -> Void) async throws {
        let lease = LeaseByForce(definition.name, in: try leases.keeping(definition.target, holder: settings.worker), log: log)
        await lease.take()
        do {
            try await body()
        } catch {
            await lease.giveBack()
            throw error
        }
        await lease.giveBack()
    }

    /// What stopped it stays in the target for `status` meanwhile.
    private func wait(after failure: TidemarkError, _ failures: Int) async throws {
        let wait = RetryWait.afterFailures(failures)
        log.error("\(failure)\n  Trying again in \(wait.components.seconds) s.")
        let end = ContinuousClock.now + wait
        while !isStopping, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(50)) }
    }

    private var isStopping: Bool { state.withLock(\.isStopping) }

    /// - Returns: false where it was stopped meanwhile.
    private func replace(by definition: PipelineDefinition) throws -> Bool {
        let flow = try Flow(definition, settings, log: log, figures: figures)
        return state.withLock { state in
            (state.definition, state.flow) = (definition, flow)
            return !state.isStopping
        }
    }
}

extension PipelineDefinition {
    /// How the pipeline flows after its worker could not go on.
    ///
    /// - Parameter waiting: is it still worth waiting for a source that was left behind, to fence it?
    /// - Returns: nil where the failure has nothing to do with roles.
    fileprivate func turned(after failure: TidemarkError, waiting: () -> Bool) async throws -> PipelineDefinition? {
        // One without a log has only the direction in which it is given.
        guard !isPolledOnly else { return nil }
        // In this order: a change of roles that ends in between shows in the second, and neither would show it the other way round.
        let (isHeld, found) = try await OwnThread.run { ((try? openTargetAdministration().cursor(of: name))?.hold != nil, orientation()) }
        switch found.direction {
        case .reversed: return reversed
        case .sourceLeftBehind:
            // One that does not answer may have come back to the new primary long ago.
            guard await sourceAnswers(waiting: waiting) else { throw failure }
            // The fence waits for writers.
            let refusal: TidemarkError? = try await OwnThread.run {
                let now = orientation()
                guard now.direction == .sourceLeftBehind, let epoch = now.target?.epoch else { return nil }
                let (source, lost) = (try openSourceSide(), LeftBehindSource(self))
                try lost.fence(source, epoch: epoch, cause: .failover)
                return lost.error(source)
            }
            guard let refusal else { return try await turned(after: failure, waiting: waiting) }
            throw refusal
        case .asGiven:
            // Somebody changes roles at the moment: the next takeover waits for that.
            return failure.retry == .takenOver && isHeld ? self : nil
        }
    }

    /// The first thing that a source which comes back gets is a fence: an application that still knows its address would
    /// write what nobody ever sees. So it is waited for.
    private func sourceAnswers(waiting: () -> Bool) async -> Bool {
        while waiting() {
            if (try? await OwnThread.run { _ = try openSourceSide() }) != nil { return true }
            try? await Task.sleep(for: .seconds(1))
        }
        return false
    }
}

/// How long a pipeline that has failed waits before it tries again.
package enum RetryWait {
    package static let max = Duration.seconds(300)

    /// Doubling from a second, with jitter so that many pipelines do not come back at one moment.
    package static func afterFailures(_ failures: Int) -> Duration {
        let ceiling = Swift.min(300_000, 1_000 << Swift.min(Swift.max(failures - 1, 0), 20))
        return .milliseconds(Int.random(in: Swift.max(1_000, ceiling / 2)...ceiling))
    }
}
