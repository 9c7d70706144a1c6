import ArgumentParser
import TidemarkApp
import TidemarkCore

struct FailbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failback",
        abstract: "Lets the source that a failover left behind follow the new primary, without a full copy.",
        discussion: """
            The old source is fenced, and what it had committed and never sent is \
            read from its log. Without such changes it follows at once. With some \
            it says what they are and stops, until it is told what to do with \
            them: --lost undo puts the rows back to what the new primary has. \
            --lost replay writes them to the new primary once more, as an \
            application would. --export keeps them in any case. At the end all \
            is compared.

            To make it the primary again, type tidemark switchover afterwards.

            EXAMPLE
              tidemark failback --export lost.jsonl --config /etc/tidemark.yaml
              tidemark failback --lost undo --export lost.jsonl \\
                  --source postgresql://db1/shop --target postgresql://db2/shop

            Exit status 2 if changes wait for that choice.
            """)
    @OptionGroup var options: PipelineOptions
    @Option(help: ArgumentHelp("What becomes of changes that never left the old source.", valueName: "undo|replay"))
    var lost: Failback.Choice?
    @Option(
        help: ArgumentHelp(
            "With --lost replay: rows that the new primary has changed as well. stop: nothing is replayed. keep: they stay as they are there. overwrite: they become what the old source had.",
            valueName: "stop|keep|overwrite"))
    var onConflict: Failback.ConflictPolicy?
    @Option(help: ArgumentHelp("File that gets those changes, a line of JSON each.", valueName: "file"), completion: .file())
    var export: String?
    @Flag(help: "Undo also rows whose content is not in the old source's log, and so in no export.")
    var evenIfNotExported = false
    @Flag(help: "Do not compare all tables at the end.")
    var noVerify = false
    @Option(help: .hidden)
    var dieAfter: RoleChangeStep?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if onConflict != nil, lost != .replay { throw ValidationError("--on-conflict is about --lost replay: give both.") }
    }

    func run() async throws {
        let definition = try reportingErrors { try options.definitionAsGiven() }
        var choices = Failback.Options()
        (choices.lost, choices.verifies, choices.onConflict) = (lost, !noVerify, onConflict ?? .stop)
        choices.undoesUnlogged = evenIfNotExported
        let steps = RoleChangeOutput(json: output.json, diesAfter: dieAfter)
        let failback = Failback(definition, choices, worker: ThisProcess.worker, log: Logging.quiet()) { steps.show($0) }
        let outcome = try await reportingErrors { try await failback.run(exportingTo: export) }
        let verified = outcome.verdicts.map { VerifiedTable(definition.name, $0) }
        output.printFailback(outcome, verified, of: definition, exportedTo: export)
        if !outcome.isDone || verified.contains(where: { !$0.isEqual }) { throw ExitCode(2) }
    }
}

extension Failback.Choice: ExpressibleByArgument {}
extension Failback.ConflictPolicy: ExpressibleByArgument {}
