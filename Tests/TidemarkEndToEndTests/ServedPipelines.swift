import Foundation
import FoundationNetworking
import Testing
import TidemarkTestSupport

/// A `tidemark serve` that runs, and what it says over its API.
final class ServedPipelines {
    let configuration: URL
    let log: URL
    private(set) var process: Process
    private(set) var port = 0
    private let lease: String

    /// - Parameters:
    ///   - pipelines: the text below `pipelines:`.
    ///   - flags: besides the configuration.
    init(
        service: String = "", pipelines: String, environment: [String: String] = [:], flags: [String] = [], lease: String = "2s"
    ) throws {
        self.lease = lease
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("serve-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        configuration = folder.appendingPathComponent("tidemark.yaml")
        log = folder.appendingPathComponent("log")
        try Self.text(service, pipelines, lease).write(to: configuration, atomically: true, encoding: .utf8)
        process = try Shell.start(Shell.tidemark, ["serve", "--config", configuration.path] + flags, environment: environment, log: log)
        try learnPort()
    }

    /// Another service on the configuration of this one.
    init(beside other: ServedPipelines) throws {
        (configuration, lease) = (other.configuration, other.lease)
        log = configuration.deletingLastPathComponent().appendingPathComponent("log-\(UUID().uuidString.prefix(4))")
        process = try Shell.start(Shell.tidemark, ["serve", "--config", configuration.path], log: log)
        try learnPort()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }

    private static func text(_ service: String, _ pipelines: String, _ lease: String) -> String {
        """
        service:
          listen: 127.0.0.1:0
          status-every: 1s
          lease: \(lease)
          heartbeat: 1s
        \(service)
        pipelines:
        \(pipelines)

        """
    }

    private func learnPort() throws {
        try Self.wait("it listens") {
            guard process.isRunning else { throw Failure("it has ended: \(said)") }
            guard let place = said.range(of: "http://127.0.0.1:") else { return false }
            port = Int(said[place.upperBound...].prefix { $0.isNumber }) ?? 0
            return port > 0
        }
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
    }

    /// What its log holds so far.
    var said: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    func write(service: String = "", pipelines: String) throws {
        try Self.text(service, pipelines, lease).write(to: configuration, atomically: true, encoding: .utf8)
    }

    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// - Returns: its exit status.
    func terminate() -> Int32 {
        process.terminate()
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Looks again until it is so, for a minute at most.
    /// - Parameter shown: what is said where it does not become so.
    static func wait(_ what: String, seconds: Double = 60, showing shown: () -> String = { "" }, _ isSo: () throws -> Bool) throws {
        let deadline = Date().addingTimeInterval(seconds)
        while try !isSo() {
            guard Date() < deadline else { throw Failure("in \(Int(seconds)) s it did not come about that \(what); \(shown())") }
            usleep(20_000)
        }
    }

    @discardableResult
    func request(_ method: String, _ path: String, _ body: String? = nil) throws -> (status: Int, object: Any?, text: String) {
        guard let url = URL(string: "http://127.0.0.1:\(port)\(path)") else { throw Failure("no address: \(path)") }
        var request = URLRequest(url: url, timeoutInterval: 30)
        request.httpMethod = method
        if method != "GET" {
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
            request.httpBody = body.map { Data($0.utf8) }
        }
        let done = DispatchSemaphore(value: 0)
        nonisolated(unsafe) var answer: (Data?, URLResponse?, (any Error)?) = (nil, nil, nil)
        URLSession.shared.dataTask(with: request) { data, response, error in
            answer = (data, response, error)
            done.signal()
        }.resume()
        done.wait()
        guard let data = answer.0, let response = answer.1 as? HTTPURLResponse else { throw Failure("\(method) \(path): \(String(describing: answer.2))") }
        return (response.statusCode, try? JSONSerialization.jsonObject(with: data), String(decoding: data, as: UTF8.self))
    }

    /// One pipeline as the API shows it.
    func pipeline(_ name: String) throws -> [String: Any] {
        let answer = try request("GET", "/pipelines/\(name)")
        guard let object = answer.object as? [String: Any] else { throw Failure("\(name): \(answer.text)") }
        return object
    }

    func wait(for name: String, _ field: String, _ value: String) throws {
        var last = ""
        try Self.wait("\(name) is \(value)", showing: { "it is \(last), and its log says \(said)" }) {
            let found = try pipeline(name)
            last = "\(found)"
            return found[field] as? String == value
        }
    }

    /// Waits until a task is completed, and not for one that has ended otherwise.
    func waitForTask(_ id: String) throws {
        var last = ""
        func shown() -> String { "it is \(last), and the log says \(said)" }
        try Self.wait("the task is completed", showing: shown) {
            let task = try request("GET", "/sync/tasks/\(id)")
            last = task.text
            let state = (task.object as? [String: Any])?["state"] as? String
            guard state != "failed", state != "cancelled" else { throw Failure("the task has not done its work; \(shown())") }
            return state == "completed"
        }
    }

    /// Waits until all tables of a pipeline are copied.
    func waitUntilCopied(_ name: String) throws {
        var last = ""
        try Self.wait("\(name) is copied", showing: { "it is \(last), and the log says \(said)" }) {
            let tables = try request("GET", "/pipelines/\(name)/tables")
            last = tables.text
            let items = (tables.object as? [String: Any])?["items"] as? [[String: Any]] ?? []
            return !items.isEmpty && items.allSatisfy { $0["copy"] as? String == "done" }
        }
    }
}
