import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkConfig
import TidemarkCore

struct ConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Checks a configuration, or prints one to begin with.",
        discussion: """
            EXAMPLE
              tidemark config example > tidemark.yaml
              tidemark config check --config tidemark.yaml
            """,
        subcommands: [Check.self, Example.self])

    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Says everything that is wrong in a configuration, by line and column.",
            discussion: """
                Reads the files and variables that it names, and no database: \
                that does tidemark check.

                EXAMPLE
                  tidemark config check --config /etc/tidemark.yaml
                  tidemark config check --config tidemark.yaml --json

                Exit status 0 if it can be used, with or without warnings; 2 if not.
                """)
        @Option(
            help: ArgumentHelp("YAML file with pipelines. Or TIDEMARK_CONFIG.", valueName: "file"),
            completion: .file(extensions: ["yaml", "yml"]))
        var config: String?
        @Flag(help: "Print one JSON document instead of text.")
        var json = false

        func run() async throws {
            let environment = ProcessInfo.processInfo.environment
            guard let path = config ?? environment["TIDEMARK_CONFIG"] else {
                throw ValidationError("No configuration: give --config FILE, or set TIDEMARK_CONFIG.")
            }
            let report: Report
            do throws(ConfigurationProblems) {
                report = Report(try Configuration.read(path, environment: environment, needsAddresses: true))
            } catch {
                if json { printJSON(Report(error)) } else { print(error) }
                throw ExitCode(2)
            }
            if json { printJSON(report) } else { report.show() }
        }

        private func printJSON(_ report: Report) {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: (try? encoder.encode(report)) ?? Data(), as: UTF8.self))
        }
    }

    struct Example: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prints a commented configuration to begin with.",
            discussion: """
                EXAMPLE
                  tidemark config example > tidemark.yaml
                """)

        func run() async throws { print(ExampleConfiguration.text, terminator: "") }
    }
}

extension ConfigCommand {
    /// What `config check` found. The names are a contract.
    struct Report: Encodable {
        struct Problem: Encodable {
            var severity: String
            var line: Int?
            var column: Int?
            var what: String
            var suggestion: String?
        }

        struct Pipeline: Encodable {
            var name: String
            var source: String
            var target: String
            var tables: [String]
            var exclude: [String]
            var onFailure: String
            var verify: String
        }

        struct Service: Encodable {
            var listen: String
            var tls: Bool
            var tokens: [String]
            var state: String?
            var auditLog: String?
        }

        var configuration: String
        var isUsable: Bool
        var problems: [Problem]
        var service: Service?
        var pipelines: [Pipeline] = []
        private var warnings: [String] = []

        enum CodingKeys: CodingKey { case configuration, isUsable, problems, service, pipelines }

        init(_ found: ConfigurationProblems) {
            (configuration, isUsable) = (found.path, false)
            problems = found.diagnostics.map { Problem($0) }
        }

        init(_ loaded: Configuration) {
            (configuration, isUsable) = (loaded.path, true)
            problems = loaded.warnings.map { Problem($0) }
            warnings = loaded.warnings.map { $0.text(path: loaded.path) }
            service = Service(loaded.service)
            pipelines = loaded.pipelines.map { Pipeline($0) }
        }

        func show() {
            for warning in warnings { print(warning) }
            let count = Amount.text(pipelines.count, "pipeline")
            print("configuration \(configuration) is well: \(count)")
            var rows = [["PIPELINE", "SOURCE", "TARGET", "TABLES", "ON FAILURE", "VERIFY"]]
            rows += pipelines.map { pipeline in
                let tables = (pipeline.tables.isEmpty ? "all" : pipeline.tables.joined(separator: ", "))
                    + (pipeline.exclude.isEmpty ? "" : " but \(pipeline.exclude.joined(separator: ", "))")
                return [pipeline.name, pipeline.source, pipeline.target, tables, pipeline.onFailure, pipeline.verify]
            }
            let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
            for row in rows {
                let cells = zip(row, widths).map { $0.padding(toLength: max($1, $0.count), withPad: " ", startingAt: 0) }
                print("  " + cells.joined(separator: "  ").trimmingCharacters(in: .whitespaces))
            }
            guard let service else { return }
            let tokens = service.tokens.isEmpty ? "no tokens" : "tokens of \(service.tokens.joined(separator: ", "))"
            print("service: \(service.listen == "none" ? "does not listen" : "listens on \(service.listen), \(service.tls ? "TLS" : "no TLS"), \(tokens)")")
        }
    }
}

extension ConfigCommand.Report.Problem {
    fileprivate init(_ diagnostic: Diagnostic) {
        self.init(
            severity: diagnostic.severity.rawValue, line: diagnostic.place?.line, column: diagnostic.place?.column, what: diagnostic.what,
            suggestion: diagnostic.suggestion)
    }
}

extension ConfigCommand.Report.Pipeline {
    fileprivate init(_ entry: Configuration.Entry) {
        func shown(_ address: String?, _ side: String) -> String {
            address.flatMap { address in (try? Engines.accepting(address, of: side))?.shown(address) } ?? ""
        }
        self.init(
            name: entry.name, source: shown(entry.source, "source"), target: shown(entry.target, "target"), tables: entry.tables ?? [],
            exclude: entry.exclude ?? [], onFailure: (entry.failurePolicy ?? .stop).rawValue, verify: (entry.run.verify ?? .afterCopy).rawValue)
    }
}

extension ConfigCommand.Report.Service {
    fileprivate init(_ settings: ServiceSettings) {
        let address = settings.listen.map { $0.host.contains(":") ? "[\($0.host)]:\($0.port)" : "\($0.host):\($0.port)" }
        self.init(
            listen: address ?? "none", tls: settings.tls != nil, tokens: settings.tokens.map { "\($0.name) (\($0.role.rawValue))" },
            state: settings.stateDirectory, auditLog: settings.auditLog)
    }
}
