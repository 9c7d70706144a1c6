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
    /// Those of the captures whose rows are not what the target gets.
    var shaped: [ShapedTable] = []

    private var columns: String { "id, capture, operation, key, image\(withTransactions ? ", xid" : "")" }

    private var log: String { "from tidemark.data_changes where id between \(ids.lowerBound) and \(ids.upperBound)" }

    private var isTaken: String {
        """
        operation <> 'B' and pg_visible_in_snapshot(xid, '\(end)'::pg_snapshot) and not pg_visible_in_snapshot(xid, '\(start)'::pg_snapshot)
        and capture = any ('{\(captures.map(String.init).joined(separator: ","))}'::int[])
        """
    }

    /// Every change.
    var inOrder: String { selection("\(log) and \(isTaken)") }

    /// The last change of each row that has a key, and every other change: what remains of a page when it is folded.
    /// The log is scanned twice: keeping a piece of it, with its images, costs more.
    var folded: String {
        selection(
            """
            \(log) and (
                id in (select max(id) \(log) and \(isTaken) and key is not null group by capture, key collate "C")
                or key is null and \(isTaken))
            """)
    }

    private func selection(_ rows: String) -> String {
        guard !shaped.isEmpty else { return "select \(columns) \(rows) order by id" }
        // A row's last image in the log is its last image in the table: one that is none of the target's (any more) is deleted
        // there, by its key; without a key, the row before and the row now are two changes, each taken or not.
        let keys = shaped.compactMap { table in table.loggedKey.map { "when \(table.source.capture) then \($0)" } }
        let images = shaped.map { "when \($0.source.capture) then \($0.loggedImage)" }
        return """
            select id, capture, case when key is not null and image is not null and shaped is null then 'D'::"char" else operation end,
                   \(keys.isEmpty ? "key" : "case capture \(keys.joined(separator: " ")) else key end"), shaped\(withTransactions ? ", xid" : "")
            from (select \(columns), case when image is null or operation not in ('I', 'U', 'D') then image else case capture
                  \(images.joined(separator: "\n"))
                  else image end end as shaped
                  \(rows) offset 0) taken
            where key is not null or image is null or shaped is not null
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
