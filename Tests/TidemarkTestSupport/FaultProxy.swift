import Foundation
import Synchronization

/// Stands between a client and its server, and does to their connections what networks do, when it is told to.
package final class FaultProxy: Sendable {
    /// What becomes of connections.
    package enum Mode: Sendable {
        case forwarding
        /// They stay open, new ones too, and nothing passes: a switch that lost its table, a server that hangs.
        case silent
        /// There is nobody to connect to; open ones go on.
        case refusing
    }

    package let listener: ProxyEndpoint
    private let upstream: ProxyEndpoint
    private struct State {
        var mode = Mode.forwarding
        var delayMs = 0
        var cuts = 0
        var isOver = false
        var connections = 0
        var accepted = 0
        /// Is the mode in force?
        var applied = Mode.refusing
        var cutsDone = 0
    }

    private let state = Mutex(State())
    private let wake: (reading: Int32, writing: Int32)
    private let ended = DispatchSemaphore(value: 0)

    /// - Parameter listener: with port 0 it gets one that is free.
    package init(from listener: ProxyEndpoint, to upstream: ProxyEndpoint) throws {
        var pipeEnds: [Int32] = [-1, -1]
        guard pipe(&pipeEnds) == 0 else { throw ProxyFailure("pipe") }
        pipeEnds.forEach(makeOwn)
        wake = (pipeEnds[0], pipeEnds[1])
        let (descriptor, bound) = try listener.listening()
        (self.listener, self.upstream) = (bound, upstream)
        Thread.detachNewThread { [self] in
            ProxyLoop(proxy: self, listening: descriptor).run()
            ended.signal()
        }
    }

    deinit {
        close(wake.reading)
        close(wake.writing)
    }

    /// Ends every connection at once, as one that was reset; with `mode` as it is, new ones come through.
    package func cut() { change { $0.cuts += 1 } }

    package func set(_ mode: Mode) { change { $0.mode = mode } }

    /// How late everything arrives.
    package func set(delayMs: Int) { change { $0.delayMs = delayMs } }

    package func stop() {
        let isFirst = state.withLock { state in
            defer { state.isOver = true }
            return !state.isOver
        }
        guard isFirst else { return }
        wakeLoop()
        // It may be connecting to a server that does not answer.
        _ = ended.wait(timeout: .now() + .seconds(10))
    }

    /// How many connections are open now.
    package var connections: Int { state.withLock(\.connections) }
    /// How many there have been.
    package var accepted: Int { state.withLock(\.accepted) }

    /// Comes back when it is in force: a test's next step has not to wait for it.
    private func change(_ body: (inout State) -> Void) {
        state.withLock { body(&$0) }
        wakeLoop()
        while state.withLock({ !$0.isOver && ($0.applied != $0.mode || $0.cutsDone != $0.cuts) }) { usleep(200) }
    }

    private func wakeLoop() {
        var byte: UInt8 = 0
        _ = write(wake.writing, &byte, 1)
    }
}

/// Where one listens, or is listened to.
package enum ProxyEndpoint: Sendable, Equatable {
    case unix(path: String)
    case loopback(port: UInt16)

    /// As PostgreSQL names its socket in a directory.
    package static func postgres(in directory: String) -> Self { .unix(path: "\(directory)/.s.PGSQL.5432") }
}

package struct ProxyFailure: Error, CustomStringConvertible {
    package let description: String
    init(_ call: String) { description = "\(call): \(String(cString: strerror(errno)))" }
}

extension FaultProxy {
    fileprivate var wakeDescriptor: Int32 { wake.reading }

    fileprivate func orders() -> (mode: Mode, delayMs: Int, cuts: Int, isOver: Bool) {
        state.withLock { ($0.mode, $0.delayMs, $0.cuts, $0.isOver) }
    }

    fileprivate func report(_ mode: Mode, cuts: Int, connections: Int, accepted: Int) {
        state.withLock { ($0.applied, $0.cutsDone, $0.connections, $0.accepted) = (mode, cuts, connections, accepted) }
    }

    fileprivate func connectUpstream() -> Int32? { try? upstream.connected() }
}

/// The one thread that moves the bytes.
private final class ProxyLoop {
    private let proxy: FaultProxy
    private var listening: Int32?
    private var pairs: [ProxyPair] = []
    private var cutsDone = 0
    private var accepted = 0

    init(proxy: FaultProxy, listening: Int32) { (self.proxy, self.listening) = (proxy, listening) }

    func run() {
        while true {
            let orders = proxy.orders()
            if orders.isOver { break }
            if orders.cuts != cutsDone {
                pairs.forEach { $0.reset() }
                pairs = []
                cutsDone = orders.cuts
            }
            listen(unless: orders.mode == .refusing)
            proxy.report(orders.mode, cuts: cutsDone, connections: pairs.count, accepted: accepted)
            wait(orders.mode, orders.delayMs)
        }
        pairs.forEach { $0.reset() }
        listen(unless: true)
    }

    private func listen(unless isRefusing: Bool) {
        if isRefusing, let open = listening {
            close(open)
            proxy.listener.unlinkSocket()
            listening = nil
        } else if !isRefusing, listening == nil {
            listening = try? proxy.listener.listening().descriptor
        }
    }

    private func wait(_ mode: FaultProxy.Mode, _ delayMs: Int) {
        var polled = [pollfd(fd: proxy.wakeDescriptor, events: Int16(POLLIN), revents: 0)]
        if let listening { polled.append(pollfd(fd: listening, events: Int16(POLLIN), revents: 0)) }
        let first = polled.count
        // A silent one looks at nothing, so that whoever sends fills the buffers of the system, and waits.
        if mode != .silent { for pair in pairs { polled += pair.wanted() } }
        let isDelaying = pairs.contains(where: \.holdsBytes)
        poll(&polled, nfds_t(polled.count), isDelaying ? 1 : -1)
        drainWake()
        if mode != .silent {
            for (place, pair) in pairs.enumerated() {
                pair.move(polled[first + 2 * place].revents, polled[first + 2 * place + 1].revents, delayMs: delayMs)
            }
            pairs.removeAll { pair in
                if pair.isOver { pair.close() }
                return pair.isOver
            }
        }
        if let listening, polled.count > 1, polled[1].revents != 0 { accept(listening) }
    }

    private func accept(_ listening: Int32) {
        let client = Foundation.accept(listening, nil, nil)
        guard client >= 0 else { return }
        makeOwn(client)
        accepted += 1
        // Where the server is away, the client sees a connection that ends at once.
        guard let server = proxy.connectUpstream() else {
            close(client)
            return
        }
        pairs.append(ProxyPair(client, server))
    }

    private func drainWake() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while read(proxy.wakeDescriptor, &bytes, bytes.count) > 0 {}
    }
}

/// One connection of a client, and its own to the server.
private final class ProxyPair {
    private struct Way {
        var pending: [(dueMs: Int, bytes: [UInt8])] = []
        var sent = 0
        var isFinished = false
        var holdsBytes: Bool { !pending.isEmpty }
    }

    private let descriptors: [Int32]
    /// From the client, and from the server.
    private var ways = [Way(), Way()]
    private(set) var isOver = false
    var holdsBytes: Bool { ways.contains(where: \.holdsBytes) }
    private static let pendingMax = 64

    init(_ client: Int32, _ server: Int32) { descriptors = [client, server] }

    func wanted() -> [pollfd] {
        (0..<2).map { side in
            let reads = !ways[side].isFinished && ways[side].pending.count < Self.pendingMax
            let writes = ways[1 - side].pending.first.map { $0.dueMs <= nowMs() } ?? false
            return pollfd(fd: descriptors[side], events: Int16((reads ? POLLIN : 0) | (writes ? POLLOUT : 0)), revents: 0)
        }
    }

    func move(_ client: Int16, _ server: Int16, delayMs: Int) {
        for (side, events) in [client, server].enumerated() where events & Int16(POLLIN | POLLHUP | POLLERR) != 0 {
            receive(side, delayMs)
        }
        for side in 0..<2 { send(side) }
        isOver = isOver || (0..<2).contains { ways[$0].isFinished && ways[$0].pending.isEmpty }
    }

    private func receive(_ side: Int, _ delayMs: Int) {
        guard !ways[side].isFinished else { return }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = recv(descriptors[side], &bytes, bytes.count, 0)
        if count > 0 {
            ways[side].pending.append((nowMs() + delayMs, Array(bytes[..<count])))
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            ways[side].isFinished = true
        }
    }

    private func send(_ side: Int) {
        while let next = ways[side].pending.first, next.dueMs <= nowMs() {
            let left = next.bytes[ways[side].sent...]
            let count = left.withUnsafeBytes { Foundation.send(descriptors[1 - side], $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count < 0 {
                isOver = isOver || errno != EAGAIN && errno != EINTR
                return
            }
            ways[side].sent += count
            guard ways[side].sent == next.bytes.count else { return }
            ways[side].pending.removeFirst()
            ways[side].sent = 0
        }
    }

    /// Without a goodbye, where the protocol knows such.
    func reset() {
        var immediately = linger(l_onoff: 1, l_linger: 0)
        for descriptor in descriptors {
            setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &immediately, socklen_t(MemoryLayout<linger>.size))
        }
        close()
    }

    func close() { descriptors.forEach { Foundation.close($0) } }
}

/// Not a child's, and nothing waits for it but poll.
private func makeOwn(_ descriptor: Int32) {
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
}

private func nowMs() -> Int { Int(DispatchTime.now().uptimeNanoseconds / 1_000_000) }

extension ProxyEndpoint {
    func unlinkSocket() {
        if case .unix(let path) = self { unlink(path) }
    }

    func listening() throws -> (descriptor: Int32, bound: ProxyEndpoint) {
        unlinkSocket()
        let descriptor = try opened()
        var reuse: Int32 = 1
        setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        guard withAddress({ bind(descriptor, $0, $1) }) == 0, listen(descriptor, 128) == 0 else { throw ProxyFailure("bind") }
        guard case .loopback = self else { return (descriptor, self) }
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let named = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard named == 0 else { throw ProxyFailure("getsockname") }
        return (descriptor, .loopback(port: UInt16(bigEndian: address.sin_port)))
    }

    func connected() throws -> Int32 {
        let descriptor = try opened()
        // Both kinds answer at once on one machine, or say that nobody is there.
        let flags = fcntl(descriptor, F_GETFL)
        _ = fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK)
        guard withAddress({ connect(descriptor, $0, $1) }) == 0 else {
            close(descriptor)
            throw ProxyFailure("connect")
        }
        _ = fcntl(descriptor, F_SETFL, flags)
        return descriptor
    }

    private func opened() throws -> Int32 {
        let family = if case .unix = self { AF_UNIX } else { AF_INET }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw ProxyFailure("socket") }
        makeOwn(descriptor)
        return descriptor
    }

    private func withAddress(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        switch self {
        case .unix(let path):
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            precondition(path.utf8.count < MemoryLayout.size(ofValue: address.sun_path), "a socket's path is at most 107 bytes: \(path)")
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            return Self.rebound(&address, body)
        case .loopback(let port):
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            return Self.rebound(&address, body)
        }
    }

    private static func rebound<T>(_ address: inout T, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<T>.size)) }
        }
    }
}
