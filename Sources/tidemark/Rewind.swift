import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

struct Rewind: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Takes the target back to exactly what the source was at a moment.",
        discussion: """
            Puts every row that changed since back to its old image, and the cursor \
            with it, in one transaction. It needs setup --image both and --retain. \
            The place is the newest tick at or before the moment, or before the \
            change, and is printed. The pipeline is paused then. From there the \
            stream goes forward again.

            EXAMPLE
              tidemark rewind --to '2026-01-02 14:05:00' --plan \\
                  --source postgresql://db1/shop --target postgresql://db2/shop
              tidemark rewind --to 15m --config /etc/tidemark.yaml
              tidemark rewind --to 48211 --source sqlite:shop.db \\
                  --target sqlite:replica.db
            """)
    @Option(help: ArgumentHelp("Where to: \(LogPlace.forms).", valueName: "place"))
    var to: LogPlace
    @OptionGroup var options: PipelineOptions
    @Flag(help: "Print the SQL that would do it, and change nothing.")
    var plan = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let definition = try reportingErrors { try options.definitions().only() }
        try await reportingErrors {
            let rewind = try definition.rewind()
            if plan {
                let outcome = try await rewind.plan(to: PlaceName(to, now: Clock.time)) { print($0) }
                print("-- pipeline \(definition.name): back to \(outcome.place.words), \(outcome.rows) statements; nothing was changed")
            } else {
                let outcome = try await rewind.run(to: PlaceName(to, now: Clock.time), by: "rewind on \(ProcessInfo.processInfo.hostName)")
                output.printRewound(outcome, of: definition)
            }
        }
    }
}

extension OutputOptions {
    func printRewound(_ outcome: TidemarkPipeline.Rewind.Outcome, of definition: PipelineDefinition) {
        if json {
            printJSON(
                RewoundJSON(pipeline: definition.name, time: outcome.place.time, changeID: outcome.place.lastID, rows: outcome.rows))
            return
        }
        print("pipeline \(definition.name): the target is what the source was at \(outcome.place.words)")
        print("\(Amount.text(outcome.rows, "row", ("was", "were"))) put back, from change \(outcome.from.lastID); the pipeline is paused")
    }
}

private struct RewoundJSON: Encodable {
    let pipeline: String
    let time: String
    let changeID: Int64
    let rows: Int
}
