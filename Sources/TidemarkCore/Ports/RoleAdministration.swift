/// What a change of roles does to one database of a pipeline, whichever of the two it is. One connection; every call
/// blocks.
///
/// Each call that changes something is one transaction: it has happened, or nothing has. Throws `TidemarkError` only.
package protocol RoleAdministration: AnyObject {
    /// Makes what keeps standings, and the guard's function, where they are missing; touches no table of the user's.
    func installRoles() throws

    /// Keeps every other change of the pipeline's roles away from this database, for as long as this object lives.
    /// - Throws: where another one is under way.
    func claim(_ pipeline: String) throws

    /// What the database is to the pipeline; nil where nobody has noted it.
    func standing(of pipeline: String) throws -> Standing?

    /// Notes a standing, and leaves guards as they are.
    func note(_ standing: Standing, of pipeline: String) throws

    /// The statements that `raiseGuard` would run.
    /// - Parameter made: those of the tables that are not there yet, and will be.
    func planGuard(on tables: [TableName], made: [TableName], of pipeline: String) throws -> [PlannedStatement]

    /// Refuses writes to the tables from now on, to everybody but tidemark's own workers, and notes the standing. Those
    /// that have written to a table end first. A table that is guarded already stays so, and one that is no longer
    /// named stays guarded too; one that is not there is passed over.
    /// - Parameter waitMs: how long it waits for writers, in tries that keep others waiting for a moment only.
    /// - Returns: for how long the try that came through has kept writers waiting, in seconds.
    /// - Throws: an error that names who is still writing; nothing is changed then.
    @discardableResult
    func raiseGuard(on tables: [TableName], of pipeline: String, noting standing: Standing, waitMs: Int) throws -> Double

    /// Lets applications write again, and notes the standing.
    /// - Parameter closing: the pipeline's cursor here, which nobody moves any more from now on.
    /// - Throws: where another worker has taken the pipeline over since that cursor was read.
    func liftGuard(of pipeline: String, noting standing: Standing, closing cursor: Cursor?) throws

    /// Lets others write, and forgets what the database was to the pipeline: roles are no concern of it any more.
    func forget(_ pipeline: String) throws
    func planForgetting(_ pipeline: String) throws -> [PlannedStatement]

    /// The tables whose guard is up, as this database names them.
    func guardedTables(of pipeline: String) throws -> Set<TableName>

    /// Which of these tables, named as the pipeline names them, others can write to: there is no guard on them, or not
    /// on each of their partitions. One that is not there is none of them.
    func unguarded(_ tables: [TableName], of pipeline: String) throws -> [TableName]

    /// Takes the pipeline's cursor from whoever holds it, and keeps workers from taking it over.
    /// - Parameter holder: the worker that may take it over all the same.
    func hold(_ pipeline: String, for reason: CursorHold.Reason, by holder: String) throws -> Cursor

    /// Lets workers take the pipeline over again.
    func release(_ pipeline: String) throws

    /// Lets the pipeline follow another database from this place on: whatever cursor, copies and proofs it has here give
    /// way to it. The tables hold all rows of that place already. The epoch goes on rising, so that no worker of before
    /// moves it.
    /// - Parameter tables: with the generation of capture that each has in the database followed. Its rows are complete
    ///   from there on: what passed unseen before does not matter, and what does later holds the table.
    func follow(_ cursor: Cursor, tables: [TableName: Int32], of pipeline: String) throws
}

extension RoleAdministration {
    package func planGuard(on tables: [TableName], of pipeline: String) throws -> [PlannedStatement] {
        try planGuard(on: tables, made: [], of: pipeline)
    }
}

/// Somebody else changes the roles of the same pipeline.
package enum RoleChangeUnderWay {
    package static func error(_ pipeline: String) -> TidemarkError {
        TidemarkError(
            "another change of roles is under way", pipeline: pipeline, why: "a switchover, failover or failback of this pipeline has not ended",
            remedy: "Let it end, or end its process; then type the command again. Nothing was changed by this one.")
    }
}
