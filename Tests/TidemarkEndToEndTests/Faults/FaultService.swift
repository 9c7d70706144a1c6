import Foundation
import TidemarkTestSupport

/// One process of the service. Two run on one configuration; only where they listen differs.
final class FaultService {
    private let name: String
    private let configuration: URL
    private let clock: SetClock?
    private let directory: URL
    private var process: Process?
    private var logs: [URL] = []
    let port: Int

    /// - Parameter pipelines: the part of the file that both have.
    init(_ name: String, pipelines: String, in directory: URL, clock: SetClock?) throws {
        (self.name, self.clock, self.directory, port) = (name, clock, directory, try freePort())
        configuration = directory.appendingPathComponent("\(name).yaml")
        try write(pipelines: pipelines)
    }

    /// What it reads at its start, and when it is told to reload.
    func write(pipelines: String) throws {
        let text = """
            service:
              listen: 127.0.0.1:\(port)
              state: \(directory.path)/\(name)
              status-every: 1s
              lease: 2s
              heartbeat: 1s
            \(pipelines)
            """
        try text.write(to: configuration, atomically: true, encoding: .utf8)
    }

    var path: String { configuration.path }
    var pid: Int32 { process?.processIdentifier ?? 0 }
    var isRunning: Bool { process?.isRunning ?? false }

    func start() throws {
        let log = configuration.deletingPathExtension().appendingPathExtension("\(logs.count).log")
        logs.append(log)
        process = try Shell.start(Shell.tidemark, ["serve", "--config", path], environment: clock?.environment ?? [:], log: log)
    }

    func signal(_ signal: Int32) {
        // 0 is this very process, with all of its own.
        if pid > 0 { kill(pid, signal) }
    }

    func kill9() {
        signal(SIGKILL)
        process?.waitUntilExit()
    }

    /// - Returns: its exit status; nil where it did not end in a minute, and was killed.
    func stop() -> Int32? {
        guard let process else { return nil }
        process.terminate()
        let deadline = ContinuousClock.now + .seconds(60)
        while process.isRunning {
            guard ContinuousClock.now < deadline else {
                kill9()
                return nil
            }
            usleep(10_000)
        }
        return process.terminationStatus
    }

    /// A number of /proc/PID/status.
    func status(_ field: String) -> Int {
        let lines = ((try? String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)) ?? "").split(separator: "\n")
        let line = lines.first { $0.hasPrefix(field + ":") } ?? ""
        return line.split(whereSeparator: \.isWhitespace).dropFirst().first.flatMap { Int($0) } ?? 0
    }

    var descriptors: Int { (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count) ?? 0 }

    /// What all of its processes have said.
    var log: String { logs.map { (try? String(contentsOf: $0, encoding: .utf8)) ?? "" }.joined() }

    /// What it answers; nil where nobody is there, or it hangs.
    func get(_ path: String) -> String? {
        // What a thread of a test starts has SIGTERM blocked, and would outlive any other signal of timeout's.
        let answer = Shell.run("/usr/bin/env", ["timeout", "-s", "KILL", "10", "bash", "-c", """
            exec 3<>/dev/tcp/127.0.0.1/\(port) || exit 1
            printf 'GET \(path) HTTP/1.1\\r\\nHost: 127.0.0.1:\(port)\\r\\nConnection: close\\r\\n\\r\\n' >&3
            cat <&3
            """])
        return answer.status == 0 ? answer.output : nil
    }
}

/// One that nobody listens to just now.
func freePort() throws -> Int {
    let probe = try FaultProxy(from: .loopback(port: 0), to: .loopback(port: 1))
    defer { probe.stop() }
    guard case .loopback(let port) = probe.listener else { return 0 }
    return Int(port)
}
