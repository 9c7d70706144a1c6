import TidemarkCore

/// Queries for what the log says of rows between two places.
///
/// Of all transactions behind a place that touched a row, the one with the lowest id of a change was the first: the others
/// waited for it. What that one found is what the row was at the place.
struct LoggedPast {
    let table: CapturedTable
    let captures: [Int32]
    let ids: Int64
    let place: HistoryPlace
    let end: TransactionSnapshot

    init(table: CapturedTable, captures: [Int32], ids: Int64, place: HistoryPlace, end: TransactionSnapshot) {
        (self.table, self.captures, self.ids, self.place, self.end) = (table, captures, ids, place, end)
    }

    static func isBetween(_ place: HistoryPlace, and end: TransactionSnapshot, above id: Int64) -> String {
        """
        d.id > \(id) and pg_visible_in_snapshot(d.xid, '\(end)'::pg_snapshot)
        and not pg_visible_in_snapshot(d.xid, '\(place.snapshot)'::pg_snapshot)
        """
    }

    private var later: String {
        """
        later as materialized (
            select d.id, d.xid, d.capture, d.operation, d.key collate "C" as key, d.image, d.before from tidemark.data_changes d
            where d.capture = any ('{\(captures.map(String.init).joined(separator: ","))}'::int[]) and \(Self.isBetween(place, and: end, above: ids)))
        """
    }

    private static let kept = """
        first as materialized (select distinct on (l.capture, l.key) l.capture, l.key, l.id, l.xid, l.operation from later l where l.key is not null order by l.capture, l.key, l.id),
        kept as materialized (select distinct on (f.capture, f.key) f.capture, f.key, l.before from first f
            join later l on l.capture = f.capture and l.key = f.key and l.xid = f.xid and l.before is not null order by f.capture, f.key, l.id)
        """

    /// Key, whether the old image is known, the old image, the new one, whether the first change was an INSERT, count.
    /// What a truncation took has no change of its own behind it.
    var rows: String {
        """
        with \(later),
        first as materialized (select distinct on (l.key) l.key, l.id, l.xid, l.operation, l.capture from later l where l.key is not null order by l.key, l.id),
        kept as materialized (select distinct on (f.key) f.key, l.before from first f
            join later l on l.key = f.key and l.xid = f.xid and l.before is not null order by f.key, l.id),
        last as materialized (select distinct on (l.key) l.key, l.id, l.operation, l.image from later l
            where l.key is not null and l.operation <> 'B' order by l.key, l.id desc),
        before_last as (select l.key, max(l.id) as id from later l where l.key is not null and l.operation = 'B' group by l.key),
        truncated as (select coalesce(max(id) filter (where image is null), 0) as whole, coalesce(max(id) filter (where image is not null), 0) as leaf
            from later where operation = 'T')
        select f.key, c.images = 'both', k.before,
               case when l.operation <> 'D' and l.id > t.whole and not (coalesce(b.id, 0) > l.id and b.id < t.leaf) then l.image end,
               f.operation = 'I', 1
        from first f join tidemark.capture c on c.id = f.capture cross join truncated t left join kept k on k.key = f.key
        left join last l on l.key = f.key left join before_last b on b.key = f.key
        order by f.id
        """
    }

    /// Null, known, the image of rows that are fewer, that of rows that are more, whether they are more, how many.
    var wholeRows: String {
        """
        with \(later), net as (
            select coalesce(l.image, nullif(l.before, '')) as image, sum(case l.operation when 'I' then 1 else -1 end) as n, min(l.id) as id
            from later l where l.operation in ('I', 'D', 'B') group by 1)
        select null, true, case when n < 0 then coalesce(image, '') end, case when n > 0 then coalesce(image, '{}') end, n > 0, abs(n) from net where n <> 0 order by id
        """
    }

    /// The changes that lead back, in the columns of `ChangeDecoder`.
    /// - Parameter generations: each generation of capture, with the one that its changes are given as.
    static func backward(_ generations: [Int32: Int32], ids: Int64, place: HistoryPlace, end: TransactionSnapshot) -> String {
        let names = generations.sorted { $0.key < $1.key }.map { "(\($0.key), \($0.value))" }.joined(separator: ", ")
        return """
            with later as materialized (
                select d.id, d.xid, g.current as capture, d.operation, d.key collate "C" as key, d.image, d.before
                from tidemark.data_changes d join (values \(names)) g(capture, current) on g.capture = d.capture
                where d.operation in ('I', 'U', 'D', 'B') and \(isBetween(place, and: end, above: ids))),
            \(kept), whole as (
                select l.capture, coalesce(l.image, l.before) as image, sum(case l.operation when 'I' then -1 else 1 end) as n,
                       array_agg(l.id order by l.id desc) as ids
                from later l where l.key is null group by 1, 2)
            select \(BackwardID.origin) - f.id, f.capture, case when k.before is null then 'D' else 'U' end::"char", f.key, k.before
            from first f left join kept k on k.capture = f.capture and k.key = f.key
            union all
            select \(BackwardID.origin) - i.id, w.capture, case when w.n < 0 then 'D' else 'I' end::"char", null, w.image
            from whole w cross join lateral unnest(w.ids[1:abs(w.n)::int]) i(id) where w.n <> 0
            order by 1
            """
    }
}
