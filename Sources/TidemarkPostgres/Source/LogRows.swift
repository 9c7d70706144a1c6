import TidemarkCore

/// Queries for the rows of the log in a range of ids that one snapshot sees and another does not.
///
/// COPY takes no parameters: the values are numbers and snapshots that were parsed here.
struct LogRows {
    var ids: ClosedRange<Int64>
    var start: TransactionSnapshot
    var end: TransactionSnapshot
    var captures: [Int32]
    var withTransactions = false

    private var columns: String { "id, capture, operation, key, image\(withTransactions ? ", xid" : "")" }

    private var log: String { "from tidemark.data_changes where id between \(ids.lowerBound) and \(ids.upperBound)" }

    private var isTaken: String {
        """
        operation <> 'B' and pg_visible_in_snapshot(xid, '\(end)'::pg_snapshot) and not pg_visible_in_snapshot(xid, '\(start)'::pg_snapshot)
        and capture = any ('{\(captures.map(String.init).joined(separator: ","))}'::int[])
        """
    }

    /// Every change.
    var inOrder: String { "select \(columns) \(log) and \(isTaken) order by id" }

    /// The last change of each row that has a key, and every other change: what remains of a page when it is folded.
    /// The log is scanned twice: keeping a piece of it, with its images, costs more.
    var folded: String {
        """
        select \(columns) \(log) and (
            id in (select max(id) \(log) and \(isTaken) and key is not null group by capture, key collate "C")
            or key is null and \(isTaken))
        order by id
        """
    }

    /// How many changes have a key, and how many rows they are of.
    var repetition: String {
        """
        select sum(changes), count(*) from (
            select count(*) as changes \(log) and \(isTaken) and key is not null group by capture, key collate "C") of_row
        """
    }
}
