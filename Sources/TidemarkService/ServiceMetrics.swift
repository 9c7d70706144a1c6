import TidemarkApp
package import TidemarkCore
package import TidemarkObservability

/// What the service knows, as Prometheus reads it. What is not known is absent: a 0 would be a statement.
package enum ServiceMetrics {
    /// Counted from 0 on, so that the first of a kind is seen as a rise.
    static let errorKinds = ["connection", "conflict", "data", "configuration", "rights", "source", "target", "other"]

    package static func text(_ pipelines: [PipelineView], service: ServiceView, process: ProcessFigures, now: SourceTime) -> String {
        var out = Exposition()
        out.add(MetricCatalog.build, 1.0, service.version)
        out.add(MetricCatalog.ready, service.isReady.figure)
        out.add(MetricCatalog.pipelines, Int64(service.pipelines))
        out.add(MetricCatalog.leading, Int64(service.leading))
        out.add(MetricCatalog.processStart, process.startedSeconds)
        out.add(MetricCatalog.processCPU, process.cpuSeconds)
        out.add(MetricCatalog.processResident, process.residentBytes)
        out.add(MetricCatalog.processVirtual, process.virtualBytes)
        out.add(MetricCatalog.processFiles, process.openFiles)
        out.add(MetricCatalog.processMaxFiles, process.maxFiles)
        out.add(MetricCatalog.processThreads, process.threads)
        for pipeline in pipelines {
            addStanding(of: pipeline, at: now, to: &out)
            addFigures(of: pipeline, to: &out)
            addErrors(of: pipeline, to: &out)
            addLease(of: pipeline, to: &out)
            guard let status = pipeline.status else { continue }
            addStatus(status, of: pipeline, to: &out)
            addTables(status.tables, of: pipeline.name, to: &out)
            for table in status.polledTables ?? [] {
                out.add(MetricCatalog.polledAt, table.finishedAt.seconds, pipeline.name, table.table, table.mode)
                out.add(MetricCatalog.polledFailures, Int64(table.failures), pipeline.name, table.table, table.mode)
            }
        }
        return out.text
    }

    private static func addStanding(of view: PipelineView, at now: SourceTime, to out: inout Exposition) {
        let name = view.name
        for health in PipelineView.Health.allCases { out.add(MetricCatalog.health, (view.health == health).figure, name, health.rawValue) }
        for activity in PipelineView.Activity.allCases {
            out.add(MetricCatalog.activity, (view.activity == activity).figure, name, activity.rawValue)
        }
        // A clock that was put back makes nothing younger than now.
        out.add(MetricCatalog.statusAge, view.statusAt.seconds.map { max(0, Double(now.microseconds) / 1_000_000 - $0) }, name)
    }

    private static func addFigures(of view: PipelineView, to out: inout Exposition) {
        let (name, figures, status) = (view.name, view.figures, view.status)
        let changes = figures.pendingChanges ?? status?.pendingChanges
        out.add(MetricCatalog.lagChanges, changes, name)
        out.add(MetricCatalog.lagTransactions, figures.pendingTransactions, name)
        out.add(MetricCatalog.lagBytes, figures.pendingBytes, name)
        out.add(MetricCatalog.lagSeconds, changes == 0 ? 0 : figures.pendingSeconds ?? status?.pendingSeconds, name)
        out.add(MetricCatalog.endToEnd, figures.endToEndSeconds, name)
        out.add(MetricCatalog.appliedChanges, figures.appliedChanges, name)
        out.add(MetricCatalog.appliedBytes, figures.appliedBytes, name)
        out.add(MetricCatalog.readByOthers, figures.changesReadByOthers, name)
        out.add(MetricCatalog.windows, figures.windows, name)
        // Before the first window there is no last one.
        let hasWindow = figures.windows > 0
        out.add(MetricCatalog.lastWindowChanges, hasWindow ? figures.lastWindowChanges : nil, name)
        out.add(MetricCatalog.lastWindowSeconds, hasWindow ? figures.lastWindowSeconds : nil, name)
        out.add(MetricCatalog.acknowledge, figures.acknowledgeSeconds, name)
        out.add(MetricCatalog.applyRate, figures.appliedChangesPerSecond, name)
        out.add(MetricCatalog.captureRate, figures.capturedChangesPerSecond, name)
        out.add(MetricCatalog.copiedRows, figures.copiedRows, name)
        out.add(MetricCatalog.copiedBytes, figures.copiedBytes, name)
    }

    private static func addErrors(of view: PipelineView, to out: inout Exposition) {
        let others = view.figures.errors.keys.filter { !errorKinds.contains($0) }.sorted()
        for kind in errorKinds + others { out.add(MetricCatalog.errors, view.figures.errors[kind] ?? 0, view.name, kind) }
        out.add(MetricCatalog.failures, Int64(view.failures), view.name)
        out.add(MetricCatalog.lastError, (view.lastError?.at).seconds, view.name)
        out.add(MetricCatalog.parkedTransactions, view.parkedTransactions, view.name)
        out.add(MetricCatalog.parkedChanges, view.parkedChanges, view.name)
        out.add(MetricCatalog.notExact, Int64(view.notExactTables.count), view.name)
        out.add(MetricCatalog.conflicts, view.figures.conflicts, view.name)
    }

    private static func addLease(of view: PipelineView, to out: inout Exposition) {
        out.add(MetricCatalog.takeovers, view.figures.takeovers, view.name)
        guard let lease = view.lease else { return }
        out.add(MetricCatalog.leaseHeld, lease.isMine.figure, view.name)
        out.add(MetricCatalog.leaseEpoch, lease.epoch, view.name)
        out.add(MetricCatalog.leaseRemaining, lease.remainingSeconds, view.name)
    }

    private static func addStatus(_ status: StatusReport, of view: PipelineView, to out: inout Exposition) {
        let name = view.name
        for state in StatusReport.State.allCases { out.add(MetricCatalog.state, (status.state == state).figure, name, state.rawValue) }
        out.add(MetricCatalog.info, 1.0, name, status.source, status.target, view.onFailure)
        out.add(MetricCatalog.delay, status.delaySeconds ?? 0, name)
        out.add(MetricCatalog.appliedID, status.appliedID, name)
        out.add(MetricCatalog.sourceID, status.sourceID, name)
        out.add(MetricCatalog.appliedAt, status.appliedAt.seconds, name)
        out.add(MetricCatalog.snapshotTaken, status.snapshotTakenAt.seconds, name)
        out.add(MetricCatalog.sourceSeen, status.sourceSeenAt.seconds, name)
        for (side, role) in [("source", status.sourceRole), ("target", status.targetRole)] {
            if let role { out.add(MetricCatalog.role, 1.0, name, side, role) }
        }
        out.add(MetricCatalog.guarded, status.isTargetGuarded?.figure, name)
        // A source that did not answer has not said either that nothing was stopped.
        guard let logBytes = status.logBytes else { return }
        out.add(MetricCatalog.logBytes, logBytes, name)
        out.add(MetricCatalog.logChanges, status.logRows, name)
        out.add(MetricCatalog.logMaxBytes, status.logMaxBytes, name)
        out.add(MetricCatalog.logFullIn, status.logFullInSeconds, name)
        out.add(MetricCatalog.captureStopped, (status.captureStoppedAt != nil).figure, name)
        out.add(MetricCatalog.givenUp, (status.lostAt != nil).figure, name)
    }

    private static func addTables(_ tables: [StatusReport.Table], of name: String, to out: inout Exposition) {
        guard !tables.isEmpty else { return }
        out.add(MetricCatalog.tables, Int64(tables.count), name)
        for state in ["waiting", "copying", "done"] {
            out.add(MetricCatalog.copyTables, Int64(tables.count { $0.copy == state }), name, state)
        }
        out.add(MetricCatalog.copyProgress, copyProgress(tables), name)
        let proven = tables.filter { $0.verifiedAt != nil }
        out.add(MetricCatalog.tablesProven, Int64(proven.count), name)
        out.add(MetricCatalog.oldestProof, proven.compactMap(\.verifiedAt.seconds).min(), name)
        let differences = tables.compactMap(\.differences).filter { $0 > 0 }
        out.add(MetricCatalog.tablesDiffering, Int64(differences.count), name)
        out.add(MetricCatalog.rowsDiffering, differences.reduce(0, +), name)
    }

    /// Of 1; only what is done is all of it, however wrong the estimates are.
    static func copyProgress(_ tables: [StatusReport.Table]) -> Double {
        guard tables.contains(where: { $0.copy != "done" }) else { return 1 }
        let parts = tables.map { table in
            let expected = Double(max(table.expectedRows, table.copiedRows, 1))
            return (done: table.copy == "done" ? expected : min(Double(table.copiedRows), 0.99 * expected), expected: expected)
        }
        return parts.map(\.done).reduce(0, +) / parts.map(\.expected).reduce(0, +)
    }
}

extension Bool {
    fileprivate var figure: Double { self ? 1 : 0 }
}

extension String? {
    /// Since 1970, of a time as the databases and this process write it.
    fileprivate var seconds: Double? { flatMap { SourceTime($0) }.map { Double($0.microseconds) / 1_000_000 } }
}
