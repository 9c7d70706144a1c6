import TidemarkCore

/// Runs a statement over the changes of a shared table, and says of which one it failed.
struct ConflictFault {
    private let table: SharedTable
    /// A query for the lowest and the highest id.
    private let ids: String
    /// A query for the key of the change `$1`.
    private let key: String
    private var session: PostgresSession { table.session }

    init(_ table: SharedTable, ids: String, key: String) { (self.table, self.ids, self.key) = (table, ids, key) }

    /// - Parameter sql: with `$1` the highest id that takes part.
    @discardableResult
    func query(_ what: String, _ sql: String) throws -> PostgresRows {
        try session.run("savepoint tidemark_conflict")
        do {
            let rows = try session.query(sql, [.text(String(Int64.max))])
            try session.run("release savepoint tidemark_conflict")
            return rows
        } catch let failure {
            guard PageRefusal.isAboutRows(failure), !isRace(failure) else { throw error(failure, what) }
            throw try located(failure, what, sql)
        }
    }

    /// Somebody wrote a row that was not there when it was looked for.
    private func isRace(_ failure: PostgresFailure) -> Bool {
        failure.sqlState == PageRefusal.uniqueViolation && !table.unsettledIndexes.contains(failure.constraint)
    }

    private func error(_ failure: PostgresFailure, _ what: String) -> TidemarkError {
        if isRace(failure) { return table.changedMeanwhile() }
        return TargetFault(failure, context: table.context).error(what, table: table.captured.name)
    }

    /// Of as few changes as fail the last one is the row. Some twenty statements, whatever the size of the window.
    private func located(_ failure: PostgresFailure, _ what: String, _ sql: String) throws -> TidemarkError {
        try session.run("rollback to savepoint tidemark_conflict")
        let bounds = try session.query(ids)
        guard let first = bounds[0, 0].flatMap({ Int64($0) }), let last = bounds[0, 1].flatMap({ Int64($0) }) else { return error(failure, what) }
        var (passing, failing, found) = (first - 1, last, failure)
        while passing + 1 < failing {
            let middle = passing + (failing - passing) / 2
            do {
                try session.query(sql, [.text(String(middle))])
                passing = middle
            } catch {
                guard PageRefusal.isAboutRows(error) else { throw error }
                (failing, found) = (middle, error)
            }
            try session.run("rollback to savepoint tidemark_conflict")
        }
        let row = try session.query(key, [.text(String(failing))])
        return TargetFault(found, context: table.context).error(what, table: table.captured.name, key: row[0, 0], changeID: failing)
    }
}
