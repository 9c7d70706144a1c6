import Foundation
import Glibc
import Synchronization

/// HTTP by hand, so that requests may be as wrong as a test needs them. What blocks does so on a thread of its own.
struct Client: Sendable {
    var port: Int
    var token: String?

    struct Answer: Sendable {
        var status: Int
        var headers: [String: String]
        var body: String

        func json() throws -> [String: Any] {
            try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] ?? [:]
        }
        func items(_ key: String) throws -> [String] {
            (try json()["items"] as? [[String: Any]] ?? []).map { "\($0[key] ?? "")" }
        }
        var isProblem: Bool { headers["content-type"] == "application/problem+json" }
    }

    func callAsFunction(
        _ method: String, _ target: String, body: String? = nil, type: String? = "application/json", headers: [String: String] = [:]
    ) async throws -> Answer {
        var lines = ["\(method) \(target) HTTP/1.1", "Connection: close"]
        if headers["Host"] == nil { lines.append("Host: localhost:\(port)") }
        if let token { lines.append("Authorization: Bearer \(token)") }
        if let body { lines.append("Content-Length: \(body.utf8.count)") }
        if let type, method != "GET" { lines.append("Content-Type: \(type)") }
        lines += headers.map { "\($0): \($1)" }
        let text = lines.joined(separator: "\r\n") + "\r\n\r\n" + (body ?? "")
        return try Self.parse(await exchange(Array(text.utf8)), isHead: method == "HEAD")
    }

    /// Sends bytes, and reads until the server closes.
    func exchange(_ bytes: [UInt8], halfClose: Bool = false) async throws -> [UInt8] {
        try await Self.blocking {
            let socket = try Socket(port: port)
            try? socket.send(bytes)
            if halfClose { socket.endSending() }
            return try socket.readAll()
        }
    }

    static func blocking<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try work() }) }
        }
    }

    struct Malformed: Error { var text: String }

    static func parse(_ bytes: [UInt8], isHead: Bool = false) throws -> Answer {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { throw Malformed(text: text) }
        let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
        let status = lines[0].split(separator: " ")
        guard status.count > 1, status[0] == "HTTP/1.1", let code = Int(status[1]) else { throw Malformed(text: text) }
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { throw Malformed(text: line) }
            headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
        }
        let body = String(text[end.upperBound...])
        if let length = headers["content-length"], !isHead, Int(length) != body.utf8.count { throw Malformed(text: "\(length) and not \(body.utf8.count)") }
        return Answer(status: code, headers: headers, body: body)
    }
}

/// A connection whose calls block.
final class Socket: Sendable {
    struct Failed: Error { var what: String }
    private let descriptor: Int32
    private let rest = Mutex(Data())

    init(port: Int, timeoutSeconds: Int = 60) throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var timeout = timeval(tv_sec: timeoutSeconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(port).bigEndian)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let connected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
        guard connected == 0 else { throw Failed(what: "connect: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { throw Failed(what: "send: \(String(cString: strerror(errno)))") }
            sent += count
        }
    }

    func endSending() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Nothing at the end.
    func read() throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65_536)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        if count < 0, errno == ECONNRESET { return [] }
        guard count >= 0 else { throw Failed(what: "recv: \(String(cString: strerror(errno)))") }
        return Array(buffer.prefix(count))
    }

    func readAll() throws -> [UInt8] {
        var all: [UInt8] = []
        while case let bytes = try read(), !bytes.isEmpty { all += bytes }
        return all
    }

    /// What comes up to the end of a text; what comes behind it is for the next call.
    func read(until text: String) throws -> String {
        let wanted = Data(text.utf8)
        return try rest.withLock { rest in
            var looked = 0
            while true {
                if let found = rest.range(of: wanted, in: max(0, looked - wanted.count)..<rest.count) {
                    defer { rest = Data(rest[found.upperBound...]) }
                    return String(decoding: rest[..<found.upperBound], as: UTF8.self)
                }
                looked = rest.count
                let bytes = try read()
                guard !bytes.isEmpty else { throw Failed(what: "closed before \(text): \(String(decoding: rest.suffix(2000), as: UTF8.self))") }
                rest.append(contentsOf: bytes)
            }
        }
    }
}
