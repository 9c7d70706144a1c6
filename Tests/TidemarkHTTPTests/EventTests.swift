import Foundation
import Synchronization
import TidemarkConfig
import TidemarkHTTP
import TidemarkService
import Testing
import TidemarkTestSupport

@Suite("Live events", .ownThreads)
struct EventTests {
    private static func request(_ port: Int) -> [UInt8] {
        Array("GET /events HTTP/1.1\r\nHost: localhost:\(port)\r\nAuthorization: Bearer read-secret\r\nConnection: close\r\n\r\n".utf8)
    }

    /// A connection that has been greeted.
    private static func reader(_ port: Int) async throws -> Socket {
        try await Client.blocking {
            let socket = try Socket(port: port)
            try socket.send(request(port))
            let head = try socket.read(until: "retry: 3000\n\n")
            guard head.hasPrefix("HTTP/1.1 200"), head.contains("text/event-stream") else { throw Client.Malformed(text: head) }
            return socket
        }
    }

    private static func watched(_ plane: SimulatedControlPlane, _ isWatched: Bool = true) async {
        while plane.state.withLock({ $0.watchers.isEmpty }) == isWatched { await Task.yield() }
    }

    @Test("fifty readers get each moment, which is asked for once, and who comes later the newest at once")
    func fifty() async throws {
        try await RunningServer.with { running in
            let readers = try await withThrowingTaskGroup(of: Socket.self) { group in
                for _ in 1...50 { group.addTask { try await Self.reader(running.port) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            await Self.watched(running.plane)
            for number in [7, 8] {
                running.plane.tell(number)
                try await withThrowingTaskGroup(of: String.self) { group in
                    for reader in readers { group.addTask { try await Client.blocking { try reader.read(until: "\"leading\":\(number)") } } }
                    for try await text in group { #expect(text.contains("event: moment\ndata: {")) }
                }
            }
            #expect(running.plane.state.withLock { $0.watched } == 1)
            let late = try await Self.reader(running.port)
            let first = try await Client.blocking { try late.read(until: "\"leading\":8") }
            #expect(first.contains("id: 2\n"))
        }
    }

    @Test("the service is watched while somebody reads, and only then; who comes later gets no moment of before", .timeLimit(.minutes(2)))
    func onlyWhileRead() async throws {
        try await RunningServer.with { running in
            #expect(try await running.client(.read)("GET", "/service").status == 200)
            #expect(running.plane.state.withLock { $0.watched } == 0)
            do {
                let readers = [try await Self.reader(running.port), try await Self.reader(running.port)]
                await Self.watched(running.plane)
                running.plane.tell(7)
                for reader in readers { _ = try await Client.blocking { try reader.read(until: "\"leading\":7") } }
                #expect(running.plane.state.withLock { $0.watched } == 1)
            }
            await Self.watched(running.plane, false)
            let next = try await Self.reader(running.port)
            await Self.watched(running.plane)
            running.plane.tell(8)
            let text = try await Client.blocking { try next.read(until: "\"leading\":8") }
            #expect(!text.contains("\"leading\":7"))
            #expect(running.plane.state.withLock { $0.watched } == 2)
        }
    }

    @Test("a reader that is slow gets the newest moment, and holds nobody up")
    func slow() async throws {
        var limits = ServerLimits()
        limits.transferSeconds = 600
        try await RunningServer.with(limits: limits) { running in
            let slow = try await Self.reader(running.port)
            let quick = try await Self.reader(running.port)
            await Self.watched(running.plane)
            // Large ones, so that the socket of the one who does not read is full soon.
            running.plane.state.withLock { $0.pipelines = (1...300).map { Samples.pipeline("p\($0)") } }
            for number in 1...40 {
                running.plane.tell(number)
                _ = try await Client.blocking { try quick.read(until: "\"leading\":\(number),") }
            }
            let text = try await Client.blocking { try slow.read(until: "\"leading\":40,") }
            let moments = text.components(separatedBy: "event: moment").count - 1
            #expect(moments < 40)
        }
    }

    @Test("quiet connections hear a comment, and too many are refused")
    func limits() async throws {
        var limits = ServerLimits()
        (limits.keepAliveSeconds, limits.eventStreams) = (0.05, 2)
        try await RunningServer.with(limits: limits) { running in
            let readers = [try await Self.reader(running.port), try await Self.reader(running.port)]
            for reader in readers { _ = try await Client.blocking { try reader.read(until: ": here\n\n") } }
            let refused = try await running.client(.read)("GET", "/events")
            #expect(refused.status == 503 && refused.isProblem && refused.headers["retry-after"] == "30")
        }
    }

    @Test("who goes makes room")
    func leaving() async throws {
        var limits = ServerLimits()
        limits.eventStreams = 1
        try await RunningServer.with(limits: limits) { running in
            for _ in 1...5 { _ = try await Self.joined(running.port) }
        }
    }

    /// One that is tried until there is room.
    private static func joined(_ port: Int) async throws -> Socket {
        while true {
            if let socket = try? await reader(port) { return socket }
            await Task.yield()
        }
    }

    @Test("streams end when the service stops, and when the server does")
    func ends() async throws {
        try await RunningServer.with { running in
            let reader = try await Self.reader(running.port)
            await Self.watched(running.plane)
            running.plane.stop()
            _ = try await Client.blocking { try reader.readAll() }
            #expect(try await running.client(.read)("GET", "/events").status == 503)
            #expect(try await running.client(.read)("GET", "/service").status == 200)
        }
        try await RunningServer.with { running in
            let readers = [try await Self.reader(running.port), try await Self.reader(running.port)]
            running.stop()
            for reader in readers { _ = try await Client.blocking { try reader.readAll() } }
        }
    }
}
