import TidemarkApp

extension StatusReport {
    /// The report for a terminal: the answer first, then the figures.
    var text: String {
        var lines = ["pipeline \(pipeline): \(state.rawValue)\(lag)"]
        lines.append("  source  \(source)\(sourceID.map { ", last change \($0)" } ?? "")")
        var applied = appliedID.map { ", applied up to change \($0)" } ?? ""
        if let appliedAt { applied += " at \(appliedAt)" }
        lines.append("  target  \(target)\(applied)")
        if let logBytes { lines.append("  log     \(Self.size(logBytes)), about \(logRows ?? 0) changes") }
        if let worker { lines.append("  worker  \(worker) was the last to take it over") }
        if let heldBackBy { lines.append("  pruning waits for \(heldBackBy)") }
        if let problem { lines.append("  \(problem)") }
        return lines.joined(separator: "\n")
    }

    private var lag: String {
        guard let pendingChanges, pendingChanges > 0 else { return "" }
        let age = pendingSeconds.map { ", the oldest for \(Int($0.rounded())) s" } ?? ""
        return ", \(pendingChanges) changes wait\(age)"
    }

    private static func size(_ bytes: Int64) -> String {
        let units = ["bytes", "kB", "MB", "GB", "TB"]
        var (value, unit) = (Double(bytes), 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let tenths = Int((value * 10).rounded())
        return unit == 0 ? "\(bytes) bytes" : "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }
}
