import Foundation
import Logging
import TidemarkConfig
import TidemarkCore
import TidemarkHTTP
import TidemarkTestSupport
import Testing

@Suite("TLS", .ownThreads)
struct TLSTests {
    /// A folder with certificates that openssl makes.
    private struct Authority {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tidemark-tls-\(UUID().uuidString)")

        init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
        func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

        func certificate(_ name: String) throws -> ServiceSettings.TLSFiles {
            let made = Shell.run(
                "/usr/bin/env",
                [
                    "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=\(name)",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", path("\(name).key"), "-out", path("\(name).pem"),
                ])
            try #require(made.status == 0, "\(made.output)")
            return .init(certificate: path("\(name).pem"), key: path("\(name).key"))
        }
    }

    private static func get(_ port: Int, authority: String, _ options: String = "") async throws -> String {
        try await Client.blocking {
            Shell.run(
                "/bin/sh",
                [
                    "-c",
                    "printf 'GET /health HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' | "
                        + "timeout -s KILL 30 openssl s_client -ign_eof -connect 127.0.0.1:\(port) -servername localhost -CAfile \(authority) -verify_return_error \(options)",
                ]
            ).output
        }
    }

    @Test("speaks TLS 1.2 and later, and takes another certificate while it runs")
    func serves() async throws {
        let authority = try Authority()
        defer { try? FileManager.default.removeItem(at: authority.folder) }
        let (first, second) = (try authority.certificate("first"), try authority.certificate("second"))
        var settings = RunningServer.settings()
        settings.tls = first
        try await RunningServer.with(settings) { [settings] running in
            #expect(try await Self.get(running.port, authority: first.certificate).contains(#"{"status":"ok"}"#))
            #expect(try await Self.get(running.port, authority: first.certificate, "-tls1_2").contains(#"{"status":"ok"}"#))
            #expect(try await !Self.get(running.port, authority: first.certificate, "-tls1_1 -cipher DEFAULT@SECLEVEL=0").contains("HTTP/1.1 200"))
            var renewed = settings
            renewed.tls = second
            try running.server.reload(renewed)
            #expect(try await Self.get(running.port, authority: second.certificate).contains(#"{"status":"ok"}"#))
            #expect(try await !Self.get(running.port, authority: first.certificate).contains("HTTP/1.1 200"))
            // One that cannot be used leaves the one that is.
            renewed.tls = .init(certificate: second.certificate, key: first.key)
            #expect(throws: TidemarkError.self) { try running.server.reload(renewed) }
            #expect(try await Self.get(running.port, authority: second.certificate).contains(#"{"status":"ok"}"#))
            // Who speaks no TLS gets nothing.
            #expect(try await running.anonymous.exchange(Array("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)).starts(with: Array("HTTP".utf8)) == false)
        }
    }

    @Test("says which file cannot be used, and why")
    func refusals() throws {
        let authority = try Authority()
        defer { try? FileManager.default.removeItem(at: authority.folder) }
        let (first, second) = (try authority.certificate("first"), try authority.certificate("second"))
        try Data("nonsense".utf8).write(to: URL(fileURLWithPath: authority.path("text")))
        func refusal(_ certificate: String, _ key: String) throws -> TidemarkError {
            var settings = RunningServer.settings()
            settings.tls = .init(certificate: certificate, key: key)
            return try #require(throws: TidemarkError.self) {
                _ = try AdminServer(controlPlane: SimulatedControlPlane(), settings: settings, log: Logger(label: "test"))
            }
        }
        #expect(try refusal(authority.path("none"), first.key).description.contains("no such file"))
        #expect(try refusal(authority.path("text"), first.key).why.contains("not in PEM form"))
        #expect(try refusal(first.certificate, authority.path("text")).what.contains("The key"))
        #expect(try refusal(first.certificate, second.key).why.contains("is not that of the certificate"))
    }
}
