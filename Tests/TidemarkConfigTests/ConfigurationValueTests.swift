import Foundation
import Testing
import TidemarkCore

@testable import TidemarkConfig

/// What a configuration means.
@Suite("Values of a configuration")
struct ConfigurationValueTests {
    @Test("every key of a pipeline arrives")
    func pipelineKeys() throws {
        let entry = try loaded(
            """
            pipelines:
              shop:
                source: postgresql://db1/shop
                target: sqlite:/b
                tables: [public.*, audit.log]
                exclude: public.tmp
                capture: statement
                image: both
                require-key: yes
                capture-replica-role: true
                role: replica
                retain: 24h
                max-log-size: 20GB
                at-max-log-size: drop
                create: on
                existing: merge
                verify: continuously
                max-rate: 20000
                jobs: 8
                on-failure: set-aside
                wait: hybrid
                wait-tables: [public.payment, audit.*]
            """).pipelines[0]
        #expect(entry.name == "shop" && entry.source == "postgresql://db1/shop" && entry.target == "sqlite:/b")
        #expect(entry.tables == ["public.*", "audit.log"] && entry.exclude == ["public.tmp"])
        #expect(entry.capture == .statement && entry.images == .both && entry.requiresKey == true && entry.capturesReplicaRole == true)
        #expect(entry.role == .replica && entry.retention == .seconds(86400) && entry.logLimit == LogLimitRequest(maxBytes: 20 << 30, policy: .drop))
        #expect(entry.run.creates == true && entry.run.existing == .merge && entry.run.verify == .continuously && entry.run.maxRate == 20000)
        #expect(entry.wait == .hybrid && entry.waitTables == ["public.payment", "audit.*"])
        #expect(entry.run.jobs == 8 && entry.failurePolicy == .setAside && entry.delay == nil)
    }

    @Test("defaults hold for every pipeline that says nothing else")
    func defaults() throws {
        let pipelines = try loaded(
            """
            defaults: {jobs: 4, on-failure: retry, verify: continuously, tables: [a.*], delay: 0}
            pipelines:
              a: {source: 'sqlite:/a', target: 'sqlite:/b'}
              b: {source: 'sqlite:/c', target: 'sqlite:/d', jobs: 1, verify: never, delay: 5m}
            """).pipelines
        #expect(pipelines[0].run.jobs == 4 && pipelines[0].failurePolicy == .retry && pipelines[0].tables == ["a.*"] && pipelines[0].name == "a")
        #expect(pipelines[1].run.jobs == 1 && pipelines[1].run.verify == .never && pipelines[1].delay == StreamDelay(seconds: 300))
    }

    @Test("a pipeline's own way of waiting takes no tables from the defaults, and needs some for hybrid")
    func waiting() throws {
        let pipelines = try loaded(
            """
            defaults: {wait: hybrid, wait-tables: [a.x]}
            pipelines:
              a: {source: 'sqlite:/a', target: 'sqlite:/b'}
              b: {source: 'sqlite:/c', target: 'sqlite:/d', wait: synchronous}
              c: {source: 'sqlite:/e', target: 'sqlite:/f', wait-tables: b.y}
            """).pipelines
        #expect(pipelines.map(\.wait) == [.hybrid, .synchronous, .hybrid] && pipelines.map(\.waitTables) == [["a.x"], nil, ["b.y"]])
    }

    @Test("every key of the service arrives")
    func serviceKeys() throws {
        let certificate = try scratchFile("c".utf8), key = try scratchFile("k".utf8), token = try scratchFile("filetokenfiletoken\n".utf8)
        let settings = try loaded(
            """
            service:
              listen: "[::]:9000"
              tls: {certificate: \(certificate), key: \(key)}
              tokens:
                - {name: grafana, role: read, token-file: \(token)}
                - {name: ops, role: admin, token-env: OPS}
                - {name: ci, role: operate, token: "literal-${PART}-token"}
              state: /var/lib/tidemark
              audit-log: audit.log
              log: json
              log-level: debug
              status-every: 1m
              lease: 30s
              heartbeat: off
              stop-within: 1m
            pipelines: {a: {source: 'sqlite:/a', target: 'sqlite:/b'}}
            """, environment: ["OPS": "envtokenenvtoken", "PART": "x"], path: "/etc/tidemark/t.yaml"
        ).service
        #expect(settings.listen == ServiceSettings.ListenAddress(host: "::", port: 9000) && settings.tls == ServiceSettings.TLSFiles(certificate: certificate, key: key))
        #expect(settings.tokens.map(\.secret.text) == ["filetokenfiletoken", "envtokenenvtoken", "literal-x-token"])
        #expect(settings.tokens.map(\.role) == [.read, .admin, .operate] && settings.tokens.map(\.name) == ["grafana", "ops", "ci"])
        #expect(settings.stateDirectory == "/var/lib/tidemark" && settings.auditLog == "/etc/tidemark/audit.log")
        #expect(settings.logFormat == .json && settings.logLevel == "debug" && settings.statusEveryMs == 60_000 && settings.leaseMs == 30_000 && settings.heartbeatEveryMs == 0)
        #expect(settings.stopWithinMs == 60_000 && ServiceSettings().stopWithinMs == 20_000)
    }

    @Test("what has changed between two loads")
    func change() throws {
        func text(_ service: String, _ pipelines: [(String, String)]) -> String {
            "service: {\(service)}\npipelines:\n" + pipelines.map { "  \($0.0): {source: 'sqlite:/\($0.1)', target: 'sqlite:/t'}\n" }.joined()
        }
        let old = try loaded(text("log-level: info, lease: 10s", [("a", "1"), ("b", "2"), ("c", "3")]))
        let new = try loaded(text("log-level: debug, lease: 20s, listen: none, heartbeat: off, stop-within: 5s", [("d", "4"), ("b", "9"), ("a", "1")]))
        let change = ConfigurationChange(from: old, to: new)
        #expect(change.added == ["d"] && change.removed == ["c"] && change.changed == ["b"] && change.unchanged == ["a"])
        #expect(change.live == ["log-level", "heartbeat", "stop-within"] && change.needsRestart == ["listen", "lease"])
        #expect(ConfigurationChange(from: old, to: old).isNone && !change.isNone)
    }
}
