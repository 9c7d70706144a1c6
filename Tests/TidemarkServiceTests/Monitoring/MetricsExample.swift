import Foundation
import TidemarkApp
import TidemarkCore
import TidemarkObservability

@testable import TidemarkService

/// A service of which everything is known.
enum MetricsExample {
    static let now = SourceTime("2026-11-21T20:00:05Z") ?? SourceTime(microseconds: 0)

    static var service: ServiceView {
        ServiceView(
            version: "1.2.3", instance: "db1:77:x", startedAt: "2026-11-21T19:00:00Z", configuration: "/etc/tidemark/tidemark.yaml", pipelines: 1,
            leading: 1, health: ["well": 1], isReady: true, notReadyBecause: nil)
    }

    static func pipeline(_ name: String = "shop", status fields: [String: any Sendable]? = nil) throws -> PipelineView {
        var view = PipelineView.bare(name)
        (view.health, view.activity) = (.well, .following)
        view.lastError = .init(kind: "connection", what: "the source does not answer", at: "2026-11-21T19:30:00Z")
        view.lease = .init(holder: "db1:77:x", epoch: 7, isMine: true, remainingSeconds: 8.5)
        view.status = try .example(fields ?? full)
        view.statusAt = "2026-11-21T20:00:02Z"
        (view.parkedTransactions, view.parkedChanges, view.notExactTables) = (1, 12, ["a.b", "a.c"])
        var figures = view.figures
        (figures.appliedChanges, figures.appliedBytes, figures.windows) = (1_000_000_000_000, 9_000, 40)
        (figures.lastWindowChanges, figures.lastWindowSeconds) = (25, 0.125)
        (figures.copiedRows, figures.copiedBytes, figures.takeovers) = (300, 30_000, 2)
        figures.errors = ["connection": 3, "new kind": 1]
        (figures.appliedChangesPerSecond, figures.capturedChangesPerSecond) = (1234.5, 1300)
        (figures.pendingChanges, figures.pendingTransactions, figures.pendingBytes, figures.pendingSeconds) = (70, 8, 7_000, 0.75)
        (figures.endToEndSeconds, figures.acknowledgeSeconds, figures.conflicts) = (0.25, 0.004, 5)
        figures.changesReadByOthers = 600
        view.figures = figures
        return view
    }

    static let table: [String: any Sendable] = ["table": "a.b", "copy": "done", "copiedRows": 90, "copiedBytes": 900, "expectedRows": 100]
    static let full: [String: any Sendable] = [
        "appliedID": 900, "sourceID": 970, "pendingChanges": 71, "pendingSeconds": 1.5, "appliedAt": "2026-11-21 20:00:01+00",
        "logBytes": 800, "logRows": 80, "logMaxBytes": 1000, "logFullInSeconds": 7200.0, "delaySeconds": 30, "captureStoppedAt": "2026-11-21 19:00:00+00",
        "sourceRole": "primary", "targetRole": "replica", "isTargetGuarded": false, "snapshotTakenAt": "2026-11-21 20:00:00.5+00",
        "sourceSeenAt": "2026-11-21 21:00:01+01",
        "tables": [
            table.merging(["verifiedAt": "2026-11-20T20:00:00Z", "differences": 3]) { $1 },
            table.merging(["verifiedAt": "2026-11-19T20:00:00Z", "differences": 0]) { $1 },
            table.merging(["copy": "copying", "copiedRows": 50]) { $1 },
        ],
        "polledTables": [
            [
                "table": "a.c", "mode": "full", "state": "done", "schedule": "every 1 h", "rowsDone": 5, "rowsTotal": 5, "rowsWritten": 1, "rowsDeleted": 0,
                "finishedAt": "2026-11-21T19:00:00Z", "failures": 0,
            ] as [String: any Sendable]
        ],
    ]

    static var process: ProcessFigures {
        var figures = ProcessFigures()
        (figures.startedSeconds, figures.cpuSeconds, figures.residentBytes, figures.virtualBytes) = (1_763_751_600.25, 12.5, 90_000_000, 900_000_000)
        (figures.openFiles, figures.maxFiles, figures.threads) = (40, 1024, 9)
        return figures
    }

    static func text(_ pipelines: [PipelineView]) -> String { ServiceMetrics.text(pipelines, service: service, process: process, now: now) }
}

extension PipelineView {
    /// One of which nothing is known yet.
    static func bare(_ name: String) -> PipelineView {
        PipelineView(
            name: name, health: .unknown, activity: .starting, summary: "unknown", reason: nil, onFailure: "stop", retryAt: nil, failures: 0,
            lastError: nil, lease: nil, figures: Figures(), status: nil, statusAt: nil, parkedTransactions: 0, parkedChanges: 0, notExactTables: [])
    }
}
