import TidemarkApp
import TidemarkCore

/// Counts a pipeline's conflicts from what its target keeps of them, which are fewer again once old ones are forgotten.
struct ConflictCounting {
    private var known: [String: StatusReport.ConflictTally]?
    /// Since the first look; nil where the pipeline has no rules for conflicts.
    private(set) var seen: Int64?

    /// - Returns: a line for the log, where there are new ones.
    mutating func note(_ report: StatusReport) -> String? {
        guard let conflicts = report.conflicts else { return nil }
        let tallies = Dictionary(conflicts.map { ($0.table, $0) }, uniquingKeysWith: { first, _ in first })
        defer { known = tallies }
        let before = seen ?? 0
        seen = before
        guard let known else { return nil }
        let fresh = tallies.values.compactMap { tally -> (table: String, count: Int64)? in
            let earlier = known[tally.table]
            guard tally.lastAt != earlier?.lastAt else { return nil }
            return (tally.table, max(1, tally.conflicts - (earlier?.conflicts ?? 0)))
        }.sorted { $0.table < $1.table }
        guard !fresh.isEmpty else { return nil }
        seen = before + fresh.reduce(0) { $0 + $1.count }
        let tables = fresh.map { "\(Amount.text($0.count, "conflict")) in \($0.table)" }.joined(separator: ", ")
        return "\(tables), which tidemark conflicts list --pipeline \(report.pipeline) … shows"
    }
}
