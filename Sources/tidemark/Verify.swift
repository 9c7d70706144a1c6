import ArgumentParser
import Foundation
import Synchronization
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

struct Verify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says whether source and target are equal, without stopping writers.",
        discussion: """
            Every table is compared in one snapshot of the source, with the target \
            at exactly that place of the stream: a row that is on its way is never \
            a difference. Digests are computed in the databases; only what differs \
            is looked at row by row.

            EXAMPLE
              tidemark verify --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark verify --table public.orders --repair --plan \\
                  --config /etc/tidemark.yaml
              tidemark verify --repair --source sqlite:shop.db \\
                  --target sqlite:replica.db
              tidemark verify --continuous --max-rate 50000 \\
                  --config /etc/tidemark.yaml

            Exit status 2 if a table differs and was not repaired.
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var delay: DelayOptions
    @Flag(help: "Make the target equal, in order with the stream; what is changed is logged in the target.")
    var repair = false
    @Flag(help: "With --repair: print the statements, and change nothing.")
    var plan = false
    @Flag(help: "Go on where a verify that was interrupted had come to.")
    var resume = false
    @Flag(help: "Compare all tables again and again until it is stopped; status shows the last proof of each.")
    var continuous = false
    @Option(help: ArgumentHelp("Rows to compare a second, at most.", valueName: "rows"))
    var maxRate: Int?
    @Option(help: ArgumentHelp("Differences to list of each table; all are counted.", valueName: "number"))
    var list = 20
    @OptionGroup var parallel: JobsOption
    @Option(help: ArgumentHelp("Seconds to wait for a pipeline that is behind.", valueName: "seconds"))
    var wait = 60.0
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if plan, !repair { throw ValidationError("--plan says what --repair would do: give both.") }
        if continuous, plan || resume { throw ValidationError("--continuous compares for ever: --plan and --resume are for one look.") }
        if let maxRate, maxRate < 1 { throw ValidationError("--max-rate takes a number of rows above 0.") }
        if list < 0 { throw ValidationError("--list takes a number of rows.") }
        if !wait.isFinite || wait < 0 { throw ValidationError("--wait takes a number of seconds.") }
    }

    func run() async throws {
        let definitions = try reportingErrors { try options.definitionsWithTables(delay: delay) }
        try reportingErrors {
            for definition in definitions {
                try definition.refuseIfPolledOnly("compare tables")
                try definition.refuseIfDelayed("compare tables")
                if repair { try definition.refuseIfShared("repair it") }
            }
        }
        var found: [VerifiedTable] = []
        if continuous { return try await verifyForEver(definitions) }
        var failure: (any Error)?
        for definition in definitions {
            let verdicts = Mutex<[TableVerdict]>([])
            do {
                try await reportingErrors { try await verify(definition) { verdict in verdicts.withLock { $0.append(verdict) } } }
            } catch {
                failure = error
            }
            found += verdicts.withLock { $0 }.map { VerifiedTable(definition.name, $0) }
        }
        // What was found, and repaired, before something failed is so all the same.
        if failure == nil || !found.isEmpty { output.printVerified(found, planning: plan) }
        if let failure { throw failure }
        if found.contains(where: { !$0.isEqual }) { throw ExitCode(2) }
    }

    private func verifyForEver(_ definitions: [PipelineDefinition]) async throws {
        let failed = await withTaskGroup(of: Bool.self) { group in
            for definition in definitions {
                group.addTask {
                    do {
                        try await verify(definition, report: nil)
                        return true
                    } catch {
                        report(error)
                        return false
                    }
                }
            }
            return await group.contains(false)
        }
        if failed { throw ExitCode(1) }
    }

    private func request(_ definition: PipelineDefinition) throws -> VerifyRequest {
        var request = VerifyRequest(startedAt: Date.now.formatted(.iso8601))
        request.tables = options.tables.isEmpty ? nil : try definition.recordedTables(options.tables).map(\.name)
        request.repair = plan ? .plan : repair ? .apply : .none
        (request.listedMax, request.rowsPerSecond, request.resumes, request.waitMaxSeconds) = (list, maxRate, resume, wait)
        return request
    }

    /// - Parameter report: nil for a look without end.
    private func verify(_ definition: PipelineDefinition, report: (@Sendable (TableVerdict) -> Void)?) async throws {
        let pipeline = try Pipeline(definition, Pipeline.Settings(definition, jobs: parallel.jobs), log: report != nil ? Logging.besideBars() : Logging.toStandardError())
        let request = try definition.naming { try self.request(definition) }
        try await stoppable([pipeline]) {
            let verification = Verification(definition, pipeline)
            guard let report else { return try await verification.forEver(request) }
            try await showingProgress(of: [pipeline.meter], "compared") { try await verification.once(request, report: report) }
        }
    }
}
