import ArgumentParser
import Foundation
import TidemarkCore
import TidemarkPipeline
import TidemarkPostgres

@main
struct Tidemark: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Replicates row changes from one PostgreSQL database to another.",
        discussion: """
            EXAMPLE
              tidemark setup --source postgresql://db1/shop --target postgresql://db2/shop
              tidemark run   --source postgresql://db1/shop --target postgresql://db2/shop
            """,
        subcommands: [Setup.self, Run.self, Teardown.self])
}

/// Where the two databases are. Flags win over the environment.
struct Databases: ParsableArguments {
    @Option(help: "libpq URI or service of the source (or TIDEMARK_SOURCE).")
    var source: String?
    @Option(help: "libpq URI or service of the target (or TIDEMARK_TARGET).")
    var target: String?
    @Option(help: "Name of the pipeline.")
    var pipeline = "main"

    func urls() throws -> (source: String, target: String) {
        let environment = ProcessInfo.processInfo.environment
        guard let source = source ?? environment["TIDEMARK_SOURCE"] else {
            throw ValidationError("No source: give --source URL or set TIDEMARK_SOURCE.")
        }
        guard let target = target ?? environment["TIDEMARK_TARGET"] else {
            throw ValidationError("No target: give --target URL or set TIDEMARK_TARGET.")
        }
        for url in [source, target] where !url.hasPrefix("postgres") && !url.contains("=") {
            throw ValidationError("Not a PostgreSQL URL: it starts with postgresql:// or is a libpq key=value string.")
        }
        return (source, target)
    }
}

struct Setup: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Installs capture in the source and the cursor in the target.",
        discussion: """
            Run again it adds what is missing and moves nothing. Rows that are in the source already are not copied.

            EXAMPLE
              tidemark setup --source postgresql://db1/shop --target postgresql://db2/shop --table 'public.*' --exclude public.audit
            """)
    @OptionGroup var databases: Databases
    @Option(name: .customLong("table"), help: "Tables to capture, schema.table with *; all user tables if not given. Repeatable.")
    var tables: [String] = []
    @Option(help: "Tables to leave out, the same way. Repeatable.")
    var exclude: [String] = []

    func run() async throws {
        let urls = try databases.urls()
        try orExit {
            let setup = try PostgresSetup(source: urls.source, target: urls.target)
            let captured = try setup.install(
                pipeline: databases.pipeline, include: tables.map { TablePattern($0) },
                exclude: exclude.map { TablePattern($0) })
            for table in captured { print("captured \(table)") }
        }
    }
}

struct Run: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Applies changes to the target as they are committed.",
        discussion: """
            SIGTERM and SIGINT stop it after the window at hand.

            EXAMPLE
              tidemark run --once --source postgresql://db1/shop --target postgresql://db2/shop
            """)
    @OptionGroup var databases: Databases
    @Flag(help: "Apply all that was committed at the start, then exit 0.")
    var once = false

    func run() async throws {
        let urls = try databases.urls()
        let worker = "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)"
        let pipeline = Pipeline(
            Pipeline.Settings(name: databases.pipeline, source: urls.source, target: urls.target, worker: worker),
            report: { line in FileHandle.standardError.write(Data((line + "\n").utf8)) })
        do {
            if once {
                let cursor = try await pipeline.runOnce()
                print("applied up to change \(cursor.lastID)")
            } else {
                let signals = StopSignals { Task { await pipeline.stop() } }
                defer { signals.cancel() }
                try await pipeline.run()
            }
        } catch {
            throw failed(error)
        }
    }
}

struct Teardown: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Removes everything that setup installed, from both databases.",
        discussion: """
            EXAMPLE
              tidemark teardown --source postgresql://db1/shop --target postgresql://db2/shop
            """)
    @OptionGroup var databases: Databases

    func run() async throws {
        let urls = try databases.urls()
        try orExit { try PostgresSetup(source: urls.source, target: urls.target).remove() }
    }
}

private func orExit(_ body: () throws -> Void) throws {
    do { try body() } catch { throw failed(error) }
}

/// Says what failed on stderr and gives the exit status for it.
private func failed(_ error: any Error) -> ExitCode {
    FileHandle.standardError.write(Data("tidemark: \(error)\n".utf8))
    return ExitCode(1)
}
