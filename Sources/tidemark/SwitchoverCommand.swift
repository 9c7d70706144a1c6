import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct SwitchoverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "switchover",
        abstract: "Changes the roles of source and target as planned, without a lost write.",
        discussion: """
            The target becomes the primary, and the source its replica. Both are \
            checked; writes to the source's tables are refused from the moment \
            the last change is on its way until the target takes them. A step \
            that fails puts everything back. After an interruption the same \
            command completes the change, and --undo takes it back; at no time \
            do both sides take writes. A worker that runs turns round by itself.

            EXAMPLE
              tidemark switchover --check --config /etc/tidemark.yaml
              tidemark switchover --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark switchover --back --config /etc/tidemark.yaml

            Exit status 2 if --check finds a problem or a warning.
            """)
    @OptionGroup var options: PipelineOptions
    @Flag(help: "Make the source as given the primary again.")
    var back = false
    @Flag(help: "Say what keeps the roles from being changed, and what should be known before; change nothing.")
    var check = false
    @Flag(help: "Print every statement with the lock that it takes, and change nothing.")
    var plan = false
    @Flag(help: "Take a change back that was interrupted: the old primary takes writes again.")
    var undo = false
    @Option(help: ArgumentHelp("A pipeline whose oldest change waits for longer is not switched.", valueName: "seconds"))
    var maxLag = 30.0
    @Option(help: ArgumentHelp("How long to wait for transactions that are writing as the source is fenced.", valueName: "seconds"))
    var waitForWriters = 10.0
    @Option(help: ArgumentHelp("How long the last changes may take, while neither side takes writes.", valueName: "seconds"))
    var maxDrain = 60.0
    @Option(help: ArgumentHelp("How many values each sequence leaves out on the new primary.", valueName: "number"))
    var sequenceMargin: Int64 = 0
    @Option(help: .hidden)
    var dieAfter: RoleChangeStep?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for (name, value) in [("--max-lag", maxLag), ("--wait-for-writers", waitForWriters), ("--max-drain", maxDrain)] {
            if !value.isFinite || value < 0 { throw ValidationError("\(name) takes a number of seconds.") }
        }
        if sequenceMargin < 0 { throw ValidationError("--sequence-margin takes a number from 0.") }
        if [check, plan, undo].filter(\.self).count > 1 { throw ValidationError("Give one of --check, --plan and --undo.") }
    }

    func run() async throws {
        let definition = try reportingErrors { try options.definitionAsGiven() }
        var choices = Switchover.Options()
        (choices.back, choices.lagMaxSeconds, choices.writersWaitSeconds) = (back, maxLag, waitForWriters)
        (choices.drainMaxSeconds, choices.sequenceMargin) = (maxDrain, sequenceMargin)
        let steps = RoleChangeOutput(json: output.json, diesAfter: dieAfter)
        let switchover = Switchover(definition, choices, worker: ThisProcess.worker, log: Logging.quiet()) { steps.show($0) }
        if plan { return try reportingErrors { output.printPlan(try switchover.plan(), of: definition) } }
        if undo {
            try reportingErrors { try switchover.undo() }
            return output.printUndone(definition)
        }
        if check {
            let found = try reportingErrors { try switchover.check() }
            output.printFindings([(definition.name, found)])
            if found.contains(where: { $0.finding.severity != .note }) { throw ExitCode(2) }
            return
        }
        let start = ContinuousClock.now
        let signals = ProcessSignals(ProcessSignals.stops) { switchover.stop() }
        defer { signals.cancel() }
        let outcome = try await reportingErrors { try await switchover.run() }
        output.printSwitchover(outcome, of: definition, seconds: (ContinuousClock.now - start) / .seconds(1))
    }
}

extension RoleChangeStep: ExpressibleByArgument {}
