import ArgumentParser
import Foundation
import Logging

import TidemarkApp
import TidemarkConfig
import TidemarkCore
import TidemarkPipeline

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies what is there, then applies changes as they are committed.",
        discussion: """
            What is not set up yet is set up first. Rows that the tables hold are \
            copied and compared once; then it follows the source. What was \
            interrupted goes on where it was.

            SIGTERM and SIGINT stop it after the window at hand, with status 0. \
            It survives the loss of either database, and goes on when that is \
            back. A change that cannot be applied stops it with status 1, unless \
            --on-failure says otherwise; once that is mended, the next run goes on \
            at the same change.

            Tables with mode: full, skip-completed or incremental are read by \
            their schedules, the first time at once; with --once, one pass over \
            each of them is made.

            While it runs, it has the pipeline's lease, so that a service with the \
            same pipeline stands by; with --once it has not.

            EXAMPLE
              tidemark run --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark run --create --source postgresql://db1/shop \\
                  --target postgresql://db3/empty
              tidemark run --on-failure set-aside --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark run --wait hybrid --wait-table public.payment \\
                  --config /etc/tidemark.yaml --pipeline shop
              tidemark run --once --source sqlite:shop.db --target sqlite:replica.db
              tidemark run --mode full --every 1h \\
                  --source postgresql://reader@db1/shop --target sqlite:copy.db
              tidemark run --config /etc/tidemark.yaml --log-format json
              tidemark run --delay 30m --source postgresql://db1/shop \\
                  --target postgresql://db4/shop
              tidemark run --until 48151623 --source postgresql://db1/shop \\
                  --target postgresql://db4/shop
              tidemark run --until '2026-01-02 03:04:05' --once \\
                  --config /etc/tidemark.yaml --pipeline delayed
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var delay: DelayOptions
    @OptionGroup var reading: ReadingOptions
    @Option(
        help: ArgumentHelp(
            "Apply what was committed before this place, then exit; of a change, before the transaction that logged it. \(LogPlace.forms). What is not committed yet is waited for, unless with --once.",
            valueName: "time or change id"))
    var until: LogPlace?
    @Flag(help: "Copy what is not copied yet, apply all that was committed at the start, then exit.")
    var once = false
    @Flag(help: "Leave the copy out: the target's tables are loaded already.")
    var noCopy = false
    @Flag(help: "Do not compare tables once they are copied.")
    var noVerify = false
    @Flag(help: "Compare all tables again and again beside the stream, at --max-rate; status shows the last proof of each.")
    var verifyContinuously = false
    @Option(help: ArgumentHelp("With --verify-continuously: rows to compare a second, at most; 50000 unless said.", valueName: "rows"))
    var maxRate: Int?
    @Flag(help: "Set up with the tables that the target lacks made there, as setup --create does.")
    var create = false
    @OptionGroup var copying: CopyOptions
    @Option(
        help: ArgumentHelp(
            "What becomes of a change that cannot be applied. stop: the pipeline stops there. retry: it tries again, less and less often. set-aside: its transaction and all later changes of the rows that it touched are parked in the target, until tidemark parked settles them; the rest flows. stop unless said. Or TIDEMARK_ON_FAILURE.",
            valueName: "stop|retry|set-aside"))
    var onFailure: FailurePolicy?
    @Option(
        help: ArgumentHelp(
            "When the source is told of what is durable in the target, for those who wait there. asynchronous: every few seconds. synchronous: after each window. hybrid: after those with changes of the tables that --wait-table names; nobody waits for others. asynchronous unless said. Or TIDEMARK_WAIT.",
            valueName: "asynchronous|synchronous|hybrid"))
    var wait: Waiting.Mode?
    @Option(
        name: .customLong("wait-table"),
        help: ArgumentHelp("With --wait hybrid: tables that are waited for, schema.table with *. Repeatable. Or TIDEMARK_WAIT_TABLES, with commas.", valueName: "pattern"))
    var waitTables: [String] = []
    @OptionGroup var output: OutputOptions
    @OptionGroup var logging: LogOutputOptions

    func run() async throws {
        try logging.apply()
        let log = Logging.toStandardError()
        let definitions = try reportingErrors {
            try options.definitions(delay: delay, reading: reading, wait: wait, waitTables: waitTables).map(withFlags)
        }
        // A place is one of the past of a pipeline that there is.
        if until == nil { try reportingErrors { for definition in definitions { try setUp(definition, log) } } }
        let proven = once || until != nil ? [] : definitions.filter { $0.run.verify == .continuously && !$0.isPolledOnly }
        try reportingErrors { for definition in proven { try definition.refuseIfDelayed("compare tables") } }
        let jointLogs = JointLogs()
        let pipelines = try reportingErrors {
            try definitions.map { definition in
                var settings = settings(definition)
                settings.jointLogs = jointLogs
                // Who names a place means it, also while the pipeline is paused, and wants it to stay there.
                if until != nil, let holder = try Pause(definition).holder() { settings.worker = holder }
                return try PipelineRun(definition, settings, log: log)
            }
        }
        let leases = LeasesByTarget(log: log)
        let provers = try reportingErrors {
            try proven.map { try Pipeline($0, Pipeline.Settings($0, jobs: 1), log: log) }
        }
        let failed = try await stoppable({
            pipelines.forEach { $0.stop() }
            provers.forEach { $0.stop() }
        }) {
            try await showingProgress(of: pipelines.map(\.meter), "so far", besideLog: true) {
                await withTaskGroup(of: Void.self) { beside in
                    for (definition, prover) in zip(proven, provers) {
                        beside.addTask { await prove(definition, prover) }
                    }
                    let failed = await withTaskGroup(of: Bool.self) { group in
                        for (definition, pipeline) in zip(definitions, pipelines) {
                            group.addTask { await follow(pipeline, definition, leases) }
                        }
                        // One pipeline that stops must not stop the others.
                        return await group.reduce(false) { $0 || !$1 }
                    }
                    provers.forEach { $0.stop() }
                    return failed
                }
            }
        }
        if failed { throw ExitCode(1) }
    }

    func validate() throws {
        if once, verifyContinuously { throw ValidationError("--verify-continuously goes on for ever, and --once does not: give one.") }
        if until != nil, verifyContinuously { throw ValidationError("--verify-continuously takes the target to now, and --until does not: give one.") }
        if let maxRate, maxRate < 1 { throw ValidationError("--max-rate takes a number of rows above 0.") }
        if noCopy, copying.existing != nil { throw ValidationError("--no-copy leaves the copy out that --existing is about: give one.") }
    }

    /// Two databases that know nothing of each other are set up first. A service that is started while one of them
    /// is away waits for it, as it does later.
    private func setUp(_ definition: PipelineDefinition, _ log: Logger) throws {
        do {
            guard let tables = try Installation(definition).setUpIfNeeded(creating: definition.run.creates == true) else { return }
            let captured = "\(Amount.text(tables.count, "table", ("is", "are"))) captured"
            log.info("set up pipeline \(definition.name): \(definition.isPolledOnly ? "its tables are read, and nothing is installed at the source" : captured)")
        } catch let failure as TidemarkError {
            guard failure.retry == .later, !once else { throw failure }
        }
    }

    /// What the configuration says, with the flags over it.
    private func withFlags(_ definition: PipelineDefinition) -> PipelineDefinition {
        var definition = definition
        if create { definition.run.creates = true }
        if noCopy { definition.run.copies = false }
        if let existing = copying.existing { (definition.run.copies, definition.run.existing) = (true, existing) }
        if noVerify { definition.run.verify = .never }
        if verifyContinuously { definition.run.verify = .continuously }
        definition.run.maxRate = maxRate ?? definition.run.maxRate
        definition.run.jobs = copying.parallel.jobs ?? definition.run.jobs
        definition.failurePolicy = onFailure ?? definition.failurePolicy
        return definition
    }

    private func settings(_ definition: PipelineDefinition) -> Pipeline.Settings {
        var settings = copying.settings(definition)
        if !once { settings.worker = ThisProcess.leader }
        settings.follow(definition.run)
        settings.limit = StreamLimit(delaySeconds: definition.delaySeconds, until: until)
        return settings
    }

    /// Compares beside the stream. What it cannot do is said, and no reason to stop that.
    private func prove(_ definition: PipelineDefinition, _ prover: Pipeline) async {
        do {
            try await Verification(definition, prover).besideStream()
        } catch {
            report(error)
        }
    }

    /// - Returns: false if the pipeline cannot go on.
    private func follow(_ pipeline: PipelineRun, _ definition: PipelineDefinition, _ leases: LeasesByTarget) async -> Bool {
        do {
            if once {
                let outcome = try await pipeline.once()
                let passes = outcome.passes.map { TablePass($0, of: definition) }
                if until == nil { output.printApplied(outcome.cursor, passes, of: definition) }
                if passes.contains(where: { $0.error != nil }) { return false }
            } else {
                try await pipeline.forEver(takingLeaseIn: leases)
            }
            if until != nil, let place = await pipeline.limitedPlace { output.printPlace(place, of: definition) }
            return true
        } catch {
            report(error)
            return false
        }
    }
}
