import ArgumentParser
import TidemarkApp
import TidemarkPipeline

struct DrillCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drill",
        abstract: "Rehearses a failover on a scratch copy, and says how long it took.",
        discussion: """
            Copies the pipeline's tables into an empty database, compares them, \
            and promotes the copy as failover would. The pipeline and its target \
            are left alone. The source is read as by any new replica. The copy \
            stays, to be looked at.

            EXAMPLE
              createdb drill
              tidemark drill --scratch postgresql:///drill --config /etc/tidemark.yaml

            Exit status 2 if the copy differs from the source.
            """)
    @OptionGroup var options: PipelineOptions
    @Option(help: ArgumentHelp("Address of an empty database for the copy.", valueName: "url"))
    var scratch: String
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let definition = try reportingErrors { try options.definitionAsGiven().oriented() }
        let steps = RoleChangeOutput(json: output.json)
        let drill = Drill(definition, on: scratch, worker: ThisProcess.worker, log: Logging.quiet()) { steps.show($0) }
        let outcome = try await reportingErrors { try await drill.run() }
        output.printDrill(outcome, of: definition)
        if outcome.verdicts.contains(where: { !$0.isEqual }) { throw ExitCode(2) }
    }
}
