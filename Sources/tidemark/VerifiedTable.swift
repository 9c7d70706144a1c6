import TidemarkCore
import TidemarkPipeline

/// What verify says of one table: the contract of `--json`, and the lines for people.
struct VerifiedTable: Encodable {
    struct Difference: Encodable {
        let kind: String
        let key: String
        let columns: [String]
        let count: Int64
    }

    let pipeline: String
    let table: String
    let isEqual: Bool
    let rows: Int64
    let differences: Int64
    let missing: Int64
    let extra: Int64
    let different: Int64
    let repaired: Int64
    /// The place at which it holds, and when that was.
    let snapshot: String
    let appliedID: Int64
    let verifiedAt: String?
    /// 1 = all of it at this one place; a table that took longer was compared part by part, each at its own.
    let positions: Int64
    let listed: [Difference]
    let plan: [String]?

    init(_ pipeline: String, _ verdict: TableVerdict) {
        let proof = verdict.proof
        (self.pipeline, table, isEqual) = (pipeline, proof.table.description, verdict.isEqual)
        (rows, differences, repaired) = (proof.rows, proof.differences, proof.repaired)
        missing = verdict.counts[.missing] ?? 0
        extra = verdict.counts[.extra] ?? 0
        different = verdict.counts[.different] ?? 0
        (snapshot, appliedID, verifiedAt, positions) = (proof.snapshot, proof.lastID, proof.finishedAt, proof.positions)
        listed = verdict.listed.map { Difference(kind: $0.kind.rawValue, key: $0.key, columns: $0.columns, count: $0.count) }
        plan = verdict.plan.isEmpty ? nil : verdict.plan
    }

    static func text(_ found: [VerifiedTable], planning: Bool) -> String {
        if planning { return found.compactMap(\.planText).joined(separator: "\n\n") }
        let nameWidth = max(5, found.map(\.table.count).max() ?? 0)
        func row(_ cells: [String]) -> String {
            let name = cells[0] + String(repeating: " ", count: max(0, nameWidth - cells[0].count))
            return name + cells.dropFirst().map { String(repeating: " ", count: max(1, 11 - $0.count)) + $0 }.joined()
        }
        var lines = [row(["table", "rows", "missing", "extra", "different", "verdict"])]
        for table in found {
            let verdict = table.differences == 0 ? "equal" : table.isEqual ? "repaired" : "DIFFERENT"
            lines.append(row([table.table, "\(table.rows)", "\(table.missing)", "\(table.extra)", "\(table.different)", verdict]))
        }
        for table in found where !table.listed.isEmpty {
            lines.append("\n\(table.table):")
            for difference in table.listed {
                let columns = difference.columns.isEmpty ? "" : " in \(difference.columns.joined(separator: ", "))"
                let times = difference.count > 1 ? " (\(difference.count) times)" : ""
                lines.append("  \(difference.kind) \(difference.key)\(columns)\(times)")
            }
            let more = table.differences - table.listed.reduce(0) { $0 + $1.count }
            if more > 0 { lines.append("  and \(more) more; --list NUMBER shows them") }
        }
        lines.append("")
        for (place, tables) in Dictionary(grouping: found, by: \.place).sorted(by: { $0.key < $1.key }) {
            let which = tables.count == found.count ? "all" : tables.map(\.table).joined(separator: ", ")
            lines.append("\(which) \(place), \(tables.compactMap(\.verifiedAt).max() ?? "")")
        }
        return lines.joined(separator: "\n")
    }

    private var place: String {
        let word = positions > 1 ? "compared in \(positions) steps, the last at" : "compared at"
        return "\(word) change \(appliedID), snapshot \(snapshot)"
    }

    private var planText: String? {
        guard let plan else { return "-- table \(table): \(differences == 0 ? "equal, nothing to repair" : "no statements")" }
        return "-- table \(table): \(Amount.text(plan.count, "statement")); nothing was changed\n" + plan.joined(separator: "\n")
    }
}
