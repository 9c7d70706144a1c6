import Foundation
import Testing
import TidemarkPostgres
import TidemarkTestSupport

@Suite("The proxy that breaks connections")
struct FaultProxyTests {
    private static func scene() throws -> (proxy: FaultProxy, address: String) {
        let directory = FileManager.default.temporaryDirectory.path + "/tidemark-proxy-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let proxy = try FaultProxy(from: .postgres(in: directory), to: .postgres(in: ScratchCluster.shared.directory))
        return (proxy, "host=\(directory) user=postgres dbname=postgres connect_timeout=2")
    }

    @Test("it forwards, cuts, and lets new connections through")
    func cut() throws {
        let (proxy, address) = try Self.scene()
        defer { proxy.stop() }
        let session = try PostgresSession(address)
        let text = String(repeating: "x", count: 1 << 20)
        #expect(try session.query("select length($1)", [.text(text)])[0, 0] == "1048576")
        proxy.cut()
        #expect(throws: PostgresFailure.self) { try session.run("select 1") }
        #expect(throws: Never.self) { try PostgresSession(address).run("select 1") }
        #expect(proxy.accepted == 2)
    }

    @Test("silent, nothing passes, and nothing is lost once it forwards again; refusing, nobody is there")
    func silentAndRefusing() throws {
        let (proxy, address) = try Self.scene()
        defer { proxy.stop() }
        let session = try PostgresSession(address)
        proxy.set(.silent)
        let answered = DispatchSemaphore(value: 0)
        nonisolated(unsafe) let lent = session
        Thread.detachNewThread {
            try? lent.run("select 1")
            answered.signal()
        }
        #expect(answered.wait(timeout: .now() + .milliseconds(200)) == .timedOut)
        proxy.set(.forwarding)
        #expect(answered.wait(timeout: .now() + .seconds(20)) == .success)
        proxy.set(.refusing)
        #expect(throws: PostgresFailure.self) { try PostgresSession(address) }
        #expect(throws: Never.self) { try session.run("select 1") }
        proxy.set(.forwarding)
        #expect(throws: Never.self) { try PostgresSession(address).run("select 1") }
    }
}
