import Foundation
import Logging
import TidemarkPipeline

enum Logging {
    /// Lines on stderr, where people and journals expect them.
    static func toStandardError() -> Logger { Logger(label: "tidemark") { StreamLogHandler.standardError(label: $0) } }

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

/// Lets SIGTERM and SIGINT stop pipelines while they work.
func stoppable<T>(_ pipelines: [Pipeline], _ body: () async throws -> T) async throws -> T {
    try await stoppable({ pipelines.forEach { $0.stop() } }, body)
}

func stoppable<T>(_ stop: @escaping @Sendable () -> Void, _ body: () async throws -> T) async throws -> T {
    // A log reader that goes away must not take the process along.
    signal(SIGPIPE, SIG_IGN)
    let signals = StopSignals(stop)
    defer { signals.cancel() }
    return try await body()
}

/// How this process is called where it works on a pipeline.
enum ThisProcess {
    static var worker: String { "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)" }
    /// As leases name it: a process that has the same number after a restart is another one.
    static let leader = "\(worker):\(String(UInt16.random(in: .min ... .max), radix: 16))"
}
