import ArgumentParser
import Foundation
import Logging
import TidemarkApp
import TidemarkConfig
import TidemarkObservability

struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Runs all pipelines of a configuration, with their API and dashboard.",
        discussion: """
            Each pipeline is supervised by itself: one that fails waits and tries \
            again, or stops, as its on-failure says; the others go on. Of several \
            services with one configuration, one leads each pipeline, and another \
            takes over within seconds when it dies.

            SIGHUP reads the configuration anew: only pipelines that were changed \
            are restarted; one with errors is refused, and the old one stays. SIGTERM \
            and SIGINT stop it after the windows at hand, with status 0. Where a \
            database hangs, stop-within (20 s) or a second signal ends it all the \
            same, with status 1; what was under way is applied again.

            The dashboard is at http://127.0.0.1:7788/ unless listen: says otherwise.

            EXAMPLE
              tidemark config check --config /etc/tidemark/tidemark.yaml
              tidemark serve --config /etc/tidemark/tidemark.yaml
              kill -HUP $(pidof tidemark)
            """)
    @Option(
        help: ArgumentHelp("YAML file with the pipelines. Or TIDEMARK_CONFIG.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @OptionGroup var logging: LogOutputOptions

    func run() async throws {
        let environment = ProcessInfo.processInfo.environment
        guard let path = config ?? environment["TIDEMARK_CONFIG"] else {
            throw ValidationError("No configuration: give --config FILE, or set TIDEMARK_CONFIG. tidemark config example prints one to begin with.")
        }
        let read: @Sendable () throws(ConfigurationProblems) -> Configuration = { () throws(ConfigurationProblems) in
            try Configuration.read(path, environment: environment, needsAddresses: true)
        }
        let configuration = try reportingErrors { try read() }
        try logging.apply(
            format: configuration.service.logFormat,
            level: Logger.Level(rawValue: configuration.service.logLevel) ?? .info)
        let isLevelGiven = try logging.givenLevel != nil
        try await reportingErrors { try await ServiceProcess(configuration, isLogLevelGiven: isLevelGiven, read).run() }
    }
}
