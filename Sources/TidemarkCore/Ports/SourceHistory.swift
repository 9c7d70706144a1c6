/// The past of a source, as far as its log holds it. One connection, confined to one thread; every call blocks.
///
/// Throws `TidemarkError` only.
package protocol SourceHistory: AnyObject {
    func identity() throws -> String
    func capturedTables() throws -> [CapturedTable]
    func selection(of pipeline: String) throws -> TableSelection?

    /// The newest place that is named so.
    /// - Throws: where the log does not lead back so far, saying from where it does.
    func place(_ name: PlaceName) throws -> HistoryPlace

    /// Holds the moment up to which `changes` looks.
    /// - Returns: the highest change id drawn.
    func holdNow() throws -> Int64

    /// What became of the rows of a table since a place, in the order in which they were first touched.
    func changes(of table: CapturedTable, since place: HistoryPlace, _ receive: (RowHistory) throws -> Void) throws

    /// Refuses what cannot be taken back from a place to an earlier one, naming the table and the way out.
    func requireOldImages(of tables: [CapturedTable], from start: Snapshot, backTo place: HistoryPlace) throws

    /// Hands over the changes that take rows from a place back to an earlier one: one for each row that was touched
    /// between the two.
    func readBack(
        _ tables: [CapturedTable], from start: Snapshot, to place: HistoryPlace, _ receive: (ChangePage) throws -> Void) throws

    /// Rows as they were before the changes in a range of ids, as far as the log holds them, in the order of the ids that
    /// they are logged with: at or before that of the first change of the row in its transaction.
    func oldImages(_ ids: ClosedRange<Int64>) throws -> [OldImage]

    /// Keeps what a pipeline needs that goes on from an earlier place than it has confirmed.
    /// - Throws: where some of it is gone.
    func keep(_ pipeline: String, from place: HistoryPlace) throws
}
