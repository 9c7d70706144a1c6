import TidemarkCore

/// The changes of a window that concern rows which others write, too: put aside until the window is there, and decided upon then,
/// run by run of one origin.
final class ConflictTables {
    private let database: SQLiteDatabase
    private let pipeline: String
    private var schema: SQLiteValue?
    private var captured: [Int32: CapturedTable] = [:]
    private var known: [Int32: ConflictTable] = [:]
    private var runs: [Run] = []
    private var generations: [String: Int32] = [:]
    /// Where a rule stopped a window, until that is recorded.
    var stoppedAt: StoppedConflict?

    /// Changes of one origin, of one generation of each table.
    private struct Run {
        var origin: String?
        var captures: [Int32]
    }

    init(_ database: SQLiteDatabase, pipeline: String) { (self.database, self.pipeline) = (database, pipeline) }

    /// Inside the window's transaction, in which the schema cannot change.
    func begin(_ captured: [Int32: CapturedTable]) throws(SQLiteFailure) {
        (runs, generations) = ([], [:])
        guard captured.values.contains(where: { $0.conflicts != nil }) else { return }
        let version = try database.rows("PRAGMA main.schema_version").first?.first
        if version != schema || captured != self.captured { known = [:] }
        (schema, self.captured) = (version, captured)
        for table in known.values { try table.clear() }
    }

    /// What was made in a transaction that was rolled back is gone.
    func forget() { known = [:] }

    func take(_ index: Int, of page: ChangePage) throws {
        let change = page.changes[index]
        let table = try table(change.capture)
        let name = SQLiteIdentifier.folded(table.name)
        let origin = page.origin(index)
        let isRenewed = generations.updateValue(change.capture, forKey: name).map { $0 != change.capture } ?? false
        if runs.isEmpty || runs[runs.count - 1].origin != origin || isRenewed { runs.append(Run(origin: origin, captures: [])) }
        if !runs[runs.count - 1].captures.contains(change.capture) { runs[runs.count - 1].captures.append(change.capture) }
        try table.take(index, of: page, run: runs.count - 1)
    }

    /// - Parameter source: where changes without an origin were made.
    func settle(marks: AppliedMarks, source: String) throws {
        // What was first made here only tells what others were made from.
        let own = try runs.contains { $0.origin != nil } ? ChangeLog(database: database).installID() : nil
        for (number, run) in runs.enumerated() where run.origin == nil || run.origin != own {
            for capture in run.captures {
                let table = try table(capture)
                do {
                    try table.settle(run: number, origin: run.origin, marks: marks, source: source)
                } catch let conflict as StoppedConflict {
                    stoppedAt = conflict
                    throw conflict.error(table: table.sourceName, pipeline: pipeline)
                }
            }
        }
        runs = []
    }

    private func table(_ capture: Int32) throws -> ConflictTable {
        if let table = known[capture] { return table }
        guard let found = captured[capture] else { preconditionFailure("a change of a table that is not shared was put aside") }
        guard try database.hasTable("tidemark_tombstone") else { throw OlderTarget.error(pipeline) }
        let table = try ConflictTable(found, in: database, pipeline: pipeline)
        known[capture] = table
        return table
    }
}
