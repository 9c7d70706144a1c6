import Foundation
import Glibc
import Testing
import TidemarkApp
import TidemarkTestSupport

@testable import TidemarkService

/// Prometheus itself, scraping a page and evaluating the shipped rules.
@Suite("Prometheus reads it")
struct PrometheusTests {
    @Test(
        "a service's page is scraped whole, and every expression of the rules and the dashboard finds something in it",
        .enabled(if: Prometheus.server != nil && Prometheus.promtool != nil, "\(Prometheus.missing)"), .timeLimit(.minutes(2)))
    func scraped() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("prometheus-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let page = try PageServer { try MetricsExample.text([MetricsExample.pipeline(), MetricsExample.pipeline("a\"b\\c")]) }
        let address = "127.0.0.1:\(try PageServer.freePort())"
        try """
        global: { scrape_interval: 250ms, evaluation_interval: 250ms }
        rule_files: [\(MonitoringFiles.path(MonitoringFiles.alertsPath))]
        scrape_configs: [{ job_name: tidemark, static_configs: [{ targets: ["127.0.0.1:\(page.port)"] }] }]
        """.write(to: folder.appendingPathComponent("prometheus.yaml"), atomically: true, encoding: .utf8)
        let log = folder.appendingPathComponent("log")
        let server = try Shell.start(
            Prometheus.server ?? "",
            [
                "--config.file=\(folder.path)/prometheus.yaml", "--storage.tsdb.path=\(folder.path)/data", "--web.listen-address=\(address)",
            ], log: log)
        defer {
            kill(server.processIdentifier, SIGKILL)
            server.waitUntilExit()
        }
        func query(_ expression: String) -> (status: Int32, output: String) {
            Shell.run(Prometheus.promtool ?? "", ["query", "instant", "http://\(address)", expression])
        }
        // A rate needs two scrapes, and a recording rule two evaluations after them.
        let deadline = Date.now.addingTimeInterval(180)
        let isReady = #"count_over_time(tidemark_build_info[1m]) > 3 and on () count_over_time(pipeline:tidemark_late_seconds:max{pipeline="shop"}[1m]) > 3"#
        while !query(isReady).output.contains("=>") {
            guard Date.now < deadline, server.isRunning else {
                Issue.record("Prometheus has not scraped it: \((try? String(contentsOf: log, encoding: .utf8)) ?? "")")
                return
            }
            usleep(100_000)
        }
        for (panel, expression) in try MonitoringFiles.dashboardExpressions() {
            // What is there only while something is wrong.
            let isOfTrouble = expression.contains("ALERTS") || expression.hasSuffix("> 0")
            let (status, output) = query(expression)
            #expect(status == 0 && (isOfTrouble || output.contains("=>")), "\(panel): \(expression): \(output)")
        }
        let pending = query(#"ALERTS{alertname="TidemarkReplicaWritable"}"#).output
        #expect(pending.contains(#"pipeline="shop""#), "\(pending)")
        #expect(query("count(count by (__name__) ({job=\"tidemark\", __name__=~\"tidemark_.+\"}))").status == 0)
        #expect(query(#"up{job="tidemark"} == 1"#).output.contains("=>"))
        #expect(query(#"tidemark_pipeline_health{pipeline="a\"b\\c", health="well"} == 1"#).output.contains("=>"))
        #expect(!query("prometheus_rule_evaluation_failures_total > 0").output.contains("=>"))
    }
}

/// Answers every request with a page, one after the other.
private final class PageServer: Sendable {
    let port: UInt16
    private let socket: Int32

    init(_ page: @escaping @Sendable () throws -> String) throws {
        (socket, port) = try Self.listen()
        let socket = socket
        let thread = Thread {
            while true {
                let connection = accept(socket, nil, nil)
                guard connection >= 0 else { return }
                var request = [UInt8](repeating: 0, count: 4096)
                _ = read(connection, &request, request.count)
                let body = (try? page()) ?? ""
                let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: \(body.utf8.count)\r\nConnection: close\r\n\r\n\(body)"
                _ = answer.utf8.withContiguousStorageIfAvailable { write(connection, $0.baseAddress, $0.count) }
                close(connection)
            }
        }
        thread.start()
    }

    deinit {
        shutdown(socket, Int32(SHUT_RDWR))
        close(socket)
    }

    static func freePort() throws -> UInt16 {
        let (socket, port) = try listen()
        close(socket)
        return port
    }

    private static func listen() throws -> (Int32, UInt16) {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(socket, pointer, length) == 0 && Glibc.listen(socket, 16) == 0 && getsockname(socket, pointer, &length) == 0
            }
        }
        guard status else { throw POSIXError(.EADDRINUSE) }
        return (socket, UInt16(bigEndian: address.sin_port))
    }
}
