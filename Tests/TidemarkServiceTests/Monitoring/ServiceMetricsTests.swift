import Foundation
import Testing
import TidemarkApp
import TidemarkObservability

@testable import TidemarkService

@Suite("What the service tells Prometheus")
struct ServiceMetricsTests {
    private func value(_ page: ScrapedPage, _ metric: Metric, _ labels: String...) -> String? {
        page.values[.init(name: metric.name, labels: Dictionary(uniqueKeysWithValues: zip(metric.labels, labels.map { Array($0.utf8) })))]
    }

    @Test("all that the catalog names is told of a service of which all is known, and nothing else")
    func complete() throws {
        let page = try ScrapedPage(MetricsExample.text([MetricsExample.pipeline()]))
        #expect(Set(page.families) == Set(MetricCatalog.all.map(\.name)) && page.families.count == MetricCatalog.all.count)
        for metric in MetricCatalog.all {
            #expect(page.types[metric.name] == metric.kind.rawValue && page.helps[metric.name] == metric.help)
            for series in page.values.keys where series.name == metric.name { #expect(Set(series.labels.keys) == Set(metric.labels), "\(series)") }
        }
    }

    @Test("figures arrive as they are")
    func figures() throws {
        let page = try ScrapedPage(MetricsExample.text([MetricsExample.pipeline()]))
        let expected: [(Metric, String)] = [
            (MetricCatalog.statusAge, "3"), (MetricCatalog.lagChanges, "70"), (MetricCatalog.lagSeconds, "0.75"), (MetricCatalog.delay, "30"),
            (MetricCatalog.appliedChanges, "1000000000000"), (MetricCatalog.lastWindowSeconds, "0.125"), (MetricCatalog.endToEnd, "0.25"),
            (MetricCatalog.parkedTransactions, "1"), (MetricCatalog.parkedChanges, "12"), (MetricCatalog.notExact, "2"), (MetricCatalog.conflicts, "5"), (MetricCatalog.guarded, "0"),
            (MetricCatalog.logFullIn, "7200"), (MetricCatalog.captureStopped, "1"), (MetricCatalog.givenUp, "0"), (MetricCatalog.tables, "3"),
            (MetricCatalog.tablesProven, "2"), (MetricCatalog.tablesDiffering, "1"), (MetricCatalog.rowsDiffering, "3"), (MetricCatalog.leaseEpoch, "7"),
            (MetricCatalog.leaseHeld, "1"), (MetricCatalog.copyProgress, "\(250.0 / 300)"),
        ]
        for (metric, text) in expected { #expect(value(page, metric, "shop") == text, "\(metric.name)") }
        #expect(value(page, MetricCatalog.health, "shop", "well") == "1" && value(page, MetricCatalog.health, "shop", "failed") == "0")
        #expect(value(page, MetricCatalog.copyTables, "shop", "copying") == "1" && value(page, MetricCatalog.role, "shop", "target", "replica") == "1")
        #expect(value(page, MetricCatalog.errors, "shop", "connection") == "3" && value(page, MetricCatalog.errors, "shop", "new kind") == "1")
        #expect(value(page, MetricCatalog.errors, "shop", "data") == "0")
        // 2026-11-19T20:00:00Z; and 21:00:01 at an hour east, which is 20:00:01.
        #expect(value(page, MetricCatalog.oldestProof, "shop") == "1795118400" && value(page, MetricCatalog.sourceSeen, "shop") == "1795291201")
        #expect(value(page, MetricCatalog.snapshotTaken, "shop") == "1795291200.5")
    }

    @Test("what is not known is absent, and never 0")
    func unknown() throws {
        let page = try ScrapedPage(
            ServiceMetrics.text([.bare("new")], service: MetricsExample.service, process: ProcessFigures(), now: MetricsExample.now))
        let absent: [Metric] = [
            MetricCatalog.state, MetricCatalog.statusAge, MetricCatalog.lagChanges, MetricCatalog.lagSeconds, MetricCatalog.lagBytes, MetricCatalog.delay,
            MetricCatalog.endToEnd, MetricCatalog.lastWindowSeconds, MetricCatalog.lastWindowChanges, MetricCatalog.logBytes, MetricCatalog.captureStopped,
            MetricCatalog.givenUp, MetricCatalog.tables, MetricCatalog.oldestProof, MetricCatalog.tablesDiffering, MetricCatalog.guarded,
            MetricCatalog.leaseHeld, MetricCatalog.leaseEpoch, MetricCatalog.processResident, MetricCatalog.processStart, MetricCatalog.lastError,
        ]
        for metric in absent { #expect(!page.families.contains(metric.name), "\(metric.name)") }
        #expect(value(page, MetricCatalog.health, "new", "unknown") == "1" && value(page, MetricCatalog.errors, "new", "conflict") == "0")
    }

    @Test("a source that does not answer has not said that capture goes on; a log without a cap has none")
    func halfKnown() throws {
        let silent = try MetricsExample.pipeline(status: ["state": "unreachable"])
        let page = try ScrapedPage(MetricsExample.text([silent]))
        #expect(value(page, MetricCatalog.state, "shop", "unreachable") == "1" && value(page, MetricCatalog.state, "shop", "current") == "0")
        for metric in [MetricCatalog.captureStopped, MetricCatalog.givenUp, MetricCatalog.logMaxBytes, MetricCatalog.tablesProven] {
            #expect(!page.families.contains(metric.name), "\(metric.name)")
        }
        let uncapped = try ScrapedPage(MetricsExample.text([MetricsExample.pipeline(status: ["logBytes": 5])]))
        // Rules subtract the delay: without one that is known to be none they would see nothing.
        #expect(value(uncapped, MetricCatalog.delay, "shop") == "0")
        #expect(value(uncapped, MetricCatalog.logBytes, "shop") == "5" && !uncapped.families.contains(MetricCatalog.logMaxBytes.name))
    }

    @Test("where nothing waits, nothing is late; a copy is whole only once it is")
    func edges() throws {
        var idle = try MetricsExample.pipeline()
        (idle.figures.pendingChanges, idle.figures.pendingSeconds) = (0, nil)
        idle.statusAt = "2026-11-21T20:00:30Z"
        let page = try ScrapedPage(MetricsExample.text([idle]))
        #expect(value(page, MetricCatalog.lagSeconds, "shop") == "0")
        #expect(value(page, MetricCatalog.statusAge, "shop") == "0")
        func progress(_ tables: [[String: any Sendable]]) throws -> Double {
            ServiceMetrics.copyProgress(try StatusReport.example(["tables": tables]).tables)
        }
        let (done, waiting) = (MetricsExample.table, MetricsExample.table.merging(["copy": "waiting", "copiedRows": 0, "expectedRows": 0]) { $1 })
        #expect(try progress([done]) == 1 && progress([waiting]) == 0)
        let underestimated = MetricsExample.table.merging(["copy": "copying", "copiedRows": 5_000]) { $1 }
        #expect(try progress([underestimated]) == 0.99)
    }

    @Test("promtool finds nothing to say about it", .enabled(if: Prometheus.promtool != nil, "\(Prometheus.missing)"))
    func promtool() throws {
        let names = ["shop", "a\"b\\c\nd", "ünïcode é", ""]
        let text = MetricsExample.text(try names.map { try MetricsExample.pipeline($0) } + [.bare("new")])
        let (status, output) = try Prometheus.checkMetrics(text, Prometheus.promtool ?? "")
        #expect(status == 0 && output.isEmpty, "\(output)")
    }
}
