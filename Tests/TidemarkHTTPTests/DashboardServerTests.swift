import Foundation
import FoundationNetworking
import Logging
import Testing
import TidemarkApp
import TidemarkConfig
import TidemarkCore
import TidemarkHTTP
import TidemarkCore
import TidemarkService
import TidemarkTestSupport

/// The dashboard in headless Chromium as the server itself serves it, over figures of fixture.py.
@Suite("Dashboard of the server", .ownThreads)
struct DashboardServerTests {
    @Test(
        "the server's dashboard does what is claimed of it",
        .enabled(
            if: Shell.run("/bin/sh", ["-c", "command -v chromium && command -v python3"]).status == 0,
            "needs chromium and python3 on PATH: apt install chromium python3"),
        .timeLimit(.minutes(10)))
    func browser() async throws {
        let fixture = try FixtureService(["--scenario", "many"])
        defer { fixture.stop() }
        var settings = ServiceSettings()
        settings.listen = .init(host: "127.0.0.1", port: 0)
        settings.tokens = [ServiceSettings.Token(name: "chief", role: .admin, secret: Secret("a secret"))]
        var log = Logger(label: "test")
        log.logLevel = .critical
        let server = try AdminServer(controlPlane: try await RelayedControlPlane(address: fixture.address), settings: settings, log: log)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let serving = Task(executorPreference: OwnThreads.threads) { try await server.run(on: OwnThreads.threads) { port.yield($0) } }
        var iterator = ports.makeAsyncIterator()
        let address = "http://127.0.0.1:\(try #require(await iterator.next()))"
        let check = Shell.run(
            "/usr/bin/env",
            ["python3", FixtureService.folder.appendingPathComponent("check.py").path, address, "--fixture", fixture.address, "--token", "a secret"])
        // Before the server ends: whatever keeps it from that is the smaller news.
        #expect(check.status == 0, "\(check.output)")
        #expect(check.output.contains("ok: the console is empty"), "\(check.output)")
        serving.cancel()
        try await serving.value
    }
}

/// Asks another service for everything.
private struct RelayedControlPlane: ControlPlane {
    let address: String
    /// As it was at first; what is said of it once the other service does not answer any more.
    private let known: ServiceView

    /// With a connection for each that asks: what a person does must not wait for what is asked each second.
    private static let session: URLSession = {
        let configuration = URLSessionConfiguration.ephemeral
        (configuration.httpMaximumConnectionsPerHost, configuration.timeoutIntervalForRequest) = (64, 20)
        return URLSession(configuration: configuration)
    }()

    init(address: String) async throws {
        self.address = address
        known = try await Self.ask(address, ["service"])
    }

    private struct Parts: Encodable {
        let service: ServiceView
        let pipelines: [PipelineView]
        let tasks: [SyncTask]
    }

    private struct Page<Item: Decodable>: Decodable { let items: [Item] }

    private func ask<Value: Decodable>(_ path: [String], _ query: String = "", method: String = "GET", body: Data? = nil) async throws -> Value {
        try await Self.ask(address, path, query, method: method, body: body)
    }

    private static func ask<Value: Decodable>(
        _ address: String, _ path: [String], _ query: String = "", method: String = "GET", body: Data? = nil
    ) async throws -> Value {
        let allowed = CharacterSet(charactersIn: "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.")
        let path = path.map { "/" + ($0.addingPercentEncoding(withAllowedCharacters: allowed) ?? $0) }.joined()
        var request = URLRequest(url: URL(string: address + path + query)!)
        (request.httpMethod, request.httpBody) = (method, body)
        if method != "GET" { request.setValue("application/json", forHTTPHeaderField: "Content-Type") }
        // In a task of its own, which nobody cancels: a URLSessionTask that is cancelled as it is answered ends the process.
        let (data, response) = try await Task { [request] in try await session.data(for: request) }.value
        guard (response as? HTTPURLResponse)?.statusCode ?? 0 < 300 else {
            let told = (try JSONSerialization.jsonObject(with: data) as? [String: Any])?["detail"] as? String
            throw RequestRefusal.conflict(told ?? "refused")
        }
        return try JSONDecoder().decode(Value.self, from: data)
    }

    private func list<Item: Decodable>(_ path: [String]) async throws -> [Item] {
        let page: Page<Item> = try await ask(path, "?limit=500")
        return page.items
    }

    func service() async -> ServiceView { (try? await ask(["service"])) ?? known }
    func pipelines() async -> [PipelineView] { (try? await list(["pipelines"])) ?? [] }
    func pipeline(_ name: String) async throws -> PipelineView {
        var view: PipelineView = try await ask(["pipelines", name])
        view.status?.tables = try await list(["pipelines", name, "tables"])
        return view
    }
    func history(of pipeline: String) async throws -> [Sample] { try await list(["pipelines", pipeline, "history"]) }
    func pause(_ pipeline: String, by actor: Actor) async throws -> PipelineView { try await ask(["pipelines", pipeline, "pause"], method: "POST") }
    func resume(_ pipeline: String, by actor: Actor) async throws -> PipelineView { try await ask(["pipelines", pipeline, "resume"], method: "POST") }
    func run(_ pipeline: String, by actor: Actor) async throws -> PipelineView { try await ask(["pipelines", pipeline, "run"], method: "POST") }
    func parked(of pipeline: String) async throws -> [ParkedTransaction] { try await list(["pipelines", pipeline, "parked"]) }
    func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) async throws -> [ParkedChange] {
        try await list(["pipelines", pipeline, "parked", "\(id)", "changes"])
    }
    func parkedAudit(of pipeline: String, limit: Int) async throws -> [ParkedAudit] { try await list(["pipelines", pipeline, "parked-audit"]) }
    func conflicts(of pipeline: String, table: String?, before id: Int64?, limit: Int) async throws -> [DecidedConflict] {
        try await list(["pipelines", pipeline, "conflicts"])
    }
    func conflict(of pipeline: String, _ id: Int64) async throws -> DecidedConflict { try await ask(["pipelines", pipeline, "conflicts", "\(id)"]) }
    func restoreConflict(of pipeline: String, _ id: Int64, image: ConflictImage, by actor: Actor) async throws -> DecidedConflict {
        try await ask(["pipelines", pipeline, "conflicts", "\(id)", "restore"], method: "POST", body: JSONEncoder().encode(["image": image.rawValue]))
    }
    func retryParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit {
        try await ask(["pipelines", pipeline, "parked", "\(id)", "retry"], method: "POST")
    }
    func skipParked(of pipeline: String, _ id: Int64, by actor: Actor) async throws -> ParkedAudit {
        try await ask(["pipelines", pipeline, "parked", "\(id)", "skip"], method: "POST")
    }
    func tasks() async -> [SyncTask] { (try? await list(["sync", "tasks"])) ?? [] }
    func task(_ id: String) async throws -> SyncTask {
        guard let found = await tasks().first(where: { $0.id == id }) else { throw RequestRefusal.noSuchTask(id) }
        return found
    }
    func create(_ request: SyncTaskRequest, by actor: Actor) async throws -> SyncTask {
        try await ask(["sync", "tasks"], method: "POST", body: JSONEncoder().encode(request))
    }
    func execute(_ id: String, by actor: Actor) async throws -> SyncTask { try await ask(["sync", "tasks", id, "execute"], method: "POST") }
    func cancel(_ id: String, by actor: Actor) async throws -> SyncTask { try await ask(["sync", "tasks", id, "cancel"], method: "POST") }
    func delete(_ id: String, by actor: Actor) async throws { let _: SyncTask = try await ask(["sync", "tasks", id], method: "DELETE") }

    func changes() async -> AsyncStream<ServiceMoment> {
        AsyncStream { stream in
            let asking = Task {
                while !Task.isCancelled {
                    let parts = Parts(service: await service(), pipelines: await pipelines(), tasks: await tasks())
                    if Task.isCancelled { break }
                    if let moment = try? JSONDecoder().decode(ServiceMoment.self, from: JSONEncoder().encode(parts)) { stream.yield(moment) }
                    try? await Task.sleep(for: .seconds(1))
                }
            }
            stream.onTermination = { _ in asking.cancel() }
        }
    }
    func metrics() async -> String { "" }
    func audit(_ entry: AuditEntry) async {}
}
