import TidemarkApp
import TidemarkCore

extension StatusReport {
    /// The report for a terminal: the answer first, then the figures.
    var text: String {
        var lines = ["pipeline \(pipeline): \(state.rawValue)\(pause)\(delay)\(lag)"]
        lines.append("  source  \(source)\(sourceID.map { ", last change \($0)" } ?? "")")
        var applied = appliedID.map { ", applied up to change \($0)" } ?? ""
        if let appliedAt { applied += " at \(appliedAt)" }
        lines.append("  target  \(target)\(applied)")
        if let roles { lines.append("  roles   \(roles)") }
        if let logBytes { lines.append("  log     \(ByteCount.text(logBytes))\(cap), about \(Amount.text(logRows ?? 0, "change"))\(retained)") }
        if let captureStoppedAt { lines.append("  capture STOPPED at \(captureStoppedAt): nothing is logged") }
        if let lostAt { lines.append("  GIVEN UP at \(lostAt): its tables have to be copied again") }
        if let worker { lines.append("  worker  \(worker) was the last to take it over") }
        if let wait, wait != "asynchronous" { lines.append("  wait    \(wait)\(waitTables.map { ", for \($0.joined(separator: ", "))" } ?? "")") }
        if let heldBackBy { lines.append("  pruning waits for \(heldBackBy)") }
        if parkedTransactions > 0 { lines.append("  parked  SET ASIDE, not applied: \(Amount.text(parkedTransactions, "transaction")), \(Amount.text(parkedChanges, "change"))") }
        if !notExactTables.isEmpty { lines.append("  tables  NOT EXACT because of parked changes: \(notExactTables.joined(separator: ", "))") }
        if let conflicts = conflictText { lines.append("  conflicts \(conflicts)") }
        lines += copyLines + shapeLines + polledLines
        if let proof { lines.append("  proof   \(proof)") }
        if let problem { lines.append("  \(problem)") }
        return lines.joined(separator: "\n")
    }

    /// “ of 2.0 GB (at it: warn), full in about 3 h at the current rate”
    private var cap: String {
        guard let logMaxBytes else { return "" }
        let outlook = logFullInSeconds.map { ", full in \(TimeSpan.estimate($0)) at the current rate" } ?? ""
        return " of \(ByteCount.text(logMaxBytes)) (at it: \(atMaxLogSize ?? "?"))\(outlook)"
    }

    /// “the source is primary since …, the target replica since …”
    private var roles: String? {
        let source = sourceRole.map { "the source is \($0) since \(sourceRoleSince ?? "?")" }
        let target = targetRole.map { "the target is \($0) since \(targetRoleSince ?? "?")" }
        guard source != nil || target != nil else { return nil }
        let isOpen = isTargetGuarded == false ? "; others CAN WRITE to it, which tidemark setup … mends" : ""
        return [source, target].compactMap(\.self).joined(separator: ", ") + isOpen
    }

    private var retained: String {
        if let retainSeconds { return ", kept for \(TimeSpan.text(retainSeconds)) on purpose" }
        return retainBytes.map { ", the last \(ByteCount.text($0)) kept on purpose" } ?? ""
    }

    /// What was decided where both ends had changed a row.
    private var conflictText: String? {
        guard let conflicts, let total = conflictsTotal else { return nil }
        guard total > 0 else { return "none so far" }
        let tables = conflicts.sorted { $0.conflicts > $1.conflicts }.map { "\($0.conflicts) of \($0.table)" }.joined(separator: ", ")
        return "\(tables); the last at \(conflicts.map(\.lastAt).max() ?? "?"): tidemark conflicts list …"
    }

    /// One line per table that is not copied yet.
    private var copyLines: [String] {
        tables.filter { $0.copy != "done" }.map { table in
            guard table.copy == "copying" else { return "  copy    \(table.table) waits" }
            let percent = table.expectedRows > 0 ? ", \(min(99, table.copiedRows * 100 / table.expectedRows)) %" : ""
            return "  copy    \(table.table): \(Amount.text(table.copiedRows, "row")), \(ByteCount.text(table.copiedBytes))\(percent)"
        }
    }

    /// One line per table of which the target has something else than the source.
    private var shapeLines: [String] {
        tables.compactMap { table in
            table.shape.map { "  shaped  \(table.table): \($0.split(separator: "\n").joined(separator: "; "))" }
        }
    }

    /// One line per table that is read: what it is at, how old it is, and what is to come.
    private var polledLines: [String] {
        (polledTables ?? []).map { table in
            var line = "  read    \(table.table) (\(table.mode), \(table.schedule)): \(table.state)"
            if table.state == "running" {
                line += ", \(table.rowsDone)" + (table.rowsTotal > 0 ? " of about \(table.rowsTotal)" : "") + " rows"
            } else if table.finishedAt != nil {
                line += ", \(table.rowsDone) rows read, \(table.rowsWritten) written, \(table.rowsDeleted) deleted"
            }
            if let finishedAt = table.finishedAt { line += ", last complete at \(finishedAt)" }
            if let mark = table.mark { line += ", up to \(mark)" }
            if let nextAt = table.nextAt { line += ", next at \(nextAt)" }
            if table.failures > 1 { line += ", FAILED \(table.failures) times in a row" }
            if table.failures == 1, table.state != "failed" { line += ", FAILED before" }
            return line
        }
    }

    /// What the last comparisons have found.
    private var proof: String? {
        guard !differing.isEmpty else {
            let times = tables.compactMap(\.verifiedAt)
            guard let oldest = times.min() else { return nil }
            return "\(times.count) of \(tables.count) tables equal, the oldest at \(oldest)"
        }
        let found = differing.map { "\($0.table) in \(Amount.text($0.differences ?? 0, "row"))" }.joined(separator: ", ")
        return "source and target DIFFER: \(found); \(mending)"
    }

    private var pause: String { pausedAt.map { " since \($0) by \(pausedBy ?? "?")" } ?? "" }

    private var delay: String { delaySeconds.map { ", delayed by \(TimeSpan.text($0)) on purpose" } ?? "" }

    private var lag: String {
        guard let pendingChanges, pendingChanges > 0 else { return "" }
        let age = pendingSeconds.map { ", the oldest for \(Int($0.rounded())) s" } ?? ""
        return ", \(Amount.text(pendingChanges, "change", ("waits", "wait")))\(age)"
    }
}
