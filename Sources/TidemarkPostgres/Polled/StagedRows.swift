import TidemarkCore

/// One transaction's rows of one table: put aside page by page, then written where they differ.
struct StagedRows {
    private let stage: RowStage
    private let session: PostgresSession
    private let context: ApplyContext
    private let keysOnly: Bool
    /// The place of the last row.
    private var last = 0
    /// That many rows are tried at once where one of them was refused.
    private static let triedMax = 20_000
    /// Below that, the planner's guess is good enough.
    private static let analyzedMin = 1_000

    /// What makes the temporary table.
    let creation: String

    /// - Parameter standing: what made the temporary table that the session has, if it has one: it is made anew only for other columns.
    init(_ target: TargetTable, in session: PostgresSession, _ context: ApplyContext, keysOnly: Bool = false, standing: String?) throws {
        stage = RowStage(target)
        (self.session, self.context, self.keysOnly) = (session, context, keysOnly)
        creation = stage.creation(keysOnly: keysOnly)
        guard standing != creation else { return }
        do {
            try session.run("drop table if exists \(RowStage.table)")
            try session.run(creation)
        } catch {
            // So that the remedy speaks of this table, and not of the one that is replicated.
            var named = error
            named.table = WindowStage.table
            throw named
        }
    }

    /// - Parameter indices: of the changes whose rows, or keys, are meant.
    mutating func add(_ indices: [Int], of page: ChangePage) throws {
        guard !indices.isEmpty else { return }
        let sql = stage.filling(keysOnly: keysOnly)
        let before = String(last)
        func fill(_ some: [Int]) throws(PostgresFailure) {
            let rows = keysOnly ? PageArray.keys(some, of: page) : PageArray.images(some, of: page)
            try session.query(sql, [.json(rows), .text(before)])
        }
        try session.run("savepoint tidemark_page")
        do {
            try fill(indices)
            try session.run("release savepoint tidemark_page")
        } catch {
            guard PageRefusal.isAboutRows(error) else { throw error }
            try session.run("rollback to savepoint tidemark_page")
            let (place, found) = try firstRefused(of: indices.count, error) { (count) throws(PostgresFailure) in try fill(Array(indices[..<count])) }
            let key = page.changes[indices[place - 1]].key.map { String(decoding: page.bytes[$0], as: UTF8.self) }
            throw refusal(found, key: key)
        }
        last += indices.count
    }

    /// Tells the planner what is there.
    private func analyze() throws(PostgresFailure) {
        if last >= Self.analyzedMin { try session.run("analyze \(RowStage.table)") }
    }

    /// - Returns: how many rows of the part were in no page, and are gone.
    func removeOthers(in range: KeyRange? = nil) throws -> Int64 {
        try analyze()
        do {
            let keyed = !stage.target.keys.isEmpty
            return Int64(try session.query(keyed ? stage.removalOfOthers(range?.conditions ?? []) : stage.removalOfSurplus).affected)
        } catch {
            guard PageRefusal.isAboutRows(error) else { throw error }
            throw refusal(error, key: nil)
        }
    }

    /// - Returns: how many rows differed, or were not there.
    func write() throws -> Int64 {
        guard last > 0 else { return 0 }
        try analyze()
        if stage.target.keys.isEmpty { try session.query(stage.missing) }
        try session.run("savepoint tidemark_rows")
        do {
            return try write(anew: stage.update == nil, 1...last)
        } catch {
            let failure = error
            guard PageRefusal.isAboutRows(failure) else { throw failure }
            try session.run("rollback to savepoint tidemark_rows")
            // Rows that swap unique values fit once all that differ are gone; without the replica role that would fire cascades.
            let anew = context.holdsTriggersStill && !stage.target.keys.isEmpty
            if anew, ["23505", "23P01"].contains(failure.sqlState), let written = try attempt({ () throws(PostgresFailure) in try write(anew: true, 1...last) }) { return written }
            throw try fault(failure, anew: anew || stage.update == nil)
        }
    }

    private func write(anew: Bool, _ places: ClosedRange<Int>, removing: Bool = true) throws(PostgresFailure) -> Int64 {
        let bounds: [PostgresParameter] = [.text(String(places.lowerBound)), .text(String(places.upperBound))]
        guard !stage.target.keys.isEmpty else { return Int64(try session.query(stage.wholeInsertion, bounds).affected) }
        var written = 0
        if let update = stage.update, !anew {
            written = try session.query(update, bounds).affected
        } else if removing {
            try session.query(stage.removalOfDiffering, bounds)
        }
        return Int64(written + (try session.query(stage.insertion, bounds).affected))
    }

    /// Nil where rows were refused; everything is as before then.
    private func attempt<Result>(_ body: () throws(PostgresFailure) -> Result) throws -> Result? {
        try session.run("savepoint tidemark_attempt")
        do {
            let result = try body()
            try session.run("release savepoint tidemark_attempt")
            return result
        } catch {
            guard PageRefusal.isAboutRows(error) else { throw error }
            try session.run("rollback to savepoint tidemark_attempt")
            return nil
        }
    }

    // MARK: Whose row it was

    /// Writes rows piece by piece, until one is refused.
    private func fault(_ failure: PostgresFailure, anew: Bool) throws -> TidemarkError {
        if anew, !stage.target.keys.isEmpty { try session.query(stage.removalOfDiffering, [.text("1"), .text(String(last))]) }
        var first = 1
        while first <= last {
            let piece = first...min(last, first + Self.triedMax - 1)
            if try attempt({ () throws(PostgresFailure) in try write(anew: anew, piece, removing: false) }) == nil {
                let (count, found) = try firstRefused(of: piece.count, failure) { (count) throws(PostgresFailure) in
                    _ = try write(anew: anew, first...first + count - 1, removing: false)
                }
                return refusal(found, key: try session.query(stage.identity, [.text(String(first + count - 1))])[0, 0])
            }
            first += Self.triedMax
        }
        return refusal(failure, key: nil)
    }

    /// Which is the last of as few rows from the first one on as are refused, and with what.
    private func firstRefused(
        of count: Int, _ failure: PostgresFailure, _ body: (Int) throws(PostgresFailure) -> Void
    ) throws -> (count: Int, PostgresFailure) {
        var (passing, failing, found) = (0, count, failure)
        while passing + 1 < failing {
            let middle = passing + (failing - passing) / 2
            try session.run("savepoint tidemark_probe")
            do throws(PostgresFailure) {
                try body(middle)
                passing = middle
            } catch {
                guard PageRefusal.isAboutRows(error) else { throw error }
                (failing, found) = (middle, error)
            }
            try session.run("rollback to savepoint tidemark_probe")
        }
        return (failing, found)
    }

    private func refusal(_ failure: PostgresFailure, key: String?) -> TidemarkError {
        var error = TargetFault(failure, context: context).error("the target refused a row", table: stage.target.captured.atTarget, key: key)
        error.table = stage.target.captured.name
        return error
    }
}
