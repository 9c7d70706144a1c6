/// A target that takes rows beside the stream. One connection, confined to one thread; every call blocks.
///
/// What is loaded was read at the source where the pipeline's cursor stands, and the cursor is held there
/// until it is committed: so a load can never overwrite anything newer. Throws `TidemarkError` only, with
/// `.moved` where the cursor is somewhere else.
package protocol RowTarget: AnyObject {
    /// How many connections may load at a time.
    var loadersMax: Int { get }

    /// The form in which rows of a table reach it fastest from a source of this engine.
    func form(of table: CapturedTable, from engine: String) throws -> RowForm

    /// The order in which tables have to be loaded, in groups of which each may be loaded at once. In a
    /// table of `whole` rows refer to each other, so that it cannot be loaded in parts.
    func loadingOrder(_ tables: [CapturedTable]) throws -> (groups: [[CapturedTable]], whole: Set<TableName>)

    func hasRows(_ table: CapturedTable) throws -> Bool

    /// Makes a table ready for its copy: empties it, or refuses it, as `existing` says, and saves the copy.
    func begin(_ copy: TableCopy, of table: CapturedTable, at cursor: Cursor) throws

    /// Loads rows in one transaction.
    ///
    /// - Parameters:
    ///   - copy: of a table that is loaded at one moment: it is emptied or refused here, and the copy is saved in the
    ///     same transaction, with the rows and bytes counted in; the cursor's revision is raised. Nil for any other.
    ///   - nextPage: what it throws rolls back.
    /// - Throws: `RowsExist` where rows in native form meet rows that are there, or are refused: as changes
    ///   they overwrite them, and the one that is refused is named. With `.staged` where the same rows have
    ///   to be given again in that order.
    /// - Returns: how many rows were loaded.
    func load(
        _ table: CapturedTable, as form: RowForm, order: ApplyOrder, at cursor: Cursor, saving copy: TableCopy?,
        nextPage: () throws -> RowPage?
    ) throws -> Int64

    /// Applies changes to one table in one transaction, and logs what they repair.
    func repair(
        _ differences: [RowDifference], of table: CapturedTable, with changes: ChangePage, at cursor: Cursor
    ) throws

    /// The statements that would bring the changes in, with their values, for a person to read and run.
    func statements(for changes: ChangePage, of table: CapturedTable) throws -> [String]

    /// Such statements as one transaction that also moves the cursor, for a person to run.
    func script(of statements: [String], moving cursor: Cursor, to moved: Cursor) throws -> [String]

    /// Runs statements that waited for the end of a copy, while the worker of that epoch holds the pipeline; those whose
    /// work is done already are left out.
    func finish(_ table: TableName, running statements: [String], at cursor: Cursor) throws

    /// Saves a copy, while the worker of that epoch holds the pipeline.
    /// - Parameter changesStream: does the stream treat the table differently from now on? Then every
    ///   process that works on the pipeline has to look before it goes on.
    func save(_ copy: TableCopy, at cursor: Cursor, changesStream: Bool) throws

    /// Of each table the last look that came to its end, and one that did not.
    func proofs() throws -> [TableProof]
    /// - Parameter ended: is this the end of the look, at this moment?
    func save(_ proof: TableProof, ended: Bool) throws
}

/// Rows in native form met rows that the target has: they have to come as changes.
package struct RowsExist: Error {
    package init() {}
}
