import Foundation
import Testing
import TidemarkService

/// What systemd is told, as a datagram socket that stands for systemd's gets it.
@Suite("Service notices")
struct ServiceNoticesTests {
    @Test("every notice reaches the socket, in the file system or not", arguments: ["path", "abstract"])
    func everyNoticeReachesTheSocket(_ kind: String) throws {
        let name = "tidemark-\(UUID().uuidString.prefix(8))"
        let socket = try NoticeSocket(kind == "path" ? FileManager.default.temporaryDirectory.appending(path: name).path : "@" + name)
        let notices = ServiceNotices(environment: ["NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "30000000"])
        #expect(notices.areWanted)
        #expect(notices.watchdogMs == 30_000)

        notices.status("reading\nthe configuration")
        #expect(socket.next() == "STATUS=reading the configuration")
        notices.ready("2 pipelines")
        #expect(socket.next() == "READY=1\nSTATUS=2 pipelines")
        notices.watchdog()
        #expect(socket.next() == "WATCHDOG=1")
        notices.reloading()
        let reloading = try #require(socket.next()).split(separator: "\n")
        #expect(reloading.first == "RELOADING=1")
        // systemd compares it with its own clock, so it has to be this one.
        let moment = try #require(reloading.last?.split(separator: "=").last.flatMap { Double($0) })
        #expect(abs(moment / 1_000_000 - ProcessInfo.processInfo.systemUptime) < 60)
        notices.ready()
        #expect(socket.next() == "READY=1")
        notices.stopping()
        #expect(socket.next() == "STOPPING=1")
    }

    @Test("where nobody asked, and where nobody is, nothing happens")
    func nobodyIsToldWhereNobodyAsked() {
        let notices = ServiceNotices(environment: ["WATCHDOG_USEC": "1000000"])
        #expect(!notices.areWanted)
        #expect(notices.watchdogMs == nil)
        notices.ready()
        // A socket that is gone, or a name that is none, stops nothing.
        for name in ["/nowhere/at/all", "vsock:2:1", "/" + String(repeating: "x", count: 200)] {
            ServiceNotices(environment: ["NOTIFY_SOCKET": name]).ready()
        }
    }

    @Test("a watchdog that is meant for another process is not this one's")
    func aWatchdogOfAnotherProcessIsNotThisOnes() {
        let environment = ["NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "17"]
        #expect(ServiceNotices(environment: environment, process: 17).watchdogMs == 20_000)
        #expect(ServiceNotices(environment: environment, process: 18).watchdogMs == nil)
    }
}

/// A datagram socket that is read as notices are sent.
private final class NoticeSocket {
    let name: String
    private let descriptor: Int32

    init(_ name: String) throws {
        self.name = name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var bytes = Array(name.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count + (isAbstract ? 0 : 1))
        let descriptor = descriptor
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(bound == 0)
    }

    deinit {
        close(descriptor)
        if name.hasPrefix("/") { unlink(name) }
    }

    /// What was sent is here already: a datagram between two sockets of one machine is delivered when it is sent.
    func next() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4_096)
        let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer[0..<count], as: UTF8.self)
    }
}
