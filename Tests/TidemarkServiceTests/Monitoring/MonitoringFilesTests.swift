import Foundation
import Testing
import TidemarkApp
import TidemarkObservability
import TidemarkTestSupport

@testable import TidemarkService

@Suite("Alert rules, dashboard and documentation say nothing that is not there")
struct MonitoringFilesTests {
    /// What Prometheus adds to each series that it scrapes.
    private static let scraped: Set = ["job", "instance"]
    /// The labels whose values are words of ours, with all of them: a word that does not exist would be an alert that never fires.
    private static let values: [String: [String]] = [
        "health": PipelineView.Health.allCases.map(\.rawValue), "activity": PipelineView.Activity.allCases.map(\.rawValue),
        "kind": ServiceMetrics.errorKinds, "side": ["source", "target"],
    ]
    private static let states = [
        MetricCatalog.state.name: StatusReport.State.allCases.map(\.rawValue), MetricCatalog.copyTables.name: ["waiting", "copying", "done"],
    ]

    private func check(_ expression: String, in place: String) throws {
        let labels = Dictionary(uniqueKeysWithValues: MetricCatalog.all.map { ($0.name, Set($0.labels)) })
        let records = try MonitoringFiles.records()
        let read = try PromQL(expression)
        #expect(!read.selectors.isEmpty, "\(place): \(expression)")
        var known = Self.scraped
        for selector in read.selectors {
            let own: Set<String>
            if let found = labels[selector.metric] {
                own = found.union(Self.scraped)
            } else if records.contains(selector.metric) {
                own = ["job", "pipeline"]
            } else if selector.metric == "up" {
                own = Self.scraped
            } else if selector.metric == "ALERTS" {
                own = ["alertname", "alertstate", "severity"]
            } else {
                Issue.record("\(place): there is no metric \(selector.metric)")
                continue
            }
            known.formUnion(own)
            for matcher in selector.matchers {
                #expect(own.contains(matcher.label), "\(place): \(selector.metric) has no label \(matcher.label)")
                guard let words = matcher.label == "state" ? Self.states[selector.metric] : Self.values[matcher.label] else { continue }
                for word in matcher.isPattern ? matcher.value.split(separator: "|").map(String.init) : [matcher.value] {
                    #expect(words.contains(word), "\(place): \(matcher.label) is never \(word)")
                }
            }
        }
        for label in read.grouping { #expect(known.contains(label), "\(place): nothing in it has a label \(label)") }
    }

    @Test("every metric, label and word in a rule exists")
    func rules() throws {
        let rules = try MonitoringFiles.rules()
        #expect(rules.count > 20)
        for rule in rules { try check(rule.expr, in: rule.alert ?? rule.record ?? "?") }
    }

    @Test("every metric, label and word in the dashboard exists, and every legend names a label that is there")
    func dashboard() throws {
        for (panel, expression) in try MonitoringFiles.dashboardExpressions() where !expression.contains("label_values") {
            try check(expression, in: panel)
        }
        for panel in try MonitoringFiles.dashboard().panels {
            for target in panel.targets ?? [] {
                let read = try PromQL(target.expr)
                for legend in target.legendFormat.matches(of: /\{\{(\w+)\}\}/) {
                    let isThere = read.grouping.contains(String(legend.1)) || (read.grouping.isEmpty && legend.1 == "instance")
                    #expect(isThere, "\(panel.title): \(legend.0)")
                }
            }
        }
    }

    @Test("the dashboard's panels lie beside each other, ask the data source that was chosen, and follow the choice of pipelines")
    func panels() throws {
        let dashboard = try MonitoringFiles.dashboard()
        #expect(dashboard.schemaVersion >= 39 && dashboard.uid == "tidemark")
        #expect(dashboard.templating.list.map(\.name) == ["datasource", "pipeline"])
        #expect(Set(dashboard.panels.map(\.id)).count == dashboard.panels.count)
        var taken: Set<[Int]> = []
        for panel in dashboard.panels {
            let place = panel.gridPos
            #expect(place.x + place.w <= 24 && place.w > 0 && place.h > 0, "\(panel.title)")
            for x in place.x..<(place.x + place.w) {
                for y in place.y..<(place.y + place.h) { #expect(taken.insert([x, y]).inserted, "\(panel.title) lies on another panel") }
            }
            guard panel.type != "row" else { continue }
            #expect(panel.datasource?.uid == "${datasource}" && panel.targets?.isEmpty == false, "\(panel.title)")
            #expect(Set((panel.targets ?? []).map(\.refId)).count == panel.targets?.count, "\(panel.title)")
            for target in panel.targets ?? [] {
                #expect(target.datasource.uid == "${datasource}", "\(panel.title)")
                for selector in try PromQL(target.expr).selectors where selector.metric.hasPrefix("tidemark_pipeline_") {
                    let isChosen = selector.matchers.contains { $0.label == "pipeline" && $0.value == "$pipeline" && $0.isPattern }
                    #expect(isChosen, "\(panel.title): \(selector.metric) of all pipelines")
                }
            }
        }
    }

    @Test("every alert has a severity, waits for a moment, says what to type, and leads to its runbook")
    func alerts() throws {
        let document = try MonitoringFiles.text(MonitoringFiles.documentPath)
        let alerts = try MonitoringFiles.alerts()
        let names = alerts.compactMap(\.alert)
        #expect(Set(names).count == names.count)
        for alert in alerts {
            let name = alert.alert ?? ""
            #expect(alert.for != nil && ["critical", "warning", "info"].contains(alert.labels?["severity"]), "\(name)")
            let (summary, description) = (alert.annotations?["summary"] ?? "", alert.annotations?["description"] ?? "")
            #expect(summary.contains("{{") && !summary.hasSuffix("."), "\(name): \(summary)")
            #expect(["tidemark ", "journalctl ", "curl ", "systemctl "].contains(where: description.contains), "\(name) says nothing to type")
            #expect(alert.annotations?["runbook"] == "\(MonitoringFiles.documentPath)#\(name.lowercased())")
            #expect(document.contains("\n### \(name)\n"), "\(name) has no runbook")
        }
        let headings = document.matches(of: /\n### (Tidemark\w+)/).map { String($0.1) }
        #expect(Set(headings) == Set(names))
    }

    @Test("the documentation's table is the catalog")
    func table() throws {
        let document = try MonitoringFiles.text(MonitoringFiles.documentPath)
        let rows = document.split(separator: "\n").filter { $0.hasPrefix("| `tidemark_") || $0.hasPrefix("| `process_") }.map(String.init)
        let expected = MetricCatalog.all.map { metric in
            "| `\(metric.name)` | \(metric.kind.rawValue) | \(metric.labels.joined(separator: ", ")) | \(metric.help) |".replacing("|  |", with: "| |")
        }
        #expect(rows == expected, "what belongs there:\n\(expected.joined(separator: "\n"))")
    }

    @Test("what alerts and runbooks say to type, the program knows")
    func commands() throws {
        let texts = try MonitoringFiles.alerts().compactMap { $0.annotations?["description"] } + [MonitoringFiles.text(MonitoringFiles.documentPath)]
        let options = /tidemark (?<command>[a-z][a-z-]+)(?<flags>(?: --[a-z-]+(?: (?!tidemark)[a-z]+)?)*)/
        var helps: [String: String] = [:]
        // A unit is called tidemark, too.
        let plain = texts.map { $0.replacing("{{ $labels.pipeline }}", with: "shop").replacing(/(-u|systemctl [a-z]+) tidemark/, with: "") }
        for match in plain.flatMap({ $0.matches(of: options) }) {
            let command = String(match.command)
            let help = helps[command] ?? Shell.run(Shell.tidemark, ["help", command]).output
            helps[command] = help
            #expect(help.contains("USAGE: tidemark \(command)"), "there is no tidemark \(command)")
            for flag in match.flags.matches(of: /--[a-z-]+/) { #expect(help.contains(String(flag.0)), "tidemark \(command) has no \(flag.0)") }
        }
        #expect(helps.count > 6)
    }

    @Test("every alert has a unit test in which it fires")
    func alertsAreTested() throws {
        let tests = try MonitoringFiles.text(MonitoringFiles.alertTestsPath)
        for alert in try MonitoringFiles.alerts() {
            #expect(tests.contains("ALERTS{alertname=\"\(alert.alert ?? "")\", alertstate=\"firing\""), "\(alert.alert ?? "")")
        }
    }

    @Test(
        "promtool takes the rules and the example configuration", .enabled(if: Prometheus.promtool != nil, "\(Prometheus.missing)"),
        arguments: [["check", "rules", MonitoringFiles.alertsPath], ["check", "config", MonitoringFiles.scrapePath]])
    func checked(arguments: [String]) {
        let (status, output) = Shell.run(Prometheus.promtool ?? "", arguments.dropLast() + [MonitoringFiles.path(arguments.last ?? "")])
        #expect(status == 0 && output.contains("SUCCESS") && !output.lowercased().contains("warning"), "\(output)")
    }

    @Test(
        "every alert fires where it has to, and is silent where not", .enabled(if: Prometheus.promtool != nil, "\(Prometheus.missing)"))
    func unitTests() {
        let (status, output) = Shell.run(Prometheus.promtool ?? "", ["test", "rules", MonitoringFiles.path(MonitoringFiles.alertTestsPath)])
        #expect(status == 0 && output.contains("SUCCESS"), "\(output)")
    }

    @Test("the reader of expressions finds what they name")
    func reader() throws {
        let read = try PromQL(
            #"sum by (job, kind) (increase(a_total{kind=~"x|y", job!="z"}[15m])) / on (job) group_left (version) max(b:c:rate5m) > 3 * 1e3 unless d{} or vector(0)"#)
        #expect(read.selectors.map(\.metric) == ["a_total", "b:c:rate5m", "d"])
        #expect(read.selectors.first?.matchers == [.init(label: "kind", isPattern: true, value: "x|y"), .init(label: "job", isPattern: false, value: "z")])
        #expect(read.grouping == ["job", "kind", "job", "version"] && read.functions == ["sum", "increase", "max", "vector"])
        #expect(throws: PromQL.Wrong.self) { try PromQL(#"a{kind="x}"#) }
        #expect(throws: PromQL.Wrong.self) { try PromQL(#"{kind="x"}"#) }
    }
}
