import Logging
import ServiceLifecycle
import Synchronization
import TidemarkConfig
import TidemarkHTTP
import TidemarkService
import Testing
import TidemarkTestSupport

@Suite("Stopping the server", .ownThreads)
struct StopTests {
    @Test("a request that is under way is answered, and none is taken after it")
    func answersFirst() async throws {
        try await RunningServer.with { running in
            let (gate, open) = AsyncStream.makeStream(of: Void.self)
            running.plane.state.withLock { $0.gate = gate }
            async let answer = running.client(.read)("GET", "/metrics")
            while !running.plane.state.withLock({ $0.isWaitingAtGate }) { await Task.yield() }
            running.stop()
            while (try? await running.anonymous("GET", "/health")) != nil { await Task.yield() }
            open.finish()
            let status = try await answer.status
            #expect(status == 200)
        }
    }

    private struct Serving: Service {
        let server: AdminServer
        let onListening: @Sendable (Int) async -> Void
        func run() async throws { try await server.run(on: OwnThreads.threads, onListening: onListening) }
    }

    @Test("it stops with the services around it")
    func gracefully() async throws {
        let log = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let server = try AdminServer(controlPlane: SimulatedControlPlane(), settings: RunningServer.settings(), log: log)
        let (ports, port) = AsyncStream.makeStream(of: Int.self)
        let group = ServiceGroup(configuration: .init(services: [Serving(server: server, onListening: { port.yield($0) })], logger: log))
        let running = Task(executorPreference: OwnThreads.threads) { try await group.run() }
        var iterator = ports.makeAsyncIterator()
        let found = try #require(await iterator.next())
        let health = try await Client(port: found)("GET", "/health")
        #expect(health.status == 200)
        await group.triggerGracefulShutdown()
        try await running.value
        await #expect(throws: (any Error).self) { try await Client(port: found)("GET", "/health") }
    }
}
