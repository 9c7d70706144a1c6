package import TidemarkCore

/// What is passed on, and what rows were before.
extension SQLiteSource {
    package func follow(_ applied: AppliedChanges) throws {
        try saying("what was applied cannot be followed", path: path) {
            guard try applied == .leftOut || database.hasTable("tidemark_applied") else { throw OlderLog.error() }
            form.following = applied
        }
    }

    /// Retired generations may have logged less, as long as none of their rows is met any more.
    package func keepBefore(of captures: Set<Int32>) throws {
        guard captures != form.before else { return }
        try saying("the registry cannot be read", path: path) {
            guard try captures.isEmpty || LogUpgrade(database: database).hasColumn("images", of: "tidemark_capture") else { throw OlderLog.error() }
            let lacking = captures.isEmpty ? [] : try database.rows("SELECT capture, table_name, retired_at FROM main.tidemark_capture WHERE images IS NOT 'both'")
            for row in lacking {
                guard let capture = row[0].integer.map({ Int32(truncatingIfNeeded: $0) }), captures.contains(capture) else { continue }
                let change = try waiting(of: capture)
                guard change != nil || row[2] == .null else { continue }
                throw TidemarkError(
                    "conflicts cannot be found", pipeline: nil, table: TableName(schema: nil, name: row[1].string ?? ""), changeID: change,
                    why: "its capture did not log rows as they were before",
                    remedy: "Type: tidemark setup --image both …; what was logged before that is applied without conflict: in the pipeline's tables by"
                        + " tidemark run --once …, or by tidemark copy --table … again.")
            }
            form.before = captures
        }
    }

    /// The last change that a generation has logged, if it still matters.
    private func waiting(of capture: Int32) throws(SQLiteFailure) -> Int64? {
        try database.rows(
            "SELECT max(id) FROM main.data_changes WHERE capture = ? AND id > \(PrunedLog.lowestConfirmed)", [.integer(Int64(capture))]).first?.first?.integer
    }
}
