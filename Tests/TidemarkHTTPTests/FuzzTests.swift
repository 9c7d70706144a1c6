import Foundation
import TidemarkConfig
import TidemarkHTTP
import TidemarkTestSupport
import Testing

@Suite("Requests that are none", .ownThreads)
struct FuzzTests {
    private static let seeds: [String] = [
        "GET /pipelines HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer read-secret\r\n\r\n",
        "POST /sync/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer operate-secret\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n"
            + #"{"pipeline":"orders","kind":"verify"}"#,
        "POST /sync/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer operate-secret\r\nContent-Type: application/json\r\n"
            + "Transfer-Encoding: chunked\r\n\r\n5\r\n{\"pip\r\n1f\r\neline\":\"orders\",\"kind\":\"verify\"}\r\n0\r\n\r\n",
        "DELETE /sync/tasks/1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer operate-secret\r\nX-Tidemark: 1\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer read-secret\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET http://localhost/health?a=%zz&b#c HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "POST /pipelines/orders/pause HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "GET /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ]

    private static func request(_ random: inout SeededRandom) -> [UInt8] {
        func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
        var base = Array((seeds.randomElement(using: &random) ?? "").utf8)
        switch Int.random(in: 0..<9, using: &random) {
        case 0: return bytes(Int.random(in: 0..<300, using: &random))
        case 1: return Array(base.prefix(Int.random(in: 0..<base.count, using: &random)))
        case 2:
            for _ in 0..<Int.random(in: 1..<8, using: &random) { base[Int.random(in: 0..<base.count, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            return base
        case 3:
            let size = Int.random(in: 1..<100_000, using: &random)
            return Array("GET /\(String(repeating: "a", count: size)) HTTP/1.1\r\n\r\n".utf8)
        case 4:
            let size = Int.random(in: 1..<100_000, using: &random)
            return Array("GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: \(String(repeating: "b", count: size))\r\n\r\n".utf8)
        case 5:
            let lines = (0..<Int.random(in: 1..<500, using: &random)).map { "X-\($0): \($0)\r\n" }.joined()
            return Array("GET /health HTTP/1.1\r\nHost: localhost\r\n\(lines)\r\n".utf8)
        case 6:
            let sizes = ["zz", "-1", "ffffffffffffffffff", "5;x=\"", "0x5", "", " 5", "10001"]
            let size = sizes.randomElement(using: &random) ?? ""
            return Array("POST /sync/tasks HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n\(size)\r\n".utf8) + bytes(40)
        case 7:
            return (0..<Int.random(in: 2..<20, using: &random)).flatMap { _ in Array((seeds.randomElement(using: &random) ?? "").utf8) }
        default:
            let at = Int.random(in: 0..<base.count, using: &random)
            return Array(base[..<at]) + bytes(Int.random(in: 1..<20, using: &random)) + Array(base[at...])
        }
    }

    /// Sends it and leaves off: the server answers something, or closes.
    private static func play(_ bytes: [UInt8], port: Int) async throws {
        try await Client.blocking {
            let socket = try Socket(port: port, timeoutSeconds: 20)
            try? socket.send(bytes)
            socket.endSending()
            let answer = try socket.read()
            guard answer.isEmpty || answer.starts(with: Array("HTTP/1.".utf8)) else {
                throw Client.Malformed(text: "\(String(decoding: bytes, as: UTF8.self)) → \(String(decoding: answer, as: UTF8.self))")
            }
        }
    }

    @Test("are answered or closed, five thousand of them, and the server goes on", arguments: [1 as UInt64])
    func fuzz(seed: UInt64) async throws {
        try await RunningServer.with { running in
            var random = SeededRandom(seed: seed)
            let requests = (0..<5_000).map { _ in Self.request(&random) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<16 {
                    group.addTask {
                        for index in stride(from: lane, to: requests.count, by: 16) { try await Self.play(requests[index], port: running.port) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await running.anonymous("GET", "/health").status == 200)
            #expect(try await running.client(.read)("GET", "/pipelines").status == 200)
        }
    }

    @Test("a client that sends its request, or its body, a byte at a time is cut off")
    func slowRequests() async throws {
        var limits = ServerLimits()
        (limits.idleSeconds, limits.transferSeconds) = (2, 2)
        try await RunningServer.with(limits: limits) { running in
            let head = try await Client.blocking {
                let socket = try Socket(port: running.port)
                for byte in Array("GET /health HTTP/1.1\r\n".utf8) { try socket.send([byte]) }
                return try socket.readAll()
            }
            #expect(head.isEmpty)
            let body = try await Client.blocking {
                let socket = try Socket(port: running.port)
                try socket.send(
                    Array(
                        ("POST /sync/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-secret\r\n"
                            + "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{").utf8))
                return try socket.readAll()
            }
            #expect(body.isEmpty)
        }
    }

    @Test("a body that goes on after the answer does not keep the connection")
    func endlessBody() async throws {
        try await RunningServer.with { running in
            let (answer, isClosed) = try await Client.blocking {
                let socket = try Socket(port: running.port)
                try socket.send(
                    Array(
                        ("POST /sync/tasks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer admin-secret\r\n"
                            + "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n").utf8))
                let chunk = Array("1000\r\n\(String(repeating: " ", count: 4096))\r\n".utf8)
                for _ in 0..<20 { try socket.send(chunk) }
                let answer = try socket.read(until: "65536")
                var isClosed = false
                while !isClosed { isClosed = (try? socket.send(chunk)) == nil }
                return (answer, isClosed)
            }
            #expect(answer.contains("413") && answer.contains("Connection: close") && isClosed)
        }
    }
}
