import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

struct Sync: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Reads tables now that are read instead of their log, whatever their schedule says.",
        discussion: """
            For tables with mode: full, skip-completed or incremental. One pass over \
            each, also beside a running worker: what differs is written, and \
            what was interrupted goes on where it was.

            EXAMPLE
              tidemark sync --config /etc/tidemark.yaml --pipeline shop
              tidemark sync --table public.orders --config /etc/tidemark.yaml
              tidemark sync --table 'public.*' --anew --config /etc/tidemark.yaml
              tidemark sync --mode full --source postgresql://db1/shop \\
                  --target postgresql://db2/shop

            Exit status 1 if a table failed; the others are read all the same, \
            unless it is to stop the pipeline (on-error: stop).
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var reading: ReadingOptions
    @Flag(help: "From the first row on: also what is done once and for all, or reads only what has changed.")
    var anew = false
    @OptionGroup var parallel: JobsOption
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let definitions = try reportingErrors { try options.definitionsWithTables(reading: reading) }
        guard definitions.contains(where: { $0.rules.isPolling }) else {
            throw ValidationError(
                "No table of \(definitions.map(\.name).joined(separator: ", ")) is read: give tables mode: full, skip-completed or incremental in the --config file, or --mode.")
        }
        var passes: [TablePass] = []
        var isFailed = false
        for definition in definitions where definition.rules.isPolling {
            do {
                passes += try await sync(definition).map { TablePass($0, of: definition) }
            } catch {
                report(error)
                isFailed = true
            }
        }
        output.printPasses(passes)
        if isFailed || passes.contains(where: { $0.error != nil }) { throw ExitCode(1) }
    }

    private func sync(_ definition: PipelineDefinition) async throws -> [PolledTables.Outcome] {
        let names = options.tables.isEmpty ? nil : Set(try definition.polledTables(options.tables).map(\.table.name))
        let polled = try PolledTables(definition, worker: ThisProcess.worker, jobs: parallel.jobs, log: Logging.besideBars())
        return try await stoppable({ polled.stop() }) {
            try await showingProgress(of: [polled.meter], "read") { try await polled.runOnce(names, anew: anew) }
        }
    }
}

/// How the tables of a pipeline are read that has no file.
struct ReadingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How tables are kept in step, unless the file says it of one. realtime: their changes are captured. full: each is read whole, each time. skip-completed: read once. incremental needs columns, which the --config file names. Or TIDEMARK_MODE.",
            valueName: "realtime|full|skip-completed"))
    var mode: SyncMode?
    @Option(help: ArgumentHelp("When tables are read again: a time (30m, 2h), or 0 for only on demand. Or TIDEMARK_EVERY.", valueName: "time"))
    var every: StreamDelay?

    func validate() throws {
        if mode == .incremental { throw ValidationError("--mode incremental has to say by which column: give the table mode: and by: in a --config file.") }
    }
}

extension SyncMode: ExpressibleByArgument {}

/// What a pass over a table has done, for output.
struct TablePass: Encodable {
    let pipeline: String
    let table: String
    let mode: String
    let state: String
    let rowsRead: Int64
    let rowsWritten: Int64
    let rowsDeleted: Int64
    let mark: String?
    let error: String?

    init(_ outcome: PolledTables.Outcome, of definition: PipelineDefinition) {
        let unit = outcome.unit
        (pipeline, table, mode) = (definition.name, outcome.table.description, unit.mode.rawValue)
        (state, mark, error) = (outcome.failure == nil ? unit.state.rawValue : "failed", unit.mark?.json, outcome.failure?.description)
        (rowsRead, rowsWritten, rowsDeleted) = (unit.rowsDone, unit.rowsWritten, unit.rowsDeleted)
    }

    var text: String {
        if let error { return "table \(table) FAILED: \(error)" }
        return "read \(Amount.text(rowsRead, "row")) of table \(table) (\(mode)): \(rowsWritten) written, \(rowsDeleted) deleted"
    }
}

extension OutputOptions {
    func printPasses(_ passes: [TablePass]) {
        if json { return printJSON(passes) }
        for pass in passes { print(pass.text) }
    }

    func printPolled(_ tables: [(table: CapturedTable, reading: PolledReading)], of definition: PipelineDefinition) {
        guard !json else { return }
        for (table, reading) in tables {
            let when = reading.mode == .skipCompleted ? "once" : reading.schedule.text
            print("reads \(table.name) (\(reading.mode.rawValue), \(when))")
        }
        if definition.isPolledOnly { print("nothing is installed at the source") }
    }
}
