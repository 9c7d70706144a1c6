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
    /// What becomes of what tidemark applied; nil where it applied nothing in the window.
    var applied: AppliedChanges?
    /// Those of the captures whose every change is asked for, with what its row was before.
    var kept: Set<Int32> = []
    /// Those of the captures whose rows are not what the target gets.
    var shaped: [ShapedTable] = []

    /// What the rows have beside what every change has.
    var beside: ChangeColumns {
        var columns = ChangeColumns()
        (columns.transactions, columns.befores, columns.origins) = (withTransactions || !kept.isEmpty, !kept.isEmpty, namesOrigins)
        return columns
    }

    private var namesOrigins: Bool { if case .passedOn = applied { true } else { false } }

    private func besides(_ before: String, _ origin: String) -> String {
        (beside.transactions ? ", xid" : "") + (beside.befores ? ", \(before)" : "") + (beside.origins ? ", \(origin)" : "")
    }

    private var columns: String {
        // Of a truncation it says no row.
        "id, capture, operation, key, image"
            + besides("case when \(isKept) and operation <> 'T' then before end as before", "\(origin) as origin")
    }

    /// What the target has it from is as good as made there.
    private var origin: String {
        guard case .passedOn(except: let target?) = applied else { return AppliedRecord.origin }
        return "case when \(AppliedRecord.isKnown(in: target)) then \(PostgresIdentifier.literal(target)) else \(AppliedRecord.origin) end"
    }

    private var isKept: String { "capture = any (\(Self.array(kept.sorted())))" }

    private static func array(_ captures: [Int32]) -> String { "'{\(captures.map(String.init).joined(separator: ","))}'::int[]" }

    private var log: String { "from tidemark.data_changes where id between \(ids.lowerBound) and \(ids.upperBound)" }

    private var isTaken: String {
        """
        \(kept.isEmpty ? "operation <> 'B'" : "(operation <> 'B' or \(isKept))")
        and pg_visible_in_snapshot(xid, '\(end)'::pg_snapshot) and not pg_visible_in_snapshot(xid, '\(start)'::pg_snapshot)
        and capture = any (\(Self.array(captures)))\(hasOrigin)
        """
    }

    private var hasOrigin: String {
        switch applied {
        case nil, .passedOn(except: nil): ""
        case .leftOut: " and \(AppliedRecord.isOwn)"
        case .passedOn(except: let target?):
            // A transaction logs only once what it found of a row: what it applied first is what the rest of it was made from.
            " and (not \(AppliedRecord.isKnown(in: target))\(kept.isEmpty ? "" : " or \(isKept)"))"
        }
    }

    /// Is a change one that a later one of its row replaces?
    private var isFoldable: String { "key is not null\(kept.isEmpty ? "" : " and not \(isKept)")" }

    /// Every change.
    var inOrder: String { selection("\(log) and \(isTaken)") }

    /// The last change of each row that has a key, and every other change: what remains of a page when it is folded.
    /// The log is scanned twice: keeping a piece of it, with its images, costs more.
    var folded: String {
        selection(
            """
            \(log) and (
                id in (select max(id) \(log) and \(isTaken) and \(isFoldable) group by capture, key collate "C")
                or not (\(isFoldable)) and \(isTaken))
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
                   \(keys.isEmpty ? "key" : "case capture \(keys.joined(separator: " ")) else key end"), shaped\(besides("before", "origin"))
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
            select count(*) as changes \(log) and \(isTaken) and \(isFoldable) group by capture, key collate "C") of_row
        """
    }
}
