import PostgresSQL
import TidemarkCore

/// What keeps the rules of shared tables from being followed in a target.
struct ConflictCheck {
    let session: PostgresSession

    func findings(_ tables: [CapturedTable]) throws -> [Finding] {
        guard !tables.isEmpty else { return [] }
        let context = try PostgresTarget.prepare(session, pipeline: "")
        let known = TargetTables(session: session, context: context)
        known.captured = Dictionary(tables.map { ($0.capture, $0) }, uniquingKeysWith: { _, last in last })
        var found: [Finding] = []
        for table in tables {
            do {
                let shared = try known.shared(table.capture)
                if let finding = try rightSQL(shared) { found.append(finding) }
                found += shared.unsettledIndexes.sorted().map { index in
                    Finding(
                        .warning, table: table.name,
                        "a unique index goes by columns that are not replicated: rows that violate \(PostgresIdentifier.quoted(index)) stop the pipeline",
                        remedy: "Drop the index on the target, if its rows are to come from both ends.")
                }
            } catch let error as TidemarkError {
                found.append(Finding(.problem, table: table.name, "\(error.what): \(error.why)", remedy: error.remedy))
            }
        }
        return found
    }

    /// Has the server plan the comparison, which the rule's own SQL is part of, and undoes what that needs.
    private func rightSQL(_ table: SharedTable) throws -> Finding? {
        try session.run(TableLocks.begin)
        defer { session.rollback() }
        do {
            if try session.query("select to_regclass('tidemark.tombstone')")[0, 0] == nil { try session.run(PostgresSQL.target) }
            try ConflictTables(session).make()
            try session.query("explain " + ConflictStep(table: table, run: 0, round: 1, origin: nil).comparison, [.text("0")])
            return nil
        } catch {
            guard error.sqlState.hasPrefix("42"), error.sqlState != "42501" else {
                // Without the right to make schema tidemark it is not known yet.
                if error.sqlState == "42501" { return nil }
                throw error
            }
            return Finding(
                .problem, table: table.captured.name, "the rule for conflicts cannot be followed: the server says: \(error.message)",
                remedy: "Correct conflict: of the table: columns that can be compared, and SQL that the target knows, over source, target and before.")
        }
    }
}
