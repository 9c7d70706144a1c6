import TidemarkCore

/// Settles one step of each key that a run has changed in one table: compares, lets the rule decide, and writes.
struct ConflictStep {
    static let outcomes = "pg_temp.tidemark_outcome"

    let table: SharedTable
    let run: Int
    let round: Int
    /// Where the changes were first made, if not in the source.
    let origin: String?

    private var session: PostgresSession { table.session }
    private var steps: String { "\(ConflictFold.steps) s where s.capture = \(table.captured.capture) and s.run = \(run) and s.round = \(round)" }

    func settle(marking marks: OriginMarks) throws {
        try lock()
        try session.run("delete from \(Self.outcomes)")
        let fault = ConflictFault(
            table, ids: "select min(s.change_id), max(s.change_id) from \(steps)", key: "select s.key from \(steps) and s.change_id = $1")
        try fault.query("a row cannot be compared with the target's", comparison)
        try stopAtConflict()
        for index in table.uniqueIndexes { try UniqueClash(table, index).settle() }
        try stopAtConflict()
        try ConflictWriting(table, origin: origin, marks: marks).write()
    }

    /// Each row as it stands is held before it is compared, in a statement of its own: another one sees what was committed by then.
    private func lock() throws {
        do {
            try session.query(
                """
                select from \(ConflictFold.steps) s cross join lateral \(table.rows.matches("s.key"))
                join \(table.target.onlyName) as t on \(table.rows.match)
                where s.capture = \(table.captured.capture) and s.run = \(run) and s.round = \(round) order by s.key for update of t
                """)
        } catch {
            throw TargetFault(error, context: table.context).error("rows of the target cannot be locked", table: table.captured.name)
        }
    }

    /// - Throws: ``StoppedConflict``
    private func stopAtConflict() throws {
        guard case .stop = table.rule.strategy else { return }
        let rows = try session.query(
            """
            select case when clash is null then kind else 'unique' end, key, change_id, case when clash is null then before end,
                   case when clash is null or not stood then source end, case when clash is null or stood then target else clash end
            from \(Self.outcomes) where kind is not null or clash is not null order by change_id limit 1
            """)
        guard rows.count > 0 else { return }
        throw StoppedConflict(
            table: table.name, kind: rows[0, 0] ?? "", key: rows[0, 1] ?? "", changeID: rows[0, 2].flatMap { Int64($0) } ?? 0, origin: origin,
            before: rows[0, 3], source: rows[0, 4], target: rows[0, 5])
    }

    /// Decides what becomes of each row, and leaves it in `tidemark_outcome`: `kind` is NULL where there is no conflict, `outcome`
    /// where nothing is known of a row that is gone.
    /// - `$1`: changes with higher ids do not take part.
    var comparison: String {
        let rule = RuleExpressions(rule: table.rule, rows: table.rows)
        let source = rule.isMerge ? "case when decided.how = 'alone' then s.image else merged.image end" : "case when verdict.counts then s.image else held.image end"
        // Deletions at both ends, too: what either had added before still counts where a later write brings the row back.
        let buried = rule.isMerge ? "merged.image" : "case when \(rule.tombstoneCounts("verdict.counts")) then s.image else held.image end"
        let merged = rule.isMerge
            ? "cross join lateral (select case when decided.how = 'conflict' or decided.how = 'bury' and held.buried then (select \(table.rows.image("m")) from (select \(rule.merged)) m) end as image offset 0) merged"
            : ""
        return """
            insert into \(Self.outcomes)
            select s.key, s.change_id, decided.kind, s.before, case when not s.gone then s.image end, case when held.stands then held.image end,
                   result.image, result.gone, held.home, held.place,
                   case when result.gone = s.gone and result.image = s.image then 'source'
                        when result.gone = held.gone and result.image is not distinct from held.image then 'target' else 'merged' end,
                   case when held.buried then held.image end
            from \(ConflictFold.steps) s
            cross join lateral \(table.rows.matches("s.key"))
            left join \(table.target.onlyName) as t on \(table.rows.match)
            left join tidemark.tombstone d on t.tableoid is null and d.schema_name = \(PostgresIdentifier.literal(table.name.schema ?? "public"))
                and d.table_name = \(PostgresIdentifier.literal(table.name.name)) and d.key = s.key
            cross join lateral (
                select case when t.tableoid is not null then \(table.rows.image("t"))
                            when d.key is not null then (select \(table.rows.image("r")) from \(table.rows.record("d.image")) r) end as image,
                       t.tableoid is not null as stands, t.tableoid is null as gone, t.tableoid is null and d.key is not null as buried,
                       t.tableoid as home, t.ctid as place offset 0) held
            cross join lateral \(table.rows.record("s.image")) source
            cross join lateral \(table.rows.record("held.image")) target
            cross join lateral \(table.rows.record("s.before")) before
            cross join lateral (select case when held.image is null then \(rule.sourceCountsAlone)
                                            else \(rule.sourceCounts(sourceGone: "s.gone", targetGone: "held.gone")) end as counts offset 0) verdict
            cross join lateral (select \(Self.decision(rule))) c(how)
            cross join lateral (
                select case when c.how in ('write', 'bury', 'alone', 'nothing') then c.how else 'conflict' end as how,
                       case when c.how in ('write', 'bury', 'nothing') then null when c.how = 'alone' then 'update-delete' else c.how end as kind) decided
            \(merged)
            cross join lateral (
                select case decided.how when 'write' then s.image
                            when 'bury' then case when held.image is null then s.image else \(buried) end
                            else \(source) end as image,
                       case decided.how when 'write' then s.gone when 'bury' then true when 'alone' then not verdict.counts
                            else case when verdict.counts then s.gone else held.gone end end as gone) result
            where s.capture = \(table.captured.capture) and s.run = \(run) and s.round = \(round) and s.change_id <= $1 and decided.how <> 'nothing'
            """
    }

    /// `nothing`; `write`: the source's, or its deletion, without a conflict; `bury`: a tombstone, of a row that is gone at both ends;
    /// `alone`: the target knows nothing of the row; or the kind of the conflict.
    private static func decision(_ rule: RuleExpressions) -> String {
        """
        case when held.image is null then case when s.gone then 'bury' when s.before is null then 'write' else 'alone' end
             when s.before = s.image and not s.gone then 'nothing'
             when held.stands and not s.gone and held.image = s.image and not \(rule.adds) then 'nothing'
             when held.stands and held.image = s.before then 'write'
             when held.buried and s.gone then 'bury'
             when held.buried and s.before is null and \(rule.insertionCounts("verdict.counts")) then 'write'
             when held.buried then 'update-delete'
             when s.gone then 'delete-update'
             when s.before is null then 'insert-insert'
             else 'update-update' end
        """
    }
}
