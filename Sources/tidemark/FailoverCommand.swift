import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct FailoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "failover",
        abstract: "Promotes the target of a pipeline whose source is gone.",
        discussion: """
            Says first what is at risk: what the target has, how old that is, and \
            what was last heard of the source. Then, once that is confirmed, the \
            target takes writes, and logs them for the source to follow when it \
            is back (tidemark failback). Other replicas of the same source that \
            the configuration has follow the new primary.

            EXAMPLE
              tidemark failover --assess --config /etc/tidemark.yaml
              tidemark failover --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark failover --yes --pipeline shop --config /etc/tidemark.yaml
            """)
    @OptionGroup var options: PipelineOptions
    @Flag(help: "Only say what is at risk, and which replica has most.")
    var assess = false
    @Flag(help: "Do not ask.")
    var yes = false
    @Flag(help: "Go on although the source answers; it is fenced first.")
    var evenIfSourceAnswers = false
    @Flag(help: "Go on although another replica has more.")
    var evenIfBehind = false
    @Option(help: ArgumentHelp("How many values each sequence leaves out, which the source may have given out.", valueName: "number"))
    var sequenceMargin: Int64 = 0
    @Option(help: .hidden)
    var dieAfter: RoleChangeStep?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if sequenceMargin < 0 { throw ValidationError("--sequence-margin takes a number from 0.") }
    }

    func run() async throws {
        let candidates = try reportingErrors { try options.replicasOfOneSource() }
        var choices = Failover.Options()
        (choices.sequenceMargin, choices.despiteSource, choices.despiteBetter) = (sequenceMargin, evenIfSourceAnswers, evenIfBehind)
        let steps = RoleChangeOutput(json: output.json, diesAfter: dieAfter)
        let (definition, others) = (candidates[0].oriented(), Array(candidates.dropFirst()))
        let failover = Failover(definition, others: others, choices, worker: ThisProcess.worker, log: Logging.quiet()) { steps.show($0) }
        let states = try reportingErrors { try failover.states() }
        output.printRisk(states, isAssessment: assess)
        if assess { return }
        if !yes, states[0].standing?.role != .primary, !isConfirmed("\(states[0].address) becomes the primary.") {
            report(TidemarkError("nothing was changed", why: "it was not confirmed", remedy: "Type yes when asked, or --yes."))
            throw ExitCode(1)
        }
        let outcome = try reportingErrors { try failover.promote() }
        var followers: [(PipelineDefinition, [VerifiedTable])] = []
        var failed = false
        for other in others {
            do {
                followers.append((other, try await failover.bringBehind(other).map { VerifiedTable(other.name, $0) }))
            } catch {
                report(error)
                failed = true
            }
        }
        output.printFailover(outcome, of: definition, followers: followers)
        if failed { throw ExitCode(1) }
    }
}
