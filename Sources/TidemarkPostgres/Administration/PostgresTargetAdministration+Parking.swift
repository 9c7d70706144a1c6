package import TidemarkCore

/// What is parked, for people.
extension PostgresTargetAdministration {
    package func parked(of pipeline: String) throws -> ParkedState {
        try reporting("what is parked cannot be read") {
            var state = ParkedState()
            guard try ParkedRecords(session: session, pipeline: pipeline).exist() else { return state }
            state.transactions = try parkedTransactions(of: pipeline)
            let tables = try session.query(
                """
                select k.schema_name, k.table_name from tidemark.parked_change c join tidemark.parked_capture k using (pipeline, capture)
                where pipeline = $1
                union
                select t.schema_name, t.table_name from tidemark.parked_audit a join tidemark.parked_audit_table t on t.audit = a.id
                where a.pipeline = $1 and a.action = 'skipped'
                  and not exists (select from tidemark.table_proof p where p.pipeline = a.pipeline and p.schema_name = t.schema_name
                      and p.table_name = t.table_name and p.is_finished and p.finished_at >= a.at and p.last_id >= a.last_id
                      and p.differences <= p.repaired)
                  and not exists (select from tidemark.table_copy c where c.pipeline = a.pipeline and c.schema_name = t.schema_name
                      and c.table_name = t.table_name and c.state = 'done' and c.existing <> 'merge' and c.finished_at >= a.at)
                order by 1, 2
                """, [.text(pipeline)])
            state.notExact = (0..<tables.count).map { ParkedRecords.name(tables[$0, 0], tables[$0, 1]) }
            return state
        }
    }

    private func parkedTransactions(of pipeline: String) throws(PostgresFailure) -> [KeptTransaction] {
        let rows = try session.query(
            """
            select p.id, p.transaction, p.parked_at, p.settled_with, p.schema_name, p.table_name, p.key, p.change_id, p.reason,
                   c.changes, c.waiting, c.first_id, c.last_id
            from tidemark.parked p left join (
                select parked, count(*) as changes, count(*) filter (where is_waiting) as waiting, min(change_id) as first_id,
                       max(change_id) as last_id
                from tidemark.parked_change where pipeline = $1 group by parked) c on c.parked = p.id
            where p.pipeline = $1 order by p.id
            """, [.text(pipeline)])
        let tables = try session.query(
            """
            select distinct c.parked, k.schema_name, k.table_name
            from tidemark.parked_change c join tidemark.parked_capture k using (pipeline, capture) where pipeline = $1 order by 1, 2, 3
            """, [.text(pipeline)])
        var names: [Int64: [TableName]] = [:]
        for row in 0..<tables.count {
            names[Int64(tables[row, 0] ?? "") ?? 0, default: []].append(ParkedRecords.name(tables[row, 1], tables[row, 2]))
        }
        return (0..<rows.count).map { row in
            func number(_ column: Int) -> Int64 { rows[row, column].flatMap { Int64($0) } ?? 0 }
            let fault = ParkedFault(
                transaction: rows[row, 1] ?? "", table: rows[row, 5].map { ParkedRecords.name(rows[row, 4], $0) }, key: rows[row, 6],
                changeID: rows[row, 7].flatMap { Int64($0) }, reason: rows[row, 8] ?? "")
            var kept = KeptTransaction(id: number(0), fault: fault, parkedAt: rows[row, 2] ?? "", settledWith: number(3))
            (kept.changes, kept.waitingChanges, kept.firstChangeID, kept.lastChangeID) = (number(9), number(10), number(11), number(12))
            kept.tables = names[kept.id] ?? []
            return kept
        }
    }

    package func parkedChanges(of pipeline: String, _ id: Int64, after changeID: Int64, limit: Int) throws -> [KeptChange] {
        try reporting("what is parked cannot be read") {
            let records = ParkedRecords(session: session, pipeline: pipeline)
            guard try records.exist() else { return [] }
            let known = try session.query(
                "select change_id, is_waiting from tidemark.parked_change where pipeline = $1 and parked = $2 and change_id > $3 order by 1 limit $4",
                [.text(pipeline), .text(String(id)), .text(String(changeID)), .text(String(limit))])
            let waiting = Set((0..<known.count).compactMap { known[$0, 1] == "t" ? known[$0, 0].flatMap { Int64($0) } : nil })
            guard let page = try records.page(of: [id], after: changeID, limit: limit) else { return [] }
            let standing = StandingRows(session: session, pipeline: pipeline, tables: try records.tables())
            return page.changes.indices.map { index in
                let change = page.changes[index]
                func text(_ range: Range<Int>?) -> String? { range.map { String(decoding: page.bytes[$0], as: UTF8.self) } }
                var kept = KeptChange(
                    id: change.id, table: standing.tables[change.capture]?.name ?? TableName(schema: nil, name: "?"),
                    operation: change.operation, key: text(change.key), image: text(change.image), isWaiting: waiting.contains(change.id))
                kept.targetRow = standing.row(of: index, in: page)
                return kept
            }
        }
    }

    package func parkedAudit(of pipeline: String, limit: Int) throws -> [SettledTransaction] {
        try reporting("the audit of parked changes cannot be read") {
            guard try ParkedRecords(session: session, pipeline: pipeline).exist() else { return [] }
            let rows = try session.query(
                "select id, at, by, action, parked, changes, detail from tidemark.parked_audit where pipeline = $1 order by id desc limit $2",
                [.text(pipeline), .text(String(limit))])
            return try (0..<rows.count).map { row in
                let tables = try session.query(
                    "select schema_name, table_name from tidemark.parked_audit_table where audit = $1 order by 1, 2", [.text(rows[row, 0] ?? "0")])
                return SettledTransaction(
                    at: rows[row, 1] ?? "", by: rows[row, 2] ?? "", action: rows[row, 3] ?? "", id: Int64(rows[row, 4] ?? "") ?? 0,
                    changes: Int64(rows[row, 5] ?? "") ?? 0, tables: (0..<tables.count).map { ParkedRecords.name(tables[$0, 0], tables[$0, 1]) },
                    detail: rows[row, 6])
            }
        }
    }
}

/// Rows as the target has them now.
private struct StandingRows {
    private let session: PostgresSession
    private let target: TargetTables
    let tables: [Int32: CapturedTable]

    init(session: PostgresSession, pipeline: String, tables: [Int32: CapturedTable]) {
        (self.session, self.tables) = (session, tables)
        target = TargetTables(
            session: session, context: ApplyContext(pipeline: pipeline, role: "", database: "", holdsTriggersStill: true, serverVersion: 0))
        target.captured = tables
    }

    /// As JSON; nil also where the table is not there, or the key means nothing to it.
    func row(of index: Int, in page: ChangePage) -> String? {
        let change = page.changes[index]
        guard change.key != nil else { return nil }
        do {
            var single = ChangePage()
            single.take(index, from: page)
            let table = try target.statements(change.capture).target
            let readable = try target.readable(single)
            let keys = table.keys.map(\.recordDefinition).joined(separator: ", ")
            let rows = try session.query(
                """
                select row_to_json(t)::text from \(table.onlyName) as t cross join json_to_recordset($1) as x(\(keys))
                where \(table.keys.map(\.matches).joined(separator: " and ")) limit 1
                """, [.json(PageArray.keys([0], of: readable))])
            return rows[0, 0]
        } catch {
            return nil
        }
    }
}
