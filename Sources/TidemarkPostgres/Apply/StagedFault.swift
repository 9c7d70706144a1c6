import TidemarkCore

/// Finds the row that the target refuses in a staged window.
struct StagedFault {
    let tables: TargetTables
    let stage: WindowStage
    let steps: [StagedStep]
    let truncated: [TargetTable]
    private var session: PostgresSession { tables.session }

    init(tables: TargetTables, stage: WindowStage, steps: [StagedStep], truncated: [TargetTable]) {
        (self.tables, self.stage, self.steps, self.truncated) = (tables, stage, steps, truncated)
    }

    /// Sets the place to return to, and empties what the window truncated.
    func begin() throws {
        try session.run("savepoint tidemark_flush")
        try empty()
    }

    private func empty() throws {
        do {
            try Truncation(session: session, context: tables.context).empty(truncated)
        } catch let refused as Truncation.WouldCascade {
            throw refused.error(tables.context)
        } catch let failure as PostgresFailure {
            throw fault(failure).error("a table cannot be truncated", table: truncated.first?.captured.name)
        }
    }

    /// Does the steps up to the one that failed again, and of that one as few changes as fail: the last
    /// of them is the row. Some twenty statements, whatever the size of the window.
    func error(_ failure: PostgresFailure, at place: Int) throws -> TidemarkError {
        let table = steps[place].table.captured.name
        guard PageRefusal.isAboutRows(failure) else {
            return fault(failure).error("the target refused a change", table: table)
        }
        try session.run("rollback to savepoint tidemark_flush")
        try empty()
        for step in steps[..<place] { try step.run(through: .max, stage, session) }
        try session.run("savepoint tidemark_probe")
        var (passing, failing, found) = (stage.firstID - 1, stage.lastID, failure)
        while passing + 1 < failing {
            let middle = passing + (failing - passing) / 2
            if let refused = try probe({ try steps[place].run(through: middle, stage, session) }) {
                (failing, found) = (middle, refused)
            } else {
                passing = middle
            }
        }
        let key = try stage.key(of: failing, in: session)?.key
        return fault(found).error(
            "the target refused a change", table: table, key: key, changeID: failing,
            columns: try columns(of: steps[place].table.target, found, change: failing))
    }

    /// What the server says to a statement, which is undone in any case.
    private func probe(_ body: () throws -> Void) throws -> PostgresFailure? {
        var refused: PostgresFailure?
        do {
            try body()
        } catch let failure as PostgresFailure {
            guard PageRefusal.isAboutRows(failure) else { throw failure }
            refused = failure
        }
        try session.run("rollback to savepoint tidemark_probe")
        return refused
    }

    /// The columns whose values by themselves are refused.
    private func columns(of target: TargetTable, _ failure: PostgresFailure, change id: Int64) throws -> [String] {
        let null = failure.sqlState == "23502"
        guard null || failure.sqlState.hasPrefix("22") else { return [] }
        var refused = null ? target.missingValues : []
        for column in target.written where !null || column.isNotNull {
            let sql = """
                select \(column.fromRecord()) is null
                from pg_temp.\(WindowStage.table) w cross join lateral json_to_record(w.image) as x(\(column.recordDefinition))
                where w.id = $1
                """
            let isRefused = try probe {
                let rows = try session.query(sql, [.text(String(id))])
                if null, rows[0, 0] == "t" { throw failure }
            }
            if isRefused != nil { refused.append(column.name) }
        }
        return refused
    }

    /// Checks the constraints that were put off to the end of the window.
    func checkDeferred(_ order: [TableStatements]) throws {
        try session.run("savepoint tidemark_probe")
        do {
            try session.run("set constraints all immediate; set constraints all deferred")
        } catch {
            guard PageRefusal.isAboutRows(error) else { throw error }
            try session.run("rollback to savepoint tidemark_probe")
            throw try unmatched(error, order)
        }
    }

    private func unmatched(_ failure: PostgresFailure, _ order: [TableStatements]) throws -> TidemarkError {
        for table in order where !table.captured.keyColumns.isEmpty {
            let target = table.target
            guard let broken = target.foreignKeys.first(where: { $0.name == failure.constraint && $0.child == target.oid })
            else { continue }
            let keys = target.keys.map(\.recordDefinition).joined(separator: ", ")
            let rows = try session.query(
                """
                select w.id, w.key from pg_temp.\(WindowStage.table) w
                cross join lateral json_to_record(w.key) as x(\(keys))
                join \(target.onlyName) as t on \(target.keys.map(\.matches).joined(separator: " and "))
                where w.capture = $1 and w.key is not null and \(broken.hasNoParent) order by w.id desc limit 1
                """, [.text(String(table.captured.capture))])
            return fault(failure).error(
                "the target refused a change", table: target.captured.name, key: rows[0, 1], changeID: rows[0, 0].flatMap { Int64($0) })
        }
        let table = order.first { $0.captured.atTarget.name == failure.table }?.captured.name
        return fault(failure).error("the target refused a window", table: table)
    }

    private func fault(_ failure: PostgresFailure) -> TargetFault { TargetFault(failure, context: tables.context) }
}
