import TidemarkCore

/// What keeps a target from holding what the source's tables hold.
struct TargetCheck {
    let session: PostgresSession

    func findings(_ tables: [SourceTable]) throws -> [Finding] {
        let context = try PostgresTarget.prepare(session, pipeline: "")
        var found: [Finding] = []
        if try session.query("select pg_is_in_recovery()")[0, 0] == "t" {
            found.append(
                Finding(.problem, "the target is a standby in recovery", remedy: "Give the address of the primary: tidemark has to write."))
        }
        if !context.holdsTriggersStill {
            found.append(
                Finding(
                    .warning, "the target's foreign keys and triggers act on replicated rows, since the role may not set session_replication_role",
                    remedy: "\(context.grantOfReplicaRole) then run again."))
        }
        for table in tables { found += try examine(table, context) }
        return found
    }

    private func examine(_ table: SourceTable, _ context: ApplyContext) throws -> [Finding] {
        var captured = CapturedTable(table)
        captured.targetName = table.targetName
        do {
            let target = try TargetTable(captured, in: session, context: context)
            guard !target.missingValues.isEmpty else { return try rights(target) }
            return [
                Finding(
                    .problem, table: table.name,
                    "the target has columns that the source lacks and that need a value: \(target.missingValues.joined(separator: ", "))",
                    remedy: "Give them a default on the target, or allow NULL.")
            ]
        } catch let mismatch as TidemarkError {
            return [Finding(.problem, table: table.name, "\(mismatch.what): \(mismatch.why)", remedy: mismatch.remedy)]
        }
    }

    private func rights(_ table: TargetTable) throws -> [Finding] {
        let rows = try session.query(
            """
            select string_agg(p, ', '), current_user from unnest(array['INSERT', 'UPDATE', 'DELETE', 'SELECT', 'TRUNCATE']) p
            where not has_table_privilege($1::oid, p)
            """, [.text(table.oid)])
        guard let missing = rows[0, 0] else { return [] }
        let grant = "grant \(missing.lowercased()) on \(table.quotedName) to \(PostgresIdentifier.quoted(rows[0, 1] ?? ""));"
        return [Finding(.problem, table: table.captured.name, "the target's role lacks \(missing)", remedy: grant)]
    }
}
