import Foundation
import Synchronization
import Logging
import TidemarkConfig
import TidemarkCore
import TidemarkHTTP
import TidemarkService
import Testing
import TidemarkTestSupport

@Suite("Who may use the API", .ownThreads)
struct AccessTests {
    @Test("each role may do what it is for, and is told what it lacks")
    func roles() async throws {
        try await RunningServer.with { running in
            let matrix: [(String, String, String?, AccessRole?)] = [
                ("GET", "/", nil, nil), ("GET", "/dashboard/app.js", nil, nil), ("GET", "/health", nil, nil), ("GET", "/ready", nil, nil),
                ("GET", "/openapi.json", nil, nil), ("GET", "/service", nil, .read), ("GET", "/metrics", nil, .read), ("HEAD", "/events", nil, .read),
                ("GET", "/pipelines", nil, .read), ("GET", "/pipelines/orders", nil, .read), ("GET", "/pipelines/orders/tables", nil, .read),
                ("GET", "/pipelines/orders/history", nil, .read), ("GET", "/pipelines/orders/parked", nil, .read),
                ("GET", "/pipelines/orders/parked/1/changes", nil, .read), ("GET", "/pipelines/orders/parked-audit", nil, .read),
                ("GET", "/sync/tasks", nil, .read), ("GET", "/sync/tasks/1", nil, .read), ("POST", "/pipelines/orders/pause", nil, .operate),
                ("POST", "/pipelines/orders/resume", nil, .operate), ("POST", "/pipelines/orders/run", nil, .operate),
                ("POST", "/pipelines/orders/verify", nil, .operate), ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"verify"}"#, .operate),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"copy"}"#, .operate),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"copy","existing":"merge"}"#, .admin),
                ("POST", "/sync/tasks", #"{"pipeline":"orders","kind":"repair","execute":false}"#, .admin),
                ("POST", "/sync/tasks/1/cancel", nil, .operate), ("DELETE", "/sync/tasks/1", nil, .operate),
                ("GET", "/pipelines/orders/conflicts", nil, .read), ("GET", "/pipelines/orders/conflicts/1", nil, .read),
                ("POST", "/pipelines/orders/conflicts/1/restore", #"{"image": "target"}"#, .admin),
                ("POST", "/pipelines/orders/parked/1/retry", nil, .admin), ("POST", "/pipelines/orders/parked/1/skip", nil, .admin),
            ]
            for (method, target, body, needed) in matrix {
                let anonymous = try await running.anonymous(method, target, body: body)
                #expect(needed == nil ? anonymous.status == 200 : anonymous.status == 401, "\(method) \(target)")
                #expect((anonymous.headers["www-authenticate"]?.hasPrefix("Bearer") == true) == (needed != nil), "\(method) \(target)")
                for role in AccessRole.allCases {
                    let answer = try await running.client(role)(method, target, body: body)
                    #expect((answer.status == 403) == (role < needed ?? .read), "\(method) \(target) as \(role): \(answer)")
                    #expect(answer.status != 401, "\(method) \(target) as \(role)")
                }
            }
            // Who may not create what deletes rows may not start it either.
            let repair = try await running.client(.admin)("POST", "/sync/tasks", body: #"{"pipeline":"orders","kind":"repair","execute":false}"#)
            let id = try #require(try repair.json()["id"] as? String)
            #expect(try await running.client(.operate)("POST", "/sync/tasks/\(id)/execute").status == 403)
            #expect(try await running.client(.admin)("POST", "/sync/tasks/\(id)/execute").status == 202)
            let audited = running.plane.audited
            let changing = matrix.filter { $0.0 == "POST" || $0.0 == "DELETE" }
            #expect(audited.count == changing.count * 4 + 3)
            #expect(audited.filter { $0.actor.name == "unknown" }.count == changing.count)
            #expect(audited.filter { $0.actor.name == "viewer" }.allSatisfy { $0.outcome == "refused" })
            #expect(audited.contains { $0.action == "parked.skip" && $0.actor.name == "operator" && $0.actor.role == .operate && $0.outcome == "refused" })
        }
    }

    @Test("tokens are told apart exactly, and wrong ones that are tried too often are no longer looked at")
    func wrongTokens() async throws {
        var limits = ServerLimits()
        (limits.failedLoginBurst, limits.failedLoginsPerSecond) = (8, 0.001)
        try await RunningServer.with(limits: limits) { running in
            for header in ["read-secret", "Bearer", "Bearer ", "Basic read-secret", "Bearer read-secre", "Bearer read-secretx", "Bearer  read-secret,", "Bearer é"] {
                #expect(try await running.anonymous("GET", "/service", headers: ["Authorization": header]).status == 401, "\(header)")
            }
            #expect(running.plane.audited.allSatisfy { $0.action == "login" && $0.outcome == "refused" && $0.actor.address == "127.0.0.1" })
            let refused = try await running.client(.admin)("GET", "/service")
            #expect(refused.status == 429 && Int(refused.headers["retry-after"] ?? "").map { $0 > 0 } == true && refused.isProblem)
            #expect(try await running.anonymous("GET", "/health").status == 200)
        }
        try await RunningServer.with { running in
            let spaced = try await running.anonymous("GET", "/service", headers: ["Authorization": "bearer   read-secret"])
            #expect(spaced.status == 200)
        }
    }

    @Test("who asks too often is told to wait, and others are not")
    func rate() async throws {
        var limits = ServerLimits()
        (limits.requestBurst, limits.requestsPerSecond) = (5, 0.01)
        try await RunningServer.with(limits: limits) { running in
            var statuses: [Int] = []
            for _ in 1...6 { statuses.append(try await running.client(.read)("GET", "/service").status) }
            #expect(statuses == [200, 200, 200, 200, 200, 429])
            #expect(try await running.client(.read)("POST", "/pipelines/orders/pause").status == 429)
            #expect(try await running.client(.operate)("GET", "/service").status == 200)
            #expect(running.plane.audited.isEmpty)
        }
    }

    @Test("without tokens, only requests by this machine's own names are answered, as from an administrator")
    func loopback() async throws {
        try await RunningServer.with(RunningServer.settings(tokens: [])) { running in
            let client = running.anonymous
            #expect(try await client("POST", "/pipelines/orders/parked/1/skip").status == 200)
            #expect(running.plane.audited.map(\.actor.name) == ["local"] && running.plane.audited.map(\.actor.role) == [.admin])
            for host in ["localhost", "LOCALHOST:80", "127.0.0.1:7788", "127.9.9.9", "[::1]:7788"] {
                #expect(try await client("GET", "/service", headers: ["Host": host]).status == 200, "\(host)")
            }
            for host in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "evil.example:127.0.0.1", "127.0.0.1@evil.example", "[::2]", "0.0.0.0", "127.1"] {
                #expect(try await client("GET", "/", headers: ["Host": host]).status == 403, "\(host)")
                #expect(try await client("POST", "/pipelines/orders/pause", headers: ["Host": host]).status == 403, "\(host)")
            }
            let none = try Client.parse(await client.exchange(Array("GET /service HTTP/1.0\r\nConnection: close\r\n\r\n".utf8)))
            #expect(none.status == 403)
        }
    }

    @Test("other machines are not let in without tokens; an address that is taken is named")
    func refusals() async throws {
        func refusal(_ settings: ServiceSettings) throws -> TidemarkError {
            try #require(throws: TidemarkError.self) {
                _ = try AdminServer(controlPlane: SimulatedControlPlane(), settings: settings, log: Logger(label: "test"))
            }
        }
        var open = RunningServer.settings(tokens: [])
        open.listen = .init(host: "0.0.0.0", port: 0)
        #expect(try refusal(open).why.contains("no tokens"))
        #expect(try refusal(RunningServer.settings(tokens: [.init(name: "hollow", role: .read, secret: Secret(""))])).why.contains("hollow"))
        try await RunningServer.with { running in
            var taken = RunningServer.settings()
            taken.listen = .init(host: "127.0.0.1", port: running.port)
            let failure = await #expect(throws: TidemarkError.self) { try await RunningServer.with(taken) { _ in } }
            #expect(failure?.why == "another process listens there" && failure?.remedy.contains("ss -ltnp") == true)
        }
    }

    @Test("tokens are replaced while the server runs, but never by none where other machines listen")
    func reload() async throws {
        try await RunningServer.with { running in
            var settings = RunningServer.settings(tokens: [.init(name: "new", role: .read, secret: Secret("new-secret"))])
            try running.server.reload(settings)
            #expect(try await running.client(.read)("GET", "/service").status == 401)
            #expect(try await Client(port: running.port, token: "new-secret")("GET", "/service").status == 200)
            settings.tokens = []
            settings.listen = .init(host: "0.0.0.0", port: 1)
            #expect(throws: TidemarkError.self) { try running.server.reload(settings) }
            #expect(try await Client(port: running.port, token: "new-secret")("GET", "/service").status == 200)
        }
    }

    @Test("a configuration that would listen on this machine only does not take the tokens from a server that others reach")
    func reloadWhereOthersListen() async throws {
        var open = RunningServer.settings()
        open.listen = .init(host: "0.0.0.0", port: 0)
        try await RunningServer.with(open) { running in
            var settings = RunningServer.settings(tokens: [])
            #expect(settings.listen?.isLoopback == true)
            #expect(throws: TidemarkError.self) { try running.server.reload(settings) }
            settings.listen = nil
            #expect(throws: TidemarkError.self) { try running.server.reload(settings) }
            #expect(try await running.anonymous("GET", "/service").status == 401)
            settings.tokens = RunningServer.settings().tokens
            try running.server.reload(settings)
            #expect(try await running.client(.read)("GET", "/service").status == 200)
        }
    }
}
