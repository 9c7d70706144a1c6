import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

struct Copy: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Copies the rows that tables hold, also beside a running worker.",
        discussion: """
            Without --table it copies what is not copied yet, which run does by \
            itself. With --table it copies tables anew, whole or in part, at the \
            place where the stream is: nothing newer is overwritten. What is \
            interrupted goes on when it is typed again.

            EXAMPLE
              tidemark copy --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark copy --table public.orders --existing empty \\
                  --config /etc/tidemark.yaml
              tidemark copy --table public.orders --after 1000 --through 2000 \\
                  --source postgresql://db1/shop --target sqlite:replica.db
              tidemark copy --table orders --where "state = 'open'" \\
                  --source sqlite:shop.db --target sqlite:replica.db
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var delay: DelayOptions
    @OptionGroup var copying: CopyOptions
    @Option(
        help: ArgumentHelp(
            "Only rows behind this key, in the order of keys: a value, or a JSON object of a composite key. Overwrites rows with the same keys.",
            valueName: "key"))
    var after: String?
    @Option(help: ArgumentHelp("Only rows up to this key, itself included.", valueName: "key"))
    var through: String?
    @Option(
        name: .customLong("where"),
        help: ArgumentHelp(
            "Only rows for which this condition of the source's SQL holds; in PostgreSQL names outside pg_catalog need their schema.",
            valueName: "condition"))
    var condition: String?
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let isPartial = after != nil || through != nil || condition != nil
        guard !isPartial || !options.tables.isEmpty else {
            throw ValidationError("--after, --through and --where are for the tables named with --table.")
        }
        guard !isPartial || copying.existing == nil else {
            throw ValidationError("--existing is for whole tables: rows chosen by key or condition overwrite those with the same key.")
        }
        let definitions = try reportingErrors { try options.definitionsWithTables(delay: delay) }
        try reportingErrors {
            for definition in definitions {
                try definition.refuseIfPolledOnly("copy rows")
                try definition.refuseIfDelayed("copy rows")
            }
        }
        for definition in definitions { try await copy(definition) }
    }

    private func copy(_ definition: PipelineDefinition) async throws {
        try await reportingErrors {
            let (tables, settings) = try definition.naming {
                (options.tables.isEmpty ? nil : try definition.recordedTables(options.tables), copying.settings(definition))
            }
            var request = CopyRequest(tables: tables?.map(\.name), existing: copying.existing ?? .refuse)
            if let tables {
                request.after = try after.map { try RowKey.json($0, of: tables) }
                request.through = try through.map { try RowKey.json($0, of: tables) }
            }
            request.condition = condition
            let work = request
            let pipeline = try Pipeline(definition, settings, log: Logging.besideBars())
            let copied = try await stoppable([pipeline]) {
                try await showingProgress(of: [pipeline.meter], "copied") { try await pipeline.copy(work) }
            }
            output.printCopied(copied, pipeline.meter.readings, of: definition)
        }
    }
}

/// How rows are copied, by run and by copy.
struct CopyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Rows that the target's tables hold before their copy. refuse: they stop it. empty: they are removed first. merge: they stay, and rows with the same key are overwritten.",
            valueName: "refuse|empty|merge"))
    var existing: TableCopy.Existing?
    @OptionGroup var parallel: JobsOption

    func validate() throws {
        if existing == .keep { throw ValidationError("--existing takes refuse, empty or merge; --no-copy leaves the copy out.") }
    }

    func settings(_ definition: PipelineDefinition) -> Pipeline.Settings {
        var settings = Pipeline.Settings(definition, jobs: parallel.jobs)
        if let existing { settings.existing = existing }
        return settings
    }
}

/// How much is done at a time.
struct JobsOption: ParsableArguments {
    @Option(help: ArgumentHelp("Parts of tables that are copied, or compared, at a time.", valueName: "number"))
    var jobs: Int?

    func validate() throws {
        if let jobs, !(1...64).contains(jobs) { throw ValidationError("--jobs takes a number from 1 to 64.") }
    }
}

extension Pipeline.Settings {
    /// Of this process.
    init(_ definition: PipelineDefinition, jobs: Int?) {
        self.init(name: definition.name, worker: ThisProcess.worker)
        if let jobs { self.jobs = jobs }
    }
}

extension TableCopy.Existing: ExpressibleByArgument {}
