import Foundation
import Yams

/// What is shipped for those who watch tidemark.
enum MonitoringFiles {
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
    static let alertsPath = "deploy/prometheus/alerts.yaml"
    static let alertTestsPath = "deploy/prometheus/alerts-test.yaml"
    static let scrapePath = "deploy/prometheus/prometheus.yaml"
    static let dashboardPath = "deploy/grafana/tidemark.json"
    static let documentPath = "Sources/TidemarkApp/Documentation.docc/Monitoring.md"

    static func path(_ file: String) -> String { root.appendingPathComponent(file).path }
    static func text(_ file: String) throws -> String { try String(contentsOfFile: path(file), encoding: .utf8) }

    struct Rules: Decodable {
        var groups: [Group]

        struct Group: Decodable {
            var name: String
            var rules: [Rule]
        }

        struct Rule: Decodable {
            var alert: String?
            var record: String?
            var expr: String
            var `for`: String?
            var labels: [String: String]?
            var annotations: [String: String]?
        }
    }

    static func rules() throws -> [Rules.Rule] { try YAMLDecoder().decode(Rules.self, from: text(alertsPath)).groups.flatMap(\.rules) }
    static func alerts() throws -> [Rules.Rule] { try rules().filter { $0.alert != nil } }
    static func records() throws -> Set<String> { Set(try rules().compactMap(\.record)) }

    struct Dashboard: Decodable {
        var schemaVersion: Int
        var uid: String
        var panels: [Panel]
        var templating: Templating

        struct Panel: Decodable {
            var id: Int
            var type: String
            var title: String
            var gridPos: Place
            var targets: [Target]?
            var datasource: Source?
        }

        struct Place: Decodable {
            var x: Int
            var y: Int
            var w: Int
            var h: Int
        }

        struct Source: Decodable { var uid: String }

        struct Target: Decodable {
            var expr: String
            var legendFormat: String
            var refId: String
            var datasource: Source
        }

        struct Templating: Decodable { var list: [Variable] }

        struct Variable: Decodable {
            var name: String
            var type: String
            var definition: String?
        }
    }

    static func dashboard() throws -> Dashboard { try JSONDecoder().decode(Dashboard.self, from: Data(text(dashboardPath).utf8)) }

    /// The dashboard's expressions as Grafana sends them, for all pipelines.
    static func dashboardExpressions() throws -> [(panel: String, expression: String)] {
        try dashboard().panels.flatMap { panel in
            (panel.targets ?? []).map { (panel.title, $0.expr.replacing("$__rate_interval", with: "1m").replacing("$pipeline", with: ".*")) }
        }
    }
}

/// Prometheus's own programs.
enum Prometheus {
    static let promtool = found("promtool")
    static let server = found("prometheus")
    static let missing = "promtool is not installed; apt-get install prometheus brings it"

    private static func found(_ program: String) -> String? {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        return folders.map { "\($0)/\(program)" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }
}
