import ArgumentParser
import Foundation
import Logging

import TidemarkApp
import TidemarkArchive
import TidemarkCore
import TidemarkPipeline

struct Archive: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Writes a source's changes into a directory, for point-in-time recovery.",
        discussion: """
            Every few seconds in which something was committed it adds a file of \
            whole transactions, compressed, with its digest in MANIFEST. It is a \
            pipeline of its own, so the source keeps its log until that is durable. \
            Together with a backup that is taken after it was begun, tidemark \
            replay brings back every moment since, without the source.

            SIGTERM and SIGINT stop it after the window at hand, with status 0.

            EXAMPLE
              tidemark archive /var/lib/archive --source postgresql://db1/shop
              tidemark archive /var/lib/archive --source sqlite:shop.db --once
              tidemark archive /var/lib/archive --verify
              tidemark status --pipeline archive --source postgresql://db1/shop \\
                  --target archive:/var/lib/archive
            """)
    @Argument(help: ArgumentHelp("The archive's directory; it is made if it is not there.", valueName: "dir"), completion: .directory)
    var directory: String
    @OptionGroup var options: PipelineOptions
    @Option(help: ArgumentHelp("How often a window is written, where there are changes; 5s unless said.", valueName: "time"))
    var every: ArchiveInterval?
    @Flag(help: "Archive all that was committed at the start, then exit.")
    var once = false
    @Flag(help: "Only say whether every file is the one that was written.")
    var verify = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        if verify { return try reportingErrors { try verifyFiles() } }
        let log = Logging.toStandardError()
        let definition = try reportingErrors { try archived() }
        let pipeline = try reportingErrors {
            if let tables = try Installation(definition).setUpIfNeeded(creating: false) {
                log.info("set up pipeline \(definition.name): \(Amount.text(tables.count, "table", ("is", "are"))) captured")
            }
            var settings = Pipeline.Settings(definition, jobs: 1)
            settings.paceMs = Int(every?.seconds ?? 5) * 1000
            return try Pipeline(definition, settings, log: log)
        }
        try await stoppable([pipeline]) {
            try await reportingErrors {
                if once { output.printApplied(try await pipeline.runOnce(), of: definition) } else { try await pipeline.run() }
            }
        }
    }

    /// Without a configuration the pipeline has a name of its own: beside the one of a replica.
    private func archived() throws -> PipelineDefinition {
        var named = options
        let environment = ProcessInfo.processInfo.environment
        if named.pipeline == nil, named.config == nil, environment["TIDEMARK_PIPELINE"] == nil, environment["TIDEMARK_CONFIG"] == nil {
            named.pipeline = "archive"
        }
        let definitions = try named.definitions(needingTarget: false)
        guard definitions.count == 1, let definition = definitions.first else {
            throw UsageError("An archive is of one pipeline: choose with --pipeline NAME.")
        }
        return definition.archived(in: directory)
    }

    private func verifyFiles() throws {
        let source = try ArchiveSource(path: directory)
        try source.verify()
        output.printArchive(source.windows, in: directory, isVerified: true)
    }

    func validate() throws {
        if options.target != nil { throw ValidationError("An archive's target is its directory: leave --target out.") }
    }
}

/// Between two windows.
struct ArchiveInterval: ExpressibleByArgument {
    let seconds: Int64

    init?(argument: String) {
        guard let seconds = TimeSpan.parsed(argument) else { return nil }
        self.seconds = seconds
    }
}

struct ReplayCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay",
        abstract: "Brings a restored backup forward by what an archive holds.",
        discussion: """
            The backup is one of the archive's source (pg_dump, a base backup, a \
            copy of the SQLite file), or of a tidemark target of that source, whose \
            pipeline is named with --pipeline. All files that are needed are looked \
            at first. What was interrupted goes on where it was.

            EXAMPLE
              tidemark replay /var/lib/archive --list
              tidemark replay /var/lib/archive --target postgresql://db5/restored
              tidemark replay /var/lib/archive --until '2026-01-02 03:04:05' \\
                  --target postgresql://db5/restored
              tidemark replay /var/lib/archive --until 48151623 --pipeline main \\
                  --target sqlite:restored.db
            """)
    @Argument(help: ArgumentHelp("The archive's directory.", valueName: "dir"), completion: .directory)
    var directory: String
    @Option(help: ArgumentHelp("Address of the restored backup: \(Engines.forms). Or TIDEMARK_TARGET.", valueName: "url"))
    var target: String?
    @Option(help: ArgumentHelp("Whose cursor the backup of a target holds; “main” unless said. Or TIDEMARK_PIPELINE.", valueName: "name"))
    var pipeline: String?
    @Option(
        help: ArgumentHelp(
            "Apply what was committed before this place; of a change, before the transaction that logged it. \(LogPlace.forms). Without it, everything.",
            valueName: "time or change id"))
    var until: LogPlace?
    @Option(
        help: ArgumentHelp(
            "Where the backup stands, if it holds nothing of tidemark's: exactly where a window ends, as --list shows it.", valueName: "snapshot"))
    var fromSnapshot: String?
    @Flag(help: "Only show what the archive holds: windows, times, change ids, tables, sizes.")
    var list = false
    @OptionGroup var output: OutputOptions

    func run() async throws {
        if list {
            return try reportingErrors { output.printArchive(try ArchiveSource(path: directory).windows, in: directory, isVerified: false) }
        }
        let log = Logging.toStandardError()
        let environment = ProcessInfo.processInfo.environment
        let (replay, name, place) = try reportingErrors {
            guard let target = target ?? environment["TIDEMARK_TARGET"] else {
                throw UsageError("No target: give --target URL, the address of the restored backup, or set TIDEMARK_TARGET.")
            }
            guard try Engines.accepting(target, of: "target").name != "archive" else { throw UsageError("An archive cannot be replayed into an archive.") }
            let name = self.pipeline ?? environment["TIDEMARK_PIPELINE"] ?? "main"
            let place = try fromSnapshot.map { text in
                guard let place = Snapshot(text) else { throw UsageError("--from-snapshot is “\(text)”: it has to be a place as --list shows them.") }
                return place
            }
            return (Replay(directory, onto: target, pipeline: name, log: log), name, place)
        }
        let flow = try reportingErrors { try replay.pipeline(until: until, from: place, worker: ThisProcess.worker) }
        try await stoppable([flow]) {
            try await reportingErrors {
                let cursor = try await flow.runOnce()
                let definition = PipelineDefinition(name: name, source: "", target: "")
                if until != nil, let reached = await flow.limitedPlace {
                    output.printPlace(reached, of: definition)
                } else {
                    output.printApplied(cursor, of: definition)
                }
            }
        }
    }
}

extension OutputOptions {
    func printArchive(_ windows: [ArchivedWindow], in directory: String, isVerified: Bool) {
        if json { return printJSON(windows) }
        for window in windows where !isVerified {
            print(
                "window \(window.sequence), until \(window.endedAt ?? "?"): \(Amount.text(window.changes, "change")), ids \(window.firstID) to \(window.lastID),"
                    + " \(ByteCount.text(window.bytes)), ends at \(window.end): \(window.tables.joined(separator: ", "))")
        }
        let bytes = windows.map(\.bytes).reduce(0, +)
        let span = windows.last.map { ", from \(windows.first?.endedAt ?? "?") to \($0.endedAt ?? "?")" } ?? ""
        print("\(directory): \(Amount.text(windows.count, "window"))\(span), \(ByteCount.text(bytes))\(isVerified ? "; every file is the one that was written" : "")")
    }
}
