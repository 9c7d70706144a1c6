import ArgumentParser
import Foundation
import Logging
import Synchronization
import TidemarkCore
import TidemarkObservability
import TidemarkPipeline

enum Logging {
    /// Where everything goes that is no result; a command that has options for it chooses it first.
    private static let chosen = Mutex(LogOutput(.console))
    static var output: LogOutput { chosen.withLock { $0 } }

    static func choose(_ output: LogOutput) { chosen.withLock { $0 = output } }

    /// Lines on stderr, where people and journals expect them.
    static func toStandardError() -> Logger { output.logger() }

    /// For a command that says itself what it does: only what goes wrong.
    static func quiet() -> Logger {
        var log = toStandardError()
        log.logLevel = .warning
        return log
    }

    /// For a command that draws on the terminal: only what a person has to know would break into that.
    static func besideBars() -> Logger {
        var log = toStandardError()
        if ProgressDisplay.hasTerminal { log.logLevel = .warning }
        return log
    }
}

/// What is logged, and how.
struct LogOutputOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Lines for people, or JSON objects for programs, on stderr; console unless said. Or TIDEMARK_LOG_FORMAT.", valueName: "console|json"))
    var logFormat: LogFormat?
    @Option(
        help: ArgumentHelp(
            "The least that is logged: \(Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")); info unless said. Or TIDEMARK_LOG_LEVEL.",
            valueName: "level"))
    var logLevel: LogThreshold?

    /// Flags win over the environment, and that over what a file says.
    func apply(format: LogFormat = .console, level: Logger.Level = .info) throws {
        Logging.choose(LogOutput(try logFormat ?? named("TIDEMARK_LOG_FORMAT", LogFormat.self) ?? format, level: try givenLevel ?? level))
    }

    /// What a flag or the environment says, which a file does not change, however often it is read.
    var givenLevel: Logger.Level? {
        get throws { try (logLevel ?? named("TIDEMARK_LOG_LEVEL", LogThreshold.self))?.level }
    }

    private func named<T: RawRepresentable & CaseIterable>(_ variable: String, _ type: T.Type) throws -> T? where T.RawValue == String {
        guard let text = ProcessInfo.processInfo.environment[variable] else { return nil }
        guard let value = T(rawValue: text) else {
            throw ValidationError("\(variable) is “\(text)”: it has to be one of \(T.allCases.map(\.rawValue).joined(separator: ", ")).")
        }
        return value
    }
}

extension LogFormat: ExpressibleByArgument {}

extension LogThreshold: ExpressibleByArgument {
    var level: Logger.Level { Logger.Level(rawValue: rawValue) ?? .info }
}

/// Lets SIGTERM and SIGINT stop pipelines while they work.
func stoppable<T>(_ pipelines: [Pipeline], _ body: () async throws -> T) async throws -> T {
    try await stoppable({ pipelines.forEach { $0.stop() } }, body)
}

func stoppable<T>(_ stop: @escaping @Sendable () -> Void, _ body: () async throws -> T) async throws -> T {
    // A log reader that goes away must not take the process along.
    signal(SIGPIPE, SIG_IGN)
    let signals = ProcessSignals(ProcessSignals.stops, stop)
    defer { signals.cancel() }
    return try await body()
}

/// How this process is called where it works on a pipeline.
enum ThisProcess {
    /// Who types.
    static var `operator`: String { "\(NSUserName())@\(ProcessInfo.processInfo.hostName)" }
    static var worker: String { "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)" }
    /// As leases name it: a process that has the same number after a restart is another one.
    static let leader = "\(worker):\(String(UInt16.random(in: .min ... .max), radix: 16))"
}
