import ArgumentParser
import Foundation
import Logging
import TidemarkApp
import TidemarkConfig
import TidemarkCore
import TidemarkObservability

/// Says what failed on stderr, and gives the exit status for it.
func reportingErrors<T>(_ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let usage as UsageError {
        throw ValidationError(usage.description)
    } catch let problems as ConfigurationProblems {
        throw refused(problems)
    } catch {
        report(error)
        throw ExitCode(1)
    }
}

func reportingErrors<T>(_ body: () async throws -> T) async throws -> T {
    do {
        return try await body()
    } catch let usage as UsageError {
        throw ValidationError(usage.description)
    } catch let problems as ConfigurationProblems {
        throw refused(problems)
    } catch {
        report(error)
        throw ExitCode(1)
    }
}

/// Says what is wrong in a configuration, place by place: how a command is used is not what is missing.
private func refused(_ problems: ConfigurationProblems) -> ExitCode {
    if Logging.output.format == .json {
        for problem in problems.diagnostics { Logging.toStandardError().error("\(problem.text(path: problems.path))") }
    } else {
        FileHandle.standardError.write(Data("\(problems)\n".utf8))
    }
    return ExitCode(64)
}

func warn(_ text: String) {
    if Logging.output.format == .json { return Logging.toStandardError().warning("\(text)") }
    FileHandle.standardError.write(Data("tidemark: warning: \(text)\n".utf8))
}

func report(_ error: any Error) {
    if Logging.output.format == .json { return Logging.toStandardError().failure(error) }
    FileHandle.standardError.write(Data("tidemark: \(error)\n".utf8))
}
