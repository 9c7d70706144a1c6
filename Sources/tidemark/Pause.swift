import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore

struct PauseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause",
        abstract: "Keeps a pipeline's target as it is, until tidemark resume.",
        discussion: """
            The window at hand is finished first. A worker that runs waits, as does \
            one that is started; the pause is kept in the target. The source keeps \
            its log meanwhile. copy and verify are refused. run --until goes on all \
            the same, up to its place, and leaves the pipeline paused.

            EXAMPLE
              tidemark pause --source postgresql://db1/shop \\
                  --target postgresql://db4/shop
              tidemark pause --config /etc/tidemark.yaml --pipeline delayed
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            for definition in try options.definitions() {
                output.printPaused(at: try Pause(definition).pause(by: ThisProcess.operator), of: definition)
            }
        }
    }
}

struct Resume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Lets a pipeline go on that tidemark pause holds.",
        discussion: """
            Its worker goes on within a second, if one runs.

            EXAMPLE
              tidemark resume --source postgresql://db1/shop \\
                  --target postgresql://db4/shop
              tidemark resume --config /etc/tidemark.yaml --pipeline delayed
            """)
    @OptionGroup var options: PipelineOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try reportingErrors {
            for definition in try options.definitions() {
                output.printResumed(try Pause(definition).resume(), of: definition)
            }
        }
    }
}

extension OutputOptions {
    func printPaused(at cursor: Cursor, of definition: PipelineDefinition) {
        if json { return printJSON(PausedJSON(pipeline: definition.name, appliedID: cursor.lastID, snapshot: cursor.snapshot.description)) }
        print("pipeline \(definition.name) is paused, at change \(cursor.lastID). To go on: tidemark resume …")
    }

    func printResumed(_ wasPaused: Bool, of definition: PipelineDefinition) {
        if json { return printJSON(["pipeline": definition.name, "wasPaused": wasPaused ? "yes" : "no"]) }
        print("pipeline \(definition.name) \(wasPaused ? "goes on" : "was not paused")")
    }
}

private struct PausedJSON: Encodable {
    let pipeline: String
    let appliedID: Int64
    let snapshot: String
}
