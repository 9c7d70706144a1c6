import ArgumentParser
import TidemarkApp
import TidemarkCore

struct Setup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Installs capture in the source and the cursor in the target.",
        discussion: """
            Twice is a no-op. After ALTER TABLE it renews capture. Rows that are \
            in the source already are copied by the first run.

            EXAMPLE
              tidemark setup --plan --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark setup --table 'public.*' --exclude public.audit \\
                  --source postgresql://db1/shop --target sqlite:replica.db
              tidemark setup --pipeline shop --source sqlite:shop.db \\
                  --target postgresql://db2/shop
              tidemark setup --create --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark setup --retain 24h --max-log-size 20GB \\
                  --at-max-log-size drop --config /etc/tidemark.yaml
              tidemark setup --mode full --source postgresql://reader@db1/shop \\
                  --target postgresql://db2/shop
              tidemark setup --role replica --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark setup --grant-wait app --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark setup --sites "2 of 3" --plan --config /etc/tidemark.yaml \\
                  --pipeline shop
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var capture: CaptureOptions
    @OptionGroup var log: LogOptions
    @OptionGroup var reading: ReadingOptions
    @Option(
        help: ArgumentHelp(
            "What the target is for. replica: to be promoted; nobody but the pipeline may write to its tables. feed: others may. Recorded; feed unless said. Or TIDEMARK_ROLE.",
            valueName: "replica|feed"))
    var role: TargetRole?
    @Option(
        help: ArgumentHelp(
            "Let this role of the databases (PostgreSQL) call tidemark.wait_for, tidemark.position and tidemark.wait_until, and nothing else of tidemark's. Repeatable. Recorded, until teardown.",
            valueName: "role"))
    var grantWait: [String] = []
    @Option(help: ArgumentHelp("Take that right back. Repeatable.", valueName: "role"))
    var revokeWait: [String] = []
    @Option(
        help: ArgumentHelp(
            "Which numbers the sequences of the source's tables give, where other databases take the same rows: \(SequenceSite.forms). SQLite takes ranges only. Recorded; teardown has them count as before. Or TIDEMARK_SITES.",
            valueName: "share|range"))
    var sites: SequenceSite?
    @Flag(help: "Print every statement with the lock that it takes, and change nothing.")
    var plan = false
    @Flag(help: "Make the tables that the target lacks, as the source defines them; those that it has stay as they are.")
    var create = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            for var definition in try options.definitions(capture, log, reading: reading) {
                definition.role = role ?? definition.role
                definition.sites = sites ?? definition.sites
                let installation = Installation(definition)
                let waiting = WaitSetup(definition, granting: grantWait, revoking: revokeWait)
                try waiting.check()
                if plan {
                    output.printPlan(try installation.planSetUp(creating: create) + waiting.plan(), of: definition)
                } else {
                    let loss = try installation.loss()
                    let captured = try installation.setUp(creating: create)
                    if definition.rules.isPolling { output.printPolled(try definition.polledTables(), of: definition) }
                    output.printCaptured(captured, of: definition)
                    for (side, granted, absent) in try waiting.apply() {
                        if !output.json, !granted.isEmpty { print("at the \(side), \(granted.joined(separator: ", ")) may wait") }
                        if !absent.isEmpty { warn("the \(side) has no role \(absent.joined(separator: ", ")): nobody of that name can wait there") }
                    }
                    if let loss {
                        warn(
                            "pipeline \(definition.name) was given up at \(loss.at) and begins anew:"
                                + " its tables have to be copied. Type: tidemark copy --existing empty --pipeline \(definition.name) …")
                    }
                    // Capture is renewed, but what passed it unseen before stays between the two sides.
                    let status = try StatusReport(of: definition)
                    if status.state == .blocked, let problem = status.problem { warn("pipeline \(definition.name): \(problem)") }
                }
            }
        }
    }
}

struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Says whether a pipeline is well, how far behind it is, and why.",
        discussion: """
            EXAMPLE
              tidemark status --source sqlite:shop.db --target sqlite:replica.db
              tidemark status --config /etc/tidemark.yaml --json

            Exit status 1 if a pipeline cannot go on by itself.
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var delay: DelayOptions
    @OptionGroup var reading: ReadingOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let reports = try reportingErrors { try options.definitions(delay: delay, reading: reading).map { try StatusReport(of: $0) } }
        output.printStatus(reports)
        if reports.contains(where: { [.blocked, .unreachable, .notSetUp].contains($0.state) }) { throw ExitCode(1) }
    }
}

struct Check: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Finds what would go wrong, before and after setup, each with its remedy.",
        discussion: """
            EXAMPLE
              tidemark check --source sqlite:shop.db --target sqlite:replica.db
              tidemark check --require-key --source postgresql://db1/shop \\
                  --target postgresql://db2/shop

            Exit status 2 if there is a problem or a warning; notes alone are none.
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var delay: DelayOptions
    @OptionGroup var capture: CaptureOptions
    @OptionGroup var reading: ReadingOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let found = try reportingErrors {
            try options.definitions(capture, delay: delay, reading: reading).map { (pipeline: $0.name, findings: try Installation($0).check()) }
        }
        output.printFindings(found)
        if found.contains(where: { $0.findings.contains { $0.finding.severity != .note } }) { throw ExitCode(2) }
    }
}

struct Teardown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Removes everything that setup installed, from both databases.",
        discussion: """
            What other pipelines still need stays until the last of them is torn down.

            EXAMPLE
              tidemark teardown --plan --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark teardown --source sqlite:shop.db --target sqlite:replica.db
              tidemark teardown --source-only --pipeline old --source postgresql://db1/shop
            """)
    @OptionGroup var options: PipelineOptions
    @Flag(help: "Leave the target as it is, which may be gone for good: the source keeps no more changes for it.")
    var sourceOnly = false
    @Flag(help: "Print every statement with the lock that it takes, and change nothing.")
    var plan = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            for definition in try options.definitions(needingTarget: !sourceOnly) {
                let installation = Installation(definition)
                if plan {
                    output.printPlan(try installation.planTearDown(sourceOnly: sourceOnly), of: definition)
                } else {
                    try installation.tearDown(sourceOnly: sourceOnly)
                    output.printRemoved(definition, sourceOnly: sourceOnly)
                }
            }
        }
    }
}
