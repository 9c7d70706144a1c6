import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkConfig
import TidemarkCore

/// Which pipelines a command is about. Flags win over the environment, and that over the file.
struct PipelineOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address of the source: \(Engines.forms). Or TIDEMARK_SOURCE.", valueName: "url"))
    var source: String?
    @Option(help: ArgumentHelp("Address of the target, the same forms. Or TIDEMARK_TARGET.", valueName: "url"))
    var target: String?
    @Option(help: ArgumentHelp("Name of the pipeline; “main” if there is only one. Or TIDEMARK_PIPELINE.", valueName: "name"))
    var pipeline: String?
    @Option(
        name: .customLong("table"),
        help: ArgumentHelp(
            "Tables to take, schema.table with *; without it every user table, or what setup recorded. Repeatable. Or TIDEMARK_TABLES, with commas.",
            valueName: "pattern"))
    var tables: [String] = []
    @Option(help: ArgumentHelp("Tables to leave out, the same way. Repeatable. Or TIDEMARK_EXCLUDE.", valueName: "pattern"))
    var exclude: [String] = []
    @Option(
        help: ArgumentHelp("YAML file with several pipelines; --pipeline chooses one. Or TIDEMARK_CONFIG.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    /// The pipelines as they flow now: where roles were changed, in the other direction than they are given.
    func definitions(
        _ capture: CaptureOptions? = nil, _ log: LogOptions? = nil, delay: DelayOptions? = nil, reading: ReadingOptions? = nil,
        wait: Waiting.Mode? = nil, waitTables: [String] = [], needingTarget: Bool = true
    ) throws -> [PipelineDefinition] {
        try definitionsAsGiven(capture, log, reading, wait: wait, waitTables: waitTables, needingTarget: needingTarget).map { given in
            var definition = needingTarget ? given.oriented() : given
            definition.delay = delay?.delay ?? definition.delay
            return definition
        }
    }

    /// The one pipeline that a change of roles is about.
    func definitionAsGiven() throws -> PipelineDefinition {
        let definition = try definitionsAsGiven().only()
        try definition.refuseIfPolling("promote")
        return definition
    }

    /// The pipeline that is chosen, and behind it the configuration's others from the same source.
    func replicasOfOneSource() throws -> [PipelineDefinition] {
        let chosen = try definitionAsGiven()
        guard config != nil || ProcessInfo.processInfo.environment["TIDEMARK_CONFIG"] != nil else { return [chosen] }
        var all = self
        (all.pipeline, all.source, all.target) = (nil, nil, nil)
        return [chosen] + (try all.definitionsAsGiven()).filter { $0.name != chosen.name && $0.source == chosen.source }
    }

    private func definitionsAsGiven(
        _ capture: CaptureOptions? = nil, _ log: LogOptions? = nil, _ reading: ReadingOptions? = nil, wait: Waiting.Mode? = nil,
        waitTables: [String] = [], needingTarget: Bool = true
    ) throws -> [PipelineDefinition] {
        let environment = ProcessInfo.processInfo.environment
        let chosen = pipeline ?? environment["TIDEMARK_PIPELINE"]
        guard let path = config ?? environment["TIDEMARK_CONFIG"] else {
            return [try definition(Configuration.Entry(name: chosen ?? "main"), capture, log, reading, wait, waitTables, environment, needingTarget)]
        }
        let configuration = try Configuration.read(path, environment: environment)
        for warning in configuration.warnings { warn(warning.text(path: path)) }
        let entries = configuration.pipelines.filter { chosen == nil || $0.name == chosen }
        guard !entries.isEmpty else {
            throw UsageError("The configuration \(path) has no pipeline “\(chosen ?? "")”: it has \(configuration.pipelines.map(\.name).joined(separator: ", ")).")
        }
        guard entries.count == 1 || (source == nil && target == nil) else {
            throw UsageError("--source and --target are for one pipeline, and \(path) has several: choose with --pipeline NAME.")
        }
        return try entries.map { try definition($0, capture, log, reading, wait, waitTables, environment, needingTarget) }
    }

    /// The same for a command whose --table names tables of pipelines that are set up.
    func definitionsWithTables(delay: DelayOptions? = nil, reading: ReadingOptions? = nil) throws -> [PipelineDefinition] {
        var whole = self
        whole.tables = []
        let definitions = try whole.definitions(delay: delay, reading: reading)
        return try tables.isEmpty ? definitions : [definitions.only()]
    }

    private func definition(
        _ entry: Configuration.Entry, _ capture: CaptureOptions?, _ log: LogOptions?, _ reading: ReadingOptions?, _ wait: Waiting.Mode?,
        _ waitTables: [String], _ environment: [String: String], _ needingTarget: Bool
    ) throws -> PipelineDefinition {
        var entry = entry
        entry.source = source ?? environment["TIDEMARK_SOURCE"] ?? entry.source
        entry.target = target ?? environment["TIDEMARK_TARGET"] ?? entry.target
        func patterns(_ flags: [String], _ variable: String, _ file: [String]?) -> [String]? {
            if !flags.isEmpty { return flags }
            return environment[variable].map { $0.split(separator: ",").map(String.init) } ?? file
        }
        entry.tables = patterns(tables, "TIDEMARK_TABLES", entry.tables)
        entry.exclude = patterns(exclude, "TIDEMARK_EXCLUDE", entry.exclude)
        entry.capture = capture?.capture ?? entry.capture
        entry.images = capture?.image ?? entry.images
        entry.requiresKey = capture?.requireKey == true ? true : entry.requiresKey
        entry.capturesReplicaRole = capture?.captureReplicaRole == true ? true : entry.capturesReplicaRole
        func parsed<T>(_ variable: String, _ forms: String, _ parse: (String) -> T?) throws -> T? {
            guard let text = environment[variable] else { return nil }
            guard let value = parse(text) else { throw UsageError("\(variable) is “\(text)”: it has to be \(forms).") }
            return value
        }
        entry.read(
            try reading?.mode ?? parsed("TIDEMARK_MODE", "realtime, full or skip-completed") { SyncMode(rawValue: $0).flatMap { $0 == .incremental ? nil : $0 } },
            everySeconds: try (reading?.every ?? parsed("TIDEMARK_EVERY", StreamDelay.forms) { StreamDelay(parsing: $0) })?.seconds)
        entry.delay = try parsed("TIDEMARK_DELAY", StreamDelay.forms) { StreamDelay(parsing: $0) } ?? entry.delay
        entry.retention = try log?.retain ?? parsed("TIDEMARK_RETAIN", Retention.forms) { Retention(parsing: $0) } ?? entry.retention
        entry.role = try parsed("TIDEMARK_ROLE", TargetRole.forms) { TargetRole(rawValue: $0) } ?? entry.role
        entry.sites = try parsed("TIDEMARK_SITES", SequenceSite.forms) { SequenceSite(parsing: $0) } ?? entry.sites
        entry.failurePolicy = try parsed("TIDEMARK_ON_FAILURE", FailurePolicy.forms) { FailurePolicy(rawValue: $0) } ?? entry.failurePolicy
        let said = try wait ?? parsed("TIDEMARK_WAIT", Waiting.Mode.forms) { Waiting.Mode(rawValue: $0) }
        // What the file says of tables is about its own mode.
        if said == .asynchronous || said == .synchronous { entry.waitTables = nil }
        entry.wait = said ?? entry.wait
        entry.waitTables = patterns(waitTables, "TIDEMARK_WAIT_TABLES", entry.waitTables)
        entry.logLimit = LogLimitRequest(
            maxBytes: try log?.maxLogSize?.bytes ?? parsed("TIDEMARK_MAX_LOG_SIZE", LogLimit.forms) { ByteCount.parsed($0) }
                ?? entry.logLimit.maxBytes,
            policy: try log?.atMaxLogSize ?? parsed("TIDEMARK_AT_MAX_LOG_SIZE", LogPolicy.forms) { LogPolicy(rawValue: $0) }
                ?? entry.logLimit.policy)
        return try PipelineDefinition(entry, needingTarget: needingTarget)
    }
}

extension [PipelineDefinition] {
    /// Of a command that is about one pipeline.
    func only() throws -> PipelineDefinition {
        guard count == 1 else { throw UsageError("The configuration has several pipelines: choose with --pipeline NAME.") }
        return self[0]
    }
}

/// How setup captures, and check examines.
struct CaptureOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "row: once per row, cheapest for statements of a few rows. statement: once per statement, cheapest in bulk. auto: by what the log shows of a table; row at first."))
    var capture: CaptureKind?
    @Option(
        help: ArgumentHelp(
            "new: log rows as a change leaves them. both: also as they were before, for rewind and diff-since. Recorded with the pipeline; a table is logged with both if any pipeline wants it. new at first."))
    var image: CapturedImages?
    @Flag(help: "Refuse tables without a key instead of identifying rows as a whole.")
    var requireKey = false
    @Flag(help: "Capture also what is written under session_replication_role = replica (PostgreSQL).")
    var captureReplicaRole = false
}

extension SequenceSite: ExpressibleByArgument {
    package init?(argument: String) { self.init(parsing: argument) }
}

extension CaptureKind: ExpressibleByArgument {}
extension CapturedImages: ExpressibleByArgument {}
extension TargetRole: ExpressibleByArgument {}
extension FailurePolicy: ExpressibleByArgument {}
extension Waiting.Mode: ExpressibleByArgument {}

/// How far a target stays behind.
struct DelayOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "How far the target stays behind its source on purpose: \(StreamDelay.forms). Or TIDEMARK_DELAY.", valueName: "time"))
    var delay: StreamDelay?
}

extension StreamDelay: ExpressibleByArgument {
    package init?(argument: String) { self.init(parsing: argument) }
}

extension LogPlace: ExpressibleByArgument {
    package init?(argument: String) { self.init(parsing: argument) }
}

/// What setup makes of the source's log.
struct LogOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep of the log, behind what every pipeline has applied: \(Retention.forms). Recorded with the pipeline. Or TIDEMARK_RETAIN.",
            valueName: "time or size"))
    var retain: Retention?
    @Option(
        help: ArgumentHelp(
            "How large the source's one log may become, whoever reads it: \(LogLimit.forms). Or TIDEMARK_MAX_LOG_SIZE.", valueName: "size"))
    var maxLogSize: LogSize?
    @Option(
        help: ArgumentHelp(
            "What is done then. warn: nothing is removed. drop: the slowest pipeline is given up, and has to copy again. stop: capture stops, and the tables have to be compared. warn unless said. Or TIDEMARK_AT_MAX_LOG_SIZE.",
            valueName: "warn|drop|stop"))
    var atMaxLogSize: LogPolicy?
}

extension Retention: ExpressibleByArgument {
    package init?(argument: String) { self.init(parsing: argument) }
}

extension LogPolicy: ExpressibleByArgument {}

/// A size as it is typed.
struct LogSize: ExpressibleByArgument {
    let bytes: Int64

    init?(argument: String) {
        guard let bytes = ByteCount.parsed(argument) else { return nil }
        self.bytes = bytes
    }
}
