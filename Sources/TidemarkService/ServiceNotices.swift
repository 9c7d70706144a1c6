import Glibc

/// Tells the process that started this one, systemd or another, how the service does: the datagrams of sd_notify(3). Where
/// nobody asked for them, nothing is sent.
package struct ServiceNotices: Sendable {
    /// The path of a datagram socket; one that begins with @ is not in the file system.
    private let socket: String?
    /// How often a sign of life is expected at the least; nil where none is.
    package let watchdogMs: Int?

    /// - Parameter environment: `NOTIFY_SOCKET`, and `WATCHDOG_USEC` unless `WATCHDOG_PID` names another process.
    package init(environment: [String: String], process: Int32 = getpid()) {
        socket = environment["NOTIFY_SOCKET"].flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isMeant = environment["WATCHDOG_PID"].map { $0 == "\(process)" } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap(Int.init) ?? 0
        watchdogMs = socket != nil && isMeant && microseconds >= 1_000 ? microseconds / 1_000 : nil
    }

    /// Is anybody told?
    package var areWanted: Bool { socket != nil }

    /// It serves; also after a reload, whether that took the new configuration or kept the old one.
    package func ready(_ status: String? = nil) { send(["READY=1"] + Self.line(status)) }
    /// It reads its configuration anew; `ready` ends that.
    package func reloading() { send(["RELOADING=1", "MONOTONIC_USEC=\(Self.monotonicMicroseconds)"]) }
    package func stopping(_ status: String? = nil) { send(["STOPPING=1"] + Self.line(status)) }
    /// It is alive. To be sent about every half of `watchdogMs`, by what would hang if the service did.
    package func watchdog() { send(["WATCHDOG=1"]) }
    /// One line for `systemctl status`.
    package func status(_ text: String) { send(Self.line(text)) }

    /// A line that holds another line would be read as two.
    private static func line(_ status: String?) -> [String] {
        status.map { ["STATUS=" + String($0.map { $0.isNewline ? " " : $0 })] } ?? []
    }

    private static var monotonicMicroseconds: UInt64 {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        return UInt64(now.tv_sec) * 1_000_000 + UInt64(now.tv_nsec) / 1_000
    }

    /// A supervisor that is not there is no reason to stop, so what fails here is not said.
    private func send(_ lines: [String]) {
        guard let socket, var address = Self.address(socket) else { return }
        let descriptor = Glibc.socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let text = Array(lines.joined(separator: "\n").utf8)
        _ = withUnsafePointer(to: &address.value) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { sendto(descriptor, text, text.count, Int32(MSG_NOSIGNAL), $0, address.length) }
        }
    }

    private static func address(_ path: String) -> (value: sockaddr_un, length: socklen_t)? {
        var bytes = Array(path.utf8)
        let isAbstract = bytes.first == UInt8(ascii: "@")
        if isAbstract { bytes[0] = 0 }
        var value = sockaddr_un()
        let room = MemoryLayout.size(ofValue: value.sun_path)
        guard bytes.count < room else { return nil }
        value.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &value.sun_path) { $0.copyBytes(from: bytes) }
        // The name of an abstract socket ends where the length says; a path, with a zero.
        let length = MemoryLayout<sockaddr_un>.size - room + bytes.count + (isAbstract ? 0 : 1)
        return (value, socklen_t(length))
    }
}
