package import TidemarkCore

/// What conflicts are found by, and the record of them.
extension PostgresTargetAdministration {
    package func prepareConflicts(in tables: [CapturedTable], of pipeline: String) throws {
        try reporting("the tables' conflicts cannot be prepared") {
            try TombstoneTriggers(session: session, pipeline: pipeline).prepare(tables)
        }
    }

    package func planConflicts(in tables: [CapturedTable], of pipeline: String) throws -> [PlannedStatement] {
        try reporting("the tables' conflicts cannot be planned") {
            try TombstoneTriggers(session: session, pipeline: pipeline).plan(tables)
        }
    }

    package func checkConflicts(in tables: [CapturedTable]) throws -> [Finding] {
        try reporting("the tables' conflicts cannot be checked") { try ConflictCheck(session: session).findings(tables) }
    }

    package func conflictCounts(of pipeline: String) throws -> [ConflictCount] {
        try reporting("conflicts cannot be read") {
            guard try keepsConflicts() else { return [] }
            let rows = try session.query(
                """
                select schema_name, table_name, count(*), max(at) from tidemark.conflict where pipeline = $1
                group by schema_name, table_name order by 1, 2
                """, [.text(pipeline)])
            return (0..<rows.count).map { row in
                ConflictCount(
                    table: TableName(schema: rows[row, 0], name: rows[row, 1] ?? ""), conflicts: rows[row, 2].flatMap { Int64($0) } ?? 0,
                    lastAt: rows[row, 3] ?? "")
            }
        }
    }

    package func conflicts(of pipeline: String, table: TableName?, before id: Int64?, limit: Int) throws -> [Conflict] {
        try reporting("conflicts cannot be read") {
            guard try keepsConflicts() else { return [] }
            return try read(
                "pipeline = $1 and ($2::text is null or schema_name = $2 and table_name = $3) and ($4::int8 is null or id < $4) order by id desc limit $5",
                [
                    .text(pipeline), .optional(table.map { $0.schema ?? "public" }), .optional(table?.name), .optional(id.map(String.init)),
                    .text(String(limit)),
                ])
        }
    }

    package func conflict(_ id: Int64, of pipeline: String) throws -> Conflict? {
        try reporting("conflicts cannot be read") {
            guard try keepsConflicts() else { return nil }
            return try read("pipeline = $1 and id = $2", [.text(pipeline), .text(String(id))]).first
        }
    }

    package func restore(_ image: ConflictImage, of conflict: Conflict, by person: String) throws {
        try ConflictRestoration(session: session, conflict: conflict).restore(image, by: person)
    }

    private func keepsConflicts() throws(PostgresFailure) -> Bool { try session.query("select to_regclass('tidemark.conflict')")[0, 0] != nil }

    private func read(_ condition: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) -> [Conflict] {
        let rows = try session.query(
            """
            select id, pipeline, at, schema_name, table_name, key, kind, origin, change_id, before, source, target, strategy, result, outcome,
                   restored_at, restored_by
            from tidemark.conflict where \(condition)
            """, parameters)
        return (0..<rows.count).compactMap { row in
            guard let kind = ConflictKind(rawValue: rows[row, 6] ?? ""), let result = ConflictResult(rawValue: rows[row, 13] ?? "") else { return nil }
            return Conflict(
                id: rows[row, 0].flatMap { Int64($0) } ?? 0, pipeline: rows[row, 1] ?? "", at: rows[row, 2] ?? "",
                table: TableName(schema: rows[row, 3], name: rows[row, 4] ?? ""), key: rows[row, 5] ?? "", kind: kind, origin: rows[row, 7],
                changeID: rows[row, 8].flatMap { Int64($0) } ?? 0, before: rows[row, 9], source: rows[row, 10], target: rows[row, 11],
                strategy: rows[row, 12] ?? "", result: result, outcome: rows[row, 14], restoredAt: rows[row, 15], restoredBy: rows[row, 16])
        }
    }
}
