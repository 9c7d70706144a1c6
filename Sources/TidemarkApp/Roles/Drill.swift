package import Logging
import TidemarkCore
package import TidemarkPipeline

/// A failover that is rehearsed on a copy: the same steps, with the same code, on a database that nobody needs.
package struct Drill: Sendable {
    package struct Outcome: Sendable {
        package var tables: Int
        package var copySeconds: Double
        package var verifySeconds: Double
        /// From the decision to the first write that is taken.
        package var promotionSeconds: Double
        package var verdicts: [TableVerdict]
    }

    private let rehearsal: PipelineDefinition
    private let worker: String
    private let log: Logger
    private let timed: TimedSteps

    /// - Parameter scratch: the address of an empty database.
    package init(
        _ definition: PipelineDefinition, on scratch: String, worker: String, log: Logger,
        report: @escaping @Sendable (RoleChangeReport) -> Void
    ) {
        var rehearsal = definition
        (rehearsal.name, rehearsal.target) = (definition.name + "-drill", scratch)
        (self.rehearsal, self.worker, self.log, timed) = (rehearsal, worker, log, TimedSteps(report))
    }

    /// Copies, compares and promotes. The pipeline of the rehearsal is gone afterwards, also where it failed; the copy stays.
    package func run() async throws -> Outcome {
        try rehearsal.naming {
            // Its scratch database may have nothing of tidemark's yet.
            if rehearsal.rules.isShaping { try rehearsal.refuseIfShaped("rehearse a failover to it") }
            try rehearsal.refuseIfShared("rehearse a failover to it")
            try refuseUnlessEmpty()
        }
        do {
            let outcome = try await rehearse()
            try Installation(rehearsal).tearDown()
            return outcome
        } catch {
            try? Installation(rehearsal).tearDown()
            throw error
        }
    }

    private func refuseUnlessEmpty() throws {
        let scratch = try Engines.accepting(rehearsal.target, of: "scratch database").sourceAdministration(rehearsal.target)
        guard let table = try scratch.tables(TableSelection()).first else { return }
        throw TidemarkError(
            "the scratch database is not empty", table: table.name, why: "a drill makes the tables itself, and must not touch any that are there",
            remedy: "Give it a new database with --scratch: createdb drill")
    }

    private func rehearse() async throws -> Outcome {
        let start = timed.now
        let tables = try Installation(rehearsal).setUp(creating: true)
        var settings = Pipeline.Settings(name: rehearsal.name, worker: worker)
        settings.startedAt = Clock.now
        let (definition, choices, log) = (rehearsal, settings, log)
        _ = try await timed(.caughtUp) { try await Pipeline(definition, choices, log: log).runOnce() }
        let copied = timed.now
        let verdicts = try await timed(.compared) { try await Pipeline(definition, choices, log: log).verdicts() }
        let verified = timed.now
        var options = Failover.Options()
        options.ignoresSource = true
        let promoted = try Failover(rehearsal, others: [], options, worker: worker, log: log, report: timed.report).promote()
        return Outcome(
            tables: tables.count, copySeconds: (copied - start) / .seconds(1), verifySeconds: (verified - copied) / .seconds(1),
            promotionSeconds: promoted.seconds, verdicts: verdicts)
    }
}
