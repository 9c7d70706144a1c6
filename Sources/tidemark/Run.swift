import ArgumentParser
import Foundation
import Logging
import TidemarkApp
import TidemarkPipeline

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Applies changes to the target as they are committed.",
        discussion: """
            SIGTERM and SIGINT stop it after the window at hand, with status 0. \
            It survives the loss of either database, and goes on when that is \
            back. A change that cannot be applied stops it with status 1; once \
            that is mended, the next run goes on at the same change.

            EXAMPLE
              tidemark run --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark run --once --source sqlite:shop.db --target sqlite:replica.db
              tidemark run --config /etc/tidemark.yaml
            """)
    @OptionGroup var options: PipelineOptions
    @Flag(help: "Apply all that was committed at the start, then exit.")
    var once = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let worker = "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)"
        let log = Logger(label: "tidemark") { StreamLogHandler.standardError(label: $0) }
        let definitions = try reportingErrors { try options.definitions() }
        let pipelines = try reportingErrors { try definitions.map { try Pipeline($0, worker: worker, log: log) } }
        // A log reader that goes away must not take the worker along.
        signal(SIGPIPE, SIG_IGN)
        let signals = StopSignals { for pipeline in pipelines { Task { await pipeline.stop() } } }
        defer { signals.cancel() }
        let failed = await withTaskGroup(of: Bool.self) { group in
            for (definition, pipeline) in zip(definitions, pipelines) {
                group.addTask { await follow(pipeline, definition) }
            }
            // One pipeline that stops must not stop the others.
            return await group.contains(false)
        }
        if failed { throw ExitCode(1) }
    }

    /// - Returns: false if the pipeline cannot go on.
    private func follow(_ pipeline: Pipeline, _ definition: PipelineDefinition) async -> Bool {
        do {
            if once {
                output.printApplied(try await pipeline.runOnce(), of: definition)
            } else {
                try await pipeline.run()
            }
            return true
        } catch {
            report(error)
            return false
        }
    }
}
