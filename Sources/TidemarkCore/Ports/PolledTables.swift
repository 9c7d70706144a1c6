/// A source that is only read: by a role that may do nothing else, in a database in which nothing of tidemark's is. One connection,
/// confined to one thread; every call blocks.
///
/// Throws `TidemarkError` only. After one that may be retried later, the connection is of no use.
package protocol PolledSource: AnyObject {
    /// Which database this is, as far as a reader can tell. A restored dump may be the same.
    func identity() throws -> String

    /// The user tables that the selection takes, by name, with capture 0; shaped as the rules say.
    func tables(_ selection: TableSelection, _ rules: TableRules) throws -> [CapturedTable]

    /// All that is read until `release` is from this moment, and the tables cannot be altered meanwhile.
    func hold(_ tables: [TableName]) throws
    func release()

    func size(of table: CapturedTable) throws -> TableSize

    /// A key with about so many rows of the part up to it; nil where there are no more than that, or the table has no key.
    func key(in part: TablePart, afterRows rows: Int) throws -> String?

    /// Hands over the rows of a part, in any order, each as an upsert, or an insertion where the table has no key.
    func read(_ part: TablePart, _ receive: (ChangePage) throws -> Void) throws

    /// By what the key columns are ordered, as `RowReading.keyOrder`: only where both sides say the same are ranges of keys the same rows
    /// on both. Empty where that cannot be said.
    func keyOrder(of table: CapturedTable) throws -> [String]

    /// What the source can say now of how far a table has come.
    ///
    /// A mark without a horizon counts once the rows up to it were read by a `hold`, or a `read`, that came after. One with a horizon
    /// counts once they were read by one that came after `isPast` said so: what was open here may have committed rows since.
    func reach(of table: CapturedTable, by reading: IncrementalReading) throws -> IncrementalReach

    /// Has everything ended that was open when this horizon was taken?
    func isPast(_ horizon: String) throws -> Bool

    /// Hands over the rows behind a mark, up to and with another one; those without a value count as behind every mark. A row that the
    /// table's filter leaves out is a delete.
    func read(
        _ table: CapturedTable, by reading: IncrementalReading, after mark: ChangeMark?, through end: ChangeMark, _ receive: (ChangePage) throws -> Void) throws

    /// Hands over the keys of the rows of a part, each as an upsert without an image.
    func keys(of part: TablePart, _ receive: (ChangePage) throws -> Void) throws
}

extension PolledSource {
    /// Of engines that cannot say.
    package func keyOrder(of table: CapturedTable) throws -> [String] { [] }
}

/// How far a table's changes reach, as a reader of its source sees it.
package struct IncrementalReach: Hashable, Sendable {
    /// The highest there is; nil where there is no row to be read.
    package var mark: ChangeMark?
    /// What still may commit with a lower one: nil for nothing.
    package var horizon: String?

    package init(mark: ChangeMark?, horizon: String?) { (self.mark, self.horizon) = (mark, horizon) }
}

/// A target of polled tables. One connection, confined to one thread; every call blocks.
///
/// Each call that writes is one transaction, in which the worker of that epoch still holds the pipeline. Throws `TidemarkError` only.
package protocol PolledTarget: AnyObject {
    /// How far each of the pipeline's polled tables is.
    func units() throws -> [SyncUnit]

    /// As `PolledSource.keyOrder`.
    func keyOrder(of table: CapturedTable) throws -> [String]

    /// Times that the unit lacks are the target's: of beginning where it is not waiting, of the end where it came to one.
    func save(_ unit: SyncUnit, epoch: Int64) throws

    /// Forgets tables that the pipeline polls no more.
    func forget(_ tables: [TableName], epoch: Int64) throws

    /// Upserts rows, and deletes those that are given as such, writing only what differs; with the unit, whose counts are raised.
    /// - Returns: the unit as it was saved.
    func apply(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit

    /// The same for a whole table, whose rows that are in none of the pages are deleted.
    func replace(_ unit: SyncUnit, of table: CapturedTable, epoch: Int64, nextPage: () throws -> ChangePage?) throws -> SyncUnit

    /// Deletes the rows of a part whose keys are in none of the pages. The part that ends where the table does notes the time.
    func deleteOthers(_ unit: SyncUnit, in part: TablePart, epoch: Int64, keys nextPage: () throws -> ChangePage?) throws -> SyncUnit

    /// A key with about so many rows of the part up to it; nil where there are no more than that.
    func key(in part: TablePart, afterRows rows: Int) throws -> String?
}

extension PolledTarget {
    /// Of engines that cannot say.
    package func keyOrder(of table: CapturedTable) throws -> [String] { [] }
}
