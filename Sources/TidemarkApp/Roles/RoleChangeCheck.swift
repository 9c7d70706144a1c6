import TidemarkCore

/// What keeps two databases from changing their roles, or should be known before they do.
struct RoleChangeCheck {
    private let flow: PipelineDefinition
    private let lagMaxSeconds: Double

    init(_ flow: PipelineDefinition, lagMaxSeconds: Double) {
        (self.flow, self.lagMaxSeconds) = (flow, lagMaxSeconds)
    }

    func findings() throws -> [(side: String, finding: Finding)] {
        let (old, new) = (try flow.openSourceSide(), try flow.openTargetSide())
        let capture = try ReverseCapture(of: flow, from: old, to: new)
        var found = try pipeline().map { ("pipeline", $0) }
        found += capture.tables.missing.map { table in
            ("new primary", Finding(.problem, table: table, "the new primary has no such table", remedy: "Type: tidemark setup --create …"))
        }
        let taken = Set(capture.tables.onReplica)
        let theirs = try new.asSource.tables(TableSelection()).filter { taken.contains($0.name) }
        // Notes are about capture as such, and what holds for the old primary too, the pipeline lives with already.
        let known = Set(try old.asSource.check(flow.request(old.asSource)).map { Known($0) })
        found += try new.asSource.check(capture.request).filter { $0.severity != .note && !known.contains(Known($0)) }
            .map { ("new primary", $0) }
        found += checkAsTarget(old, theirs).map { ("old primary", $0) }
        if let standing = try old.roles.standing(of: flow.name), standing.cause == .failover, try old.asTarget.cursor(of: flow.name)?.closedAt != nil {
            found.append(("old primary", Finding(.warning, "the source that it replaced has not come back, and could not do so any more afterwards",
                remedy: "If that source still exists, type first: tidemark failback …")))
        }
        found += Self.differences(
            try old.asSource.surroundings(of: capture.tables.onPrimary), try new.asSource.surroundings(of: capture.tables.onReplica))
        found += try old.asSource.pipelines().filter { $0 != flow.name }.map { other in
            ("old primary", Finding(.warning, "pipeline \(other) reads the old primary, and would stand still",
                remedy: "Afterwards set it up from the new primary: tidemark setup --pipeline \(other) --source … , then tidemark verify --repair."))
        }
        let order: [Finding.Severity] = [.problem, .warning, .note]
        return order.flatMap { severity in found.filter { $0.1.severity == severity } }
    }

    /// What keeps the old primary from being applied to; a role that may not hold triggers still fails at once.
    private func checkAsTarget(_ old: PipelineSide, _ tables: [SourceTable]) -> [Finding] {
        do {
            return try old.asTarget.check(tables).filter { $0.severity != .note }
        } catch let failure as TidemarkError {
            return [Finding(.problem, "as a replica it would not take changes: \(failure.what): \(failure.why)", remedy: failure.remedy)]
        } catch {
            return [Finding(.problem, "it cannot be checked: \(error)", remedy: "Mend that first.")]
        }
    }

    /// A finding, wherever it was made.
    private struct Known: Hashable {
        let table: String?
        let what: String

        init(_ finding: Finding) { (table, what) = (finding.table?.name, finding.what) }
    }

    /// How the flow stands.
    private func pipeline() throws -> [Finding] {
        let status = try StatusReport(of: flow)
        var found: [Finding] = []
        switch status.state {
        case .current: break
        case .behind where status.pendingSeconds ?? 0 <= lagMaxSeconds: break
        case .behind:
            found.append(Finding(.problem, "\(Amount.text(status.pendingChanges ?? 0, "change", ("waits", "wait"))), the oldest for \(Int(status.pendingSeconds ?? 0)) s",
                remedy: "Let tidemark run … catch up first, or allow for it: --max-lag SECONDS."))
        case .copying:
            found.append(Finding(.problem, "tables are still being copied", remedy: "Let tidemark run … finish: tidemark status … says how far it is."))
        case .paused:
            found.append(Finding(.problem, "the pipeline is paused", remedy: "Type first: tidemark resume …"))
        case .blocked, .unreachable, .notSetUp:
            found.append(Finding(.problem, "the pipeline is \(status.state.rawValue): \(status.problem ?? "")", remedy: "Mend that first."))
        }
        for table in status.differing {
            found.append(Finding(.problem, "table \(table.table) differs from the old primary's in \(Amount.text(table.differences ?? 0, "row"))",
                remedy: "Type: tidemark verify --repair …"))
        }
        if status.parkedTransactions > 0 {
            found.append(Finding(.problem, "\(Amount.text(status.parkedTransactions, "transaction", ("is", "are"))) set aside, and the new primary would lack them",
                remedy: "Settle them first: tidemark parked list … names them."))
        } else if !status.notExactTables.isEmpty {
            found.append(Finding(.problem, "parked changes of \(status.notExactTables.joined(separator: ", ")) were skipped",
                remedy: "Type first: tidemark verify --repair …"))
        }
        if status.tables.contains(where: { $0.verifiedAt == nil }) {
            found.append(Finding(.warning, "not every table was ever compared with the old primary's", remedy: "Type first: tidemark verify …"))
        }
        return found
    }

    /// What acts on tables besides the rows that are replicated.
    private static func differences(_ old: Surroundings, _ new: Surroundings) -> [(side: String, finding: Finding)] {
        var found: [(side: String, finding: Finding)] = []
        for trigger in new.triggers.subtracting(old.triggers).sorted() {
            found.append(("new primary", Finding(.warning, "trigger \(trigger) would begin to fire, and the old primary has none of this name",
                remedy: "Drop or disable it there if that is not meant.")))
        }
        for trigger in old.triggers.subtracting(new.triggers).sorted() {
            found.append(("new primary", Finding(.warning, "it lacks trigger \(trigger), which the old primary has",
                remedy: "Create it there: while it is a replica, it does not fire for what tidemark applies.")))
        }
        for name in old.extensions.subtracting(new.extensions).sorted() {
            found.append(("new primary", Finding(.warning, "it lacks extension \(name), which the old primary has", remedy: "create extension \(name);")))
        }
        return found
    }
}
