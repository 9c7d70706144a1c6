import Logging
import TidemarkConfig
import TidemarkHTTP
import TidemarkTestSupport

/// A server on a port of its own, over a simulated service, for as long as a test needs it.
struct RunningServer: Sendable {
    let plane: SimulatedControlPlane
    let server: AdminServer
    let port: Int
    private let stopping: @Sendable () -> Void

    static let tokens = [
        ServiceSettings.Token(name: "viewer", role: .read, secret: Secret("read-secret")),
        ServiceSettings.Token(name: "operator", role: .operate, secret: Secret("operate-secret")),
        ServiceSettings.Token(name: "chief", role: .admin, secret: Secret("admin-secret")),
    ]

    /// Without a token; with that of a role.
    var anonymous: Client { Client(port: port) }
    func client(_ role: AccessRole) -> Client { Client(port: port, token: "\(role.rawValue)-secret") }

    /// Begins a stop; `with` returns when it has ended.
    func stop() { stopping() }

    static func settings(tokens: [ServiceSettings.Token] = tokens) -> ServiceSettings {
        var settings = ServiceSettings()
        settings.listen = .init(host: "127.0.0.1", port: 0)
        settings.tokens = tokens
        return settings
    }

    static func with(
        _ settings: ServiceSettings = settings(), limits: ServerLimits? = nil, _ body: @escaping @Sendable (RunningServer) async throws -> Void
    ) async throws {
        var plenty = ServerLimits()
        plenty.stopSeconds = 120
        (plenty.requestsPerSecond, plenty.requestBurst) = (100_000, 100_000)
        (plenty.failedLoginsPerSecond, plenty.failedLoginBurst) = (100_000, 100_000)
        let plane = SimulatedControlPlane()
        var log = Logger(label: "test")
        log.logLevel = .critical
        let server = try AdminServer(controlPlane: plane, settings: settings, limits: limits ?? plenty, log: log)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let serving = Task(executorPreference: OwnThreads.threads) {
            defer { port.finish() }
            try await server.run(on: OwnThreads.threads) { port.yield($0) }
        }
        var iterator = ports.makeAsyncIterator()
        guard let port = await iterator.next() else { return try await serving.value }
        let result: Result<Void, any Error>
        do {
            try await body(RunningServer(plane: plane, server: server, port: port, stopping: { serving.cancel() }))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        serving.cancel()
        try await serving.value
        try result.get()
    }
}
