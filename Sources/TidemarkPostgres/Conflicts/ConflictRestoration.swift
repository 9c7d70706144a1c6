import TidemarkCore

/// Puts an image of a conflict back by an ordinary write, which triggers and capture see: every other end gets it.
struct ConflictRestoration {
    let session: PostgresSession
    let conflict: Conflict

    func restore(_ image: ConflictImage, by person: String) throws {
        let text = switch image {
        case .before: conflict.before
        case .source: conflict.source
        case .target: conflict.target
        }
        do {
            try session.run("begin")
            // The session may be one that applies, or has checked as if it did.
            try session.query("select set_config('tidemark.applying', '', true)")
            if try session.query("select current_setting('session_replication_role')")[0, 0] != "origin" {
                try session.run("set local session_replication_role = origin")
            }
            let table = try columns()
            if let text { try write(text, table) } else { try delete(table) }
            let noted = try session.query(
                "update tidemark.conflict set restored_at = clock_timestamp(), restored_by = $3 where pipeline = $1 and id = $2",
                [.text(conflict.pipeline), .text(String(conflict.id)), .text(person)])
            guard noted.affected == 1 else {
                throw error("there is no such conflict", "Type: tidemark conflicts …, and take a number that is listed.")
            }
            try session.run("commit")
        } catch {
            session.rollback()
            guard let failure = error as? PostgresFailure else { throw error }
            throw refused(failure)
        }
    }

    private struct Row {
        let all: [TargetColumn]
        let keys: [TargetColumn]
    }

    private var quoted: String { PostgresIdentifier.quoted(conflict.table) }

    private func columns() throws -> Row {
        let relation = try session.query("select to_regclass($1)::oid", [.text(quoted)])[0, 0]
        let names = try session.query("select array_to_json(array(select json_object_keys($1)))", [.json(Array(conflict.key.utf8))])[0, 0] ?? "[]"
        let keyNames = try JSONText.strings(names)
        guard let relation, let index = try TargetColumn.keyIndexes(of: relation, on: keyNames, in: session).first else {
            throw error("the table is no longer there, or has another key", "Write the row by hand; the conflict's images have its values.")
        }
        let all = try TargetColumn.all(of: relation, keyIndex: index.oid, in: session)
        return Row(all: all.filter { !$0.isGenerated }, keys: all.filter { keyNames.contains($0.name) })
    }

    private func write(_ image: String, _ row: Row) throws {
        let given = try session.query("select array_to_json(array(select json_object_keys($1)))", [.json(Array(image.utf8))])[0, 0] ?? "[]"
        let names = Set(try JSONText.strings(given))
        let written = row.all.filter { names.contains($0.name) }
        guard names.count == written.count else {
            throw error("the table has lost columns since", "Write the row by hand; the conflict's images have its values.")
        }
        let keys = Set(row.keys.map(\.name))
        let records = "json_to_record($1) as x(\(written.map(\.recordDefinition).joined(separator: ", ")))"
        let set = written.filter { !keys.contains($0.name) && !$0.isIdentityAlways }
        let matches = row.keys.map(\.matches).joined(separator: " and ")
        let body = [PostgresParameter.json(Array(image.utf8))]
        let standing = try session.query("select from \(quoted) as t cross join \(records) where \(matches) for update of t", body)
        if standing.count > 0 {
            guard !set.isEmpty else { return }
            let assignments = set.map { "\($0.quoted) = \($0.fromRecord())" }.joined(separator: ", ")
            try session.query("update \(quoted) as t set \(assignments) from \(records) where \(matches)", body)
        } else {
            try session.query(
                """
                insert into \(quoted) (\(written.map(\.quoted).joined(separator: ", "))) overriding system value
                select \(written.map { $0.fromRecord() }.joined(separator: ", ")) from \(records)
                """, body)
        }
    }

    private func delete(_ row: Row) throws {
        try session.query(
            """
            delete from \(quoted) as t using json_to_record($1) as x(\(row.keys.map(\.recordDefinition).joined(separator: ", ")))
            where \(row.keys.map(\.matches).joined(separator: " and "))
            """, [.json(Array(conflict.key.utf8))])
    }

    private func error(_ why: String, _ remedy: String) -> TidemarkError {
        TidemarkError(
            "an image of a conflict cannot be put back", pipeline: conflict.pipeline, table: conflict.table, key: conflict.key,
            changeID: conflict.changeID, why: why, remedy: remedy)
    }

    /// The server's own words hold the row's values.
    private func refused(_ failure: PostgresFailure) -> TidemarkError {
        let constraint = PostgresIdentifier.quoted(failure.constraint)
        let again = "then type the command again; nothing was changed."
        switch failure.sqlState {
        case "23505", "23P01":
            return error("another row has the value that \(constraint) wants to be unique", "Change or delete that row, \(again)")
        case "23503": return error("the foreign key \(constraint) has no row at its other end, or rows that refer to this one", "Mend those rows, \(again)")
        case "23514", "23502": return error("the table takes no such row any longer (\(constraint))", "Write the row by hand, as the table wants it now.")
        case "42501":
            return error(
                "the role lacks a right on \(quoted)", "Type: grant select, insert, update, delete on \(quoted) to the role, \(again)")
        case _ where PageRefusal.isAboutRows(failure):
            return error("the table, or a trigger of it, refuses the row (SQLSTATE \(failure.sqlState))", "Mend that, \(again)")
        default: return failure.reported("an image of a conflict cannot be put back")
        }
    }
}
