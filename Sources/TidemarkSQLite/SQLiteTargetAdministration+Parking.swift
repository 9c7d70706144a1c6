package import TidemarkCore

/// What is parked, for people.
extension SQLiteTargetAdministration {
    package func parked(of pipeline: String) throws -> ParkedState {
        try saying("what is parked cannot be read", pipeline: pipeline, path: path) {
            var state = ParkedState()
            guard try ParkedTables(database: database, pipeline: pipeline).exist() else { return state }
            state.transactions = try parkedTransactions(of: pipeline)
            state.notExact = try database.rows(
                """
                SELECT k.schema_name, k.table_name
                FROM main.tidemark_parked_change c JOIN main.tidemark_parked_capture k USING (pipeline, capture) WHERE c.pipeline = ?1
                UNION
                SELECT t.schema_name, t.table_name FROM main.tidemark_parked_audit a JOIN main.tidemark_parked_audit_table t ON t.audit = a.id
                WHERE a.pipeline = ?1 AND a.action = 'skipped'
                    AND NOT EXISTS (SELECT 1 FROM main.tidemark_table_proof p WHERE p.pipeline = a.pipeline AND p.schema_name = t.schema_name
                        AND p.table_name = t.table_name AND p.is_finished AND p.finished_at >= a.at AND p.last_id >= a.last_id
                        AND p.differences <= p.repaired)
                    AND NOT EXISTS (SELECT 1 FROM main.tidemark_table_copy c WHERE c.pipeline = a.pipeline AND c.schema_name = t.schema_name
                        AND c.table_name = t.table_name AND c.state = 'done' AND c.existing <> 'merge' AND c.finished_at >= a.at)
                ORDER BY 1, 2
                """, [.string(pipeline)]).map { StoredTableName.name($0[0], $0[1]) }
            return state
        }
    }

    private func parkedTransactions(of pipeline: String) throws(SQLiteFailure) -> [KeptTransaction] {
        var names: [Int64: [TableName]] = [:]
        for row in try database.rows(
            """
            SELECT DISTINCT c.parked, k.schema_name, k.table_name
            FROM main.tidemark_parked_change c JOIN main.tidemark_parked_capture k USING (pipeline, capture) WHERE c.pipeline = ? ORDER BY 1, 2, 3
            """, [.string(pipeline)]) { names[row[0].integer ?? 0, default: []].append(StoredTableName.name(row[1], row[2])) }
        return try database.rows(
            """
            SELECT p.id, p.transaction_id, p.parked_at, p.settled_with, p.schema_name, p.table_name, p.key, p.change_id, p.reason,
                c.changes, c.waiting, c.first_id, c.last_id
            FROM main.tidemark_parked p LEFT JOIN (
                SELECT parked, count(*) AS changes, sum(is_waiting) AS waiting, min(change_id) AS first_id, max(change_id) AS last_id
                FROM main.tidemark_parked_change WHERE pipeline = ?1 GROUP BY parked) c ON c.parked = p.id
            WHERE p.pipeline = ?1 ORDER BY p.id
            """, [.string(pipeline)]
        ).map { row in
            let fault = ParkedFault(
                transaction: row[1].string ?? "", table: row[5].string.map { _ in StoredTableName.name(row[4], row[5]) }, key: row[6].string,
                changeID: row[7].integer, reason: row[8].string ?? "")
            var kept = KeptTransaction(id: row[0].integer ?? 0, fault: fault, parkedAt: row[2].string ?? "", settledWith: row[3].integer ?? 0)
            (kept.changes, kept.waitingChanges) = (row[9].integer ?? 0, row[10].integer ?? 0)
            (kept.firstChangeID, kept.lastChangeID) = (row[11].integer ?? 0, row[12].integer ?? 0)
            kept.tables = names[kept.id] ?? []
            return kept
        }
    }

    package func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) throws -> [KeptChange] {
        try saying("what is parked cannot be read", pipeline: pipeline, path: path) {
            let parked = ParkedTables(database: database, pipeline: pipeline)
            guard try parked.exist() else { return [] }
            let waiting = Set(
                try database.rows(
                    "SELECT change_id FROM main.tidemark_parked_change WHERE pipeline = ? AND parked = ? AND is_waiting AND change_id > ? ORDER BY 1 LIMIT ?",
                    [.string(pipeline), .integer(id), .integer(changeID), .integer(Int64(limit))]).compactMap { $0[0].integer })
            guard let page = try parked.page(of: [id], after: changeID, limit: limit) else { return [] }
            let captured = try parked.tables()
            let tables = TargetTables(database, pipeline: pipeline)
            try tables.begin(captured)
            return page.changes.map { change in
                func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: page.bytes[$0], as: UTF8.self) } }
                var kept = KeptChange(
                    id: change.id, table: captured[change.capture]?.name ?? TableName(schema: nil, name: "?"), operation: change.operation,
                    key: text(change.key), image: text(change.image), isWaiting: waiting.contains(change.id))
                // Nil also where the table is not there, or the key means nothing to it.
                kept.targetRow = change.key.flatMap { key in try? standingRow(Array(page.bytes[key]), of: try tables.table(change.capture)) }
                return kept
            }
        }
    }

    private func standingRow(_ key: [UInt8], of table: TargetTable) throws -> String? {
        let (find, scratch) = (try table.statement(.find), ScratchBytes())
        defer { find.reset() }
        return try key.withUnsafeBufferPointer { bytes -> String? in
            try table.key.bind(bytes, to: find, scratch)
            guard try withExtendedLifetime(scratch, { try find.step() }) else { return nil }
            let members = zip(table.columnNames, find.row()).map { name, value in
                let shown = switch value {
                case .null: "null"
                case .integer(let number): String(number)
                case .real(let number): number.isFinite ? "\(number)" : "\"\(number)\""
                case .text(let text): SQLiteEncoding.jsonString(String(decoding: text, as: UTF8.self))
                case .blob(let blob): "\"x'\(blob.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined())'\""
                }
                return "\(SQLiteEncoding.jsonString(name)):\(shown)"
            }
            return "{\(members.joined(separator: ","))}"
        }
    }

    package func parkedAudit(of pipeline: String, limit: Int) throws -> [SettledTransaction] {
        try saying("the audit of parked changes cannot be read", pipeline: pipeline, path: path) {
            guard try ParkedTables(database: database, pipeline: pipeline).exist() else { return [] }
            return try database.rows(
                "SELECT id, at, by, action, parked, changes, detail FROM main.tidemark_parked_audit WHERE pipeline = ? ORDER BY id DESC LIMIT ?",
                [.string(pipeline), .integer(Int64(limit))]
            ).map { row in
                let tables = try database.rows(
                    "SELECT schema_name, table_name FROM main.tidemark_parked_audit_table WHERE audit = ? ORDER BY 1, 2", [row[0]])
                return SettledTransaction(
                    at: row[1].string ?? "", by: row[2].string ?? "", action: row[3].string ?? "", id: row[4].integer ?? 0,
                    changes: row[5].integer ?? 0, tables: tables.map { StoredTableName.name($0[0], $0[1]) }, detail: row[6].string)
            }
        }
    }
}
