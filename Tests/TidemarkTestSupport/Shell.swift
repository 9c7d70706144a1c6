package import Foundation

/// Runs programs.
package enum Shell {
    /// A shell function for what initdb and pg_ctl refuse to do as root.
    package static let asPostgres =
        "as() { if [ $(id -u) -eq 0 ]; then runuser -u postgres -- \"$@\"; else \"$@\"; fi; }"

    /// The built binary, beside the tests.
    package static var tidemark: String {
        URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
            .deletingLastPathComponent().appendingPathComponent("tidemark").path
    }

    /// Runs a program and waits for it. `output` is what it wrote to both streams.
    package static func run(
        _ program: String, _ arguments: [String], environment: [String: String] = [:]
    ) -> (status: Int32, output: String) {
        let log = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: log) }
        guard let process = try? start(program, arguments, environment: environment, log: log) else {
            return (-1, "\(program) cannot be started")
        }
        process.waitUntilExit()
        return (process.terminationStatus, (try? String(contentsOf: log, encoding: .utf8)) ?? "")
    }

    /// Starts a program whose streams go to a file.
    package static func start(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], log: URL
    ) throws -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: program)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        return process
    }
}
