import ArgumentParser
import TidemarkApp
import TidemarkCore

struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Waits until the target has everything that was committed at the source.",
        discussion: """
            Everything that was committed before it began, or before a position that \
            select tidemark.position() gave. It reads both databases and writes \
            nothing. Of several pipelines it waits for all. In PostgreSQL, \
            applications do the same with select tidemark.wait_for('main') at the \
            source, and select tidemark.wait_until('main', …) at the target.

            EXAMPLE
              tidemark wait --source postgresql://db1/shop \\
                  --target postgresql://db2/shop
              tidemark wait --timeout 2m --config /etc/tidemark.yaml --pipeline reports
              tidemark wait --table public.payment --source postgresql://db1/shop \\
                  --target sqlite:replica.db && ./report
              tidemark wait --position 48151 --source sqlite:shop.db \\
                  --target sqlite:replica.db

            Exit status 1 if it is not there in time.
            """)
    @OptionGroup var options: PipelineOptions
    @Option(help: ArgumentHelp("How long to wait at most: 10s, 5m, 1h.", valueName: "time"))
    var timeout = WaitTime(seconds: 10)
    @Option(
        help: ArgumentHelp(
            "Wait for what was seen there: what select tidemark.position() returned at the source, of a SQLite source an id of data_changes. Now, unless said.",
            valueName: "position"))
    var position: String?
    @OptionGroup var output: OutputOptions

    func run() async throws {
        let deadline = ContinuousClock.now + .seconds(timeout.seconds)
        // Here --table is about changes, not about what the pipeline takes.
        var pipelines = options
        pipelines.tables = []
        let waits = try reportingErrors {
            let definitions = try pipelines.definitions()
            if position != nil { _ = try definitions.only() }
            return try definitions.map { try TargetWait($0, until: position, tables: options.tables) }
        }
        var isLate = false
        for wait in waits {
            let begun = ContinuousClock.now
            var failure: (any Error)?
            do {
                try wait.wait(until: deadline)
            } catch {
                failure = error
            }
            isLate = isLate || failure != nil
            if output.json {
                output.printWaited(wait, seconds: begun.duration(to: .now) / .seconds(1), failure: failure.map { "\($0)" })
            } else if let failure {
                report(failure)
            } else {
                print("pipeline \(wait.definition.name): the target has everything up to \(wait.position)")
            }
        }
        if isLate { throw ExitCode(1) }
    }
}

/// As it is typed.
struct WaitTime: ExpressibleByArgument {
    let seconds: Int64

    init(seconds: Int64) { self.seconds = seconds }

    init?(argument: String) {
        guard let seconds = TimeSpan.parsed(argument) else { return nil }
        self.seconds = seconds
    }

    var defaultValueDescription: String { "\(seconds)s" }
}

extension OutputOptions {
    func printWaited(_ wait: TargetWait, seconds: Double, failure: String?) {
        printJSON(WaitedJSON(pipeline: wait.definition.name, position: wait.position, isThere: failure == nil, waitedSeconds: seconds, reason: failure))
    }
}

private struct WaitedJSON: Encodable {
    let pipeline: String
    let position: String
    let isThere: Bool
    let waitedSeconds: Double
    let reason: String?
}
