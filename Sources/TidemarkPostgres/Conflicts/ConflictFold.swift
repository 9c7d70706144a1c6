import TidemarkCore

/// Brings the changes of each key in a run to one step: what the row was, and what became of it.
///
/// Only a chain is brought together, in which each transaction found what the one before it had left. Where it found something
/// else, the source had meanwhile taken a change of ours, or of a third database: what follows is a step of its own, in the next
/// round.
struct ConflictFold {
    static let steps = "pg_temp.tidemark_step"

    private let table: SharedTable
    private var rows: SharedRows { table.rows }

    init(_ table: SharedTable) { self.table = table }

    func run() throws {
        try ConflictFault(table, ids: "select min(id), max(id) from \(ConflictStage.table) where capture = \(table.captured.capture)", key: Self.keyOfChange)
            .query("a change cannot be compared", sql)
    }

    private static let keyOfChange = "select key::text from \(ConflictStage.table) where id = $1 limit 1"

    /// What has one base: in SQLite, each change and what was logged before it, which numbers no transactions.
    private var transaction: String {
        table.captured.encoding == .storageClasses ? "(count(*) filter (where begins) over (partition by key order by id))::text" : "xid"
    }

    /// - `$1`: changes with higher ids do not take part.
    private var sql: String {
        func image(_ column: String) -> String {
            "case when w.\(column) is not null then (select \(rows.image("i")) from \(rows.record("w.\(column)")) i) end"
        }
        return """
            insert into \(Self.steps)
            with logged as materialized (
                select w.run, w.id, w.xid, w.operation, (select \(rows.key("i")) from \(rows.keyRecord("w.key")) i) as key,
                       \(image("image")) as image, \(image("before")) as before
                from \(ConflictStage.table) w where w.capture = \(table.captured.capture) and w.id <= $1
            ), change as (
                select run, id, \(transaction) as xid, operation, key, image, before
                from (select *, operation = 'B' and lag(operation) over (partition by key order by id) is distinct from 'B' as begins from logged) l
            ), transaction as (
                select key, run, xid, min(id) as first_id, max(id) filter (where operation <> 'B') as change_id,
                       (array_agg(before order by id) filter (where before is not null))[1] as before,
                       (array_agg(operation order by id desc) filter (where operation <> 'B'))[1] as operation,
                       (array_agg(coalesce(image, before) order by id desc) filter (where image is not null or operation = 'D' and before is not null))[1] as image
                from change group by key, run, xid
            ), left_by as (
                select *, case operation when 'D' then null when 'I' then image when 'U' then image else before end as remains
                from transaction
            ), found as (
                -- A transaction logs only once what it found, and so not in its later runs.
                select *, case when lag(xid) over w = xid then lag(remains) over w else before end as base,
                       lag(run) over w as last_run, lag(remains) over w as last_remains
                from left_by window w as (partition by key order by first_id)
            ), chain as (
                select *, count(*) filter (where last_run is distinct from run or last_remains is distinct from base)
                    over (partition by key, run order by first_id) as round
                from found
            ), folded as (
                select run, round, key, max(change_id) as change_id, (array_agg(base order by first_id))[1] as before,
                       (array_agg(operation order by first_id desc) filter (where operation is not null))[1] as operation,
                       (array_agg(image order by first_id desc) filter (where image is not null))[1] as image,
                       (array_agg(base order by first_id desc) filter (where base is not null))[1] as last_base
                from chain group by run, round, key
            )
            select \(table.captured.capture), run, row_number() over (partition by run, key order by round), key, change_id, before,
                   coalesce(image, last_base), operation = 'D'
            from folded where operation is not null and coalesce(image, last_base) is not null
            """
    }
}
