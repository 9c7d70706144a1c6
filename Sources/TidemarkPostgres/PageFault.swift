import TidemarkCore

/// A page that the target refused, and the search for the change that it refused.
struct PageFault {
    let pipeline: String
    let table: CapturedTable
    let failure: PostgresFailure

    /// Applies the page's changes of the table again, one at a time, in the transaction that has
    /// failed already (rolled back to its start), until one fails alone; that one is named.
    func located(
        in page: ChangePage, _ plan: TablePlan, _ statements: TableStatements, _ session: PostgresSession
    ) -> TidemarkError {
        _ = try? session.run("rollback")
        let indices = plan.wholeRowInsertions + plan.keyedChanges
        for index in indices {
            _ = try? session.run("begin")
            defer { _ = try? session.run("rollback") }
            do {
                var single = WholeRowDeletions()
                try statements.apply(plan.only(index, of: page), of: page, in: session, staging: &single)
            } catch {
                return fault(of: page.changes[index], in: page, because: (error as? PostgresFailure) ?? failure)
            }
        }
        return fault(of: nil, in: page, because: failure)
    }

    private func fault(of change: Change?, in page: ChangePage, because failure: PostgresFailure) -> TidemarkError {
        TidemarkError(
            "the target refused a change", pipeline: pipeline, table: table.name,
            key: change?.key.map { String(decoding: page.bytes[$0], as: UTF8.self) }, changeID: change?.id,
            why: failure.description,
            remedy: Self.remedy(failure))
    }

    private static func remedy(_ failure: PostgresFailure) -> String {
        let again = "then type: tidemark run …; it goes on at this change."
        switch failure.sqlState {
        case "23505": return "Remove the row of the target that already holds this unique value (constraint \(failure.constraint)), \(again)"
        case "23502", "23514", "23503", "23P01":
            return "The constraint \(failure.constraint) exists on the target only: drop or relax it there, \(again)"
        case "53100": return "The target's disk is full: free space, \(again)"
        case "42501": return "Give the target's role the right back (grant insert, update, delete, truncate on the table), \(again)"
        case "42P10": return "The target needs a unique index on \(failure.table.isEmpty ? "the key" : failure.table) with the source's key columns: create it, \(again)"
        default: return "Mend the target, \(again)"
        }
    }
}
