/// Rows of one side at a position that is held. One connection, confined to one thread; every call blocks.
///
/// Throws `TidemarkError` only.
package protocol RowReading: AnyObject {
    /// Lets the position go; what is not held may be released too.
    func release()

    /// By what the key columns are ordered, a term for each. Two sides with the same terms agree on
    /// which rows lie between two keys. Empty where the table has no key.
    func keyOrder(of table: CapturedTable) throws -> [String]

    /// Digests of the rows of a part, by the bucket that a hash of the key puts them into. Computed
    /// where the rows are. Two sides of one engine agree on equal rows; of two engines they need not.
    /// - Parameter buckets: how many, a power of two.
    func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest]

    /// Every row of a part that falls into one of the chosen buckets, in any order.
    func list(_ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void) throws

    /// For each of the rows with these keys, a hash of each column, in the order of the table's columns.
    func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]]
}

/// The rows of a source.
package protocol RowSource: RowReading {
    /// As `ChangeSource.shape`: the tables of positions and parts, and all that is read of them, are as the target knows them.
    func shape(_ rules: TableRules) throws

    /// How many connections may read at one position.
    var readersMax: Int { get }

    /// For how long a position may be held while a table is copied, in milliseconds: as long as nobody
    /// on the source feels it.
    var holdMaxMs: Int { get }

    /// Holds the source as it is now: all that is read until `release` is from this moment. The tables
    /// are locked against being altered before the moment is taken (BREAKS A7), but not against writers.
    func hold(_ tables: [TableName]) throws -> HeldPosition

    /// Sees what another connection holds.
    func join(_ position: HeldPosition) throws

    /// Does somebody wait for a lock that the position keeps?
    func isInTheWay() throws -> Bool

    func size(of table: CapturedTable) throws -> TableSize

    /// A key with about so many rows of the part up to it, or nil where there are no more than that.
    func key(in part: TablePart, afterRows rows: Int) throws -> String?

    /// Is the condition one that the source can read?
    func check(condition: String, of table: CapturedTable) throws

    /// Hands over the rows of a part, in any order.
    ///
    /// As changes, each is an upsert, or an insertion where the table has no key; of a part that is a
    /// list of keys, a row that is not there is a delete.
    func read(_ part: TablePart, as form: RowForm, _ receive: (RowPage) throws -> Void) throws
}

/// The rows of a target.
package protocol TargetReader: RowReading {
    /// Holds the target as it is now.
    /// - Throws: with `.moved` unless the pipeline's cursor is where it is said to be.
    func hold(_ tables: [CapturedTable], at cursor: Cursor) throws

    func count(_ part: TablePart) throws -> Int64

    /// Which rows of the target are not what these changes would make of them.
    func compare(_ page: ChangePage, of table: CapturedTable) throws -> [RowDifference]

    /// The rows of a part whose keys are in none of the pages.
    func extras(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws
}

extension RowSource {
    /// Of engines that hand over what they hold.
    package func shape(_ rules: TableRules) throws {
        guard !rules.isShaping else { throw Unshapeable.error() }
    }
}
