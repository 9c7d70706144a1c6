import TidemarkCore

/// Writes what was decided: rows, tombstones, and the record of conflicts.
struct ConflictWriting {
    private let table: SharedTable
    private let origin: String?
    private let marks: OriginMarks
    private let outcomes = ConflictStep.outcomes
    private var session: PostgresSession { table.session }
    private var target: TargetTable { table.target }

    init(_ table: SharedTable, origin: String?, marks: OriginMarks) { (self.table, self.origin, self.marks) = (table, origin, marks) }

    /// Are rows that stand removed and inserted anew, since an UPDATE of many could meet their own unique values halfway, or not set
    /// an identity? The session's role keeps triggers and foreign keys still.
    private var replaces: Bool { !table.uniqueIndexes.isEmpty || target.hasIdentityBesideKey }

    func write() throws {
        let counts = try session.query(
            """
            select count(*) filter (where place is not null and not \(isRemovedFirst) and (gone or \(changes) and \(replaces))),
                   count(*) filter (where place is not null and not gone and \(changes) and not \(replaces)),
                   count(*) filter (where not gone and (place is null or \(changes) and \(replaces))),
                   count(*) filter (where gone and outcome is not null), count(*) filter (where kind is not null or clash is not null),
                   count(*) filter (where clash is not null), count(*) filter (where \(isUnseen)), count(*) filter (where \(isRemovedFirst)),
                   count(*) filter (where \(isMergedUnseen))
            from \(outcomes)
            """)
        func count(_ column: Int) -> Int { counts[0, column].flatMap { Int($0) } ?? 0 }
        let fault = ConflictFault(
            table, ids: "select min(change_id), max(change_id) from \(outcomes)", key: "select key from \(outcomes) where change_id = $1")
        if count(7) > 0 { try removeLosses(count(7), fault) }
        if count(8) > 0 { try passOn("buried", where: isMergedUnseen) }
        for (place, sql) in [deletion, update, insertion].enumerated() where count(place) > 0 {
            guard try fault.query("the target refused a row", sql).affected == count(place) else { throw table.changedMeanwhile() }
        }
        if count(3) > 0 { try fault.query("a tombstone cannot be kept", burial) }
        if count(4) > 0 { try record() }
        if count(5) > 0 { try marks.markingOwn { try passOn("outcome", where: "clash is not null") } }
        if count(6) > 0 { try passOn("outcome", where: isUnseen) }
    }

    private var changes: String { "outcome is distinct from target" }

    /// As it was compared: a version that somebody has replaced is another place.
    private var stands: String { "t.tableoid = o.home and t.ctid = o.place and \(table.rows.match)" }

    private var deletion: String { deletion("not \(isRemovedFirst) and (o.gone or \(changes) and \(replaces))") }

    private func deletion(_ condition: String) -> String {
        """
        delete from \(target.onlyName) as t using \(outcomes) o cross join lateral \(table.rows.matches("o.key"))
        where \(stands) and o.place is not null and \(condition) and o.change_id <= $1
        """
    }

    /// Rows that stand and have lost a unique value, where capture would log that they go as what the winner's origin did: they would
    /// stay at that end. They are logged by themselves.
    private var isRemovedFirst: String { table.context.marksOrigins ? "(clash is not null and gone and place is not null)" : "false" }

    private func removeLosses(_ count: Int, _ fault: ConflictFault) throws {
        try session.query("select set_config('tidemark.applying', '', true)")
        guard try fault.query("the target refused a row", deletion(isRemovedFirst)).affected == count else { throw table.changedMeanwhile() }
        try session.query("select set_config('tidemark.applying', '1', true)")
    }

    private var update: String {
        let keys = Set(target.captured.keyColumns)
        let set = table.rows.columns.filter { !$0.isIdentityAlways && !keys.contains($0.name) }
        // A row that is nothing but its key cannot differ.
        let assignments = set.map { "\($0.quoted) = n.\($0.quoted)" }.joined(separator: ", ")
        return """
            update \(target.onlyName) as t set \(assignments)
            from \(outcomes) o cross join lateral \(table.rows.matches("o.key")) cross join lateral \(table.rows.record("o.outcome")) n
            where \(stands) and not o.gone and \(changes) and o.change_id <= $1
            """
    }

    private var insertion: String {
        """
        insert into \(target.quotedName) (\(target.writtenList)) overriding system value
        select \(table.rows.columns.map { "n.\($0.quoted)" }.joined(separator: ", "))
        from \(outcomes) o cross join lateral \(table.rows.record("o.outcome")) n
        where not o.gone and (o.place is null or \(changes) and \(replaces)) and o.change_id <= $1
        """
    }

    private var names: String {
        "\(PostgresIdentifier.literal(table.name.schema ?? "public")), \(PostgresIdentifier.literal(table.name.name))"
    }

    private var burial: String {
        """
        insert into tidemark.tombstone (schema_name, table_name, key, image, deleted_at)
        select \(names), o.key, o.outcome, clock_timestamp() from \(outcomes) o
        where o.gone and o.outcome is not null and o.change_id <= $1 order by o.key
        on conflict (schema_name, table_name, key) do update set image = excluded.image, deleted_at = excluded.deleted_at
        """
    }

    /// Deletions that capture logs otherwise: what is passed on of one is the row that stood here, and nothing where none did. The version
    /// that was deleted decides elsewhere whether a row there is older.
    private var isUnseen: String {
        table.context.marksOrigins ? "(clash is null and gone and outcome is not null and outcome is distinct from target)" : "false"
    }

    /// What a row was that a merge brings back, or adds to though it stays deleted: other ends, where it may stand, have to be told what was
    /// added to it, and not only how it is now.
    private var isMergedUnseen: String {
        table.context.marksOrigins && RuleExpressions(rule: table.rule, rows: table.rows).isMerge
            ? "(clash is null and buried is not null and (not gone or outcome is distinct from buried))" : "false"
    }

    /// And that a row went for another one's unique value was decided here: other ends need not have seen both.
    private func passOn(_ image: String, where condition: String) throws {
        do {
            try session.query(
                "select tidemark.log_removal($1::oid, \(image)::json) from \(outcomes) where \(condition) order by change_id, key",
                [.text(target.oid)])
        } catch {
            throw TargetFault(error, context: table.context).error("a row's deletion cannot be passed on", table: table.captured.name)
        }
    }

    private func record() throws {
        do {
            try session.query(
                """
                insert into tidemark.conflict
                    (pipeline, schema_name, table_name, key, kind, origin, change_id, before, source, target, outcome, strategy, result)
                select $1, \(names), c.key, c.kind, $2, c.change_id, c.before, c.source, c.target, c.outcome, $3, c.result
                from (select o.key, o.kind, o.change_id, o.before, o.source, o.target, case when not o.gone then o.outcome end as outcome, o.result
                      from \(outcomes) o where o.kind is not null
                      union all
                      select o.key, 'unique', o.change_id, null, case when o.stood then o.source else o.outcome end,
                             case when o.stood then o.target else o.clash end, null, case when o.stood then 'source' else 'target' end
                      from \(outcomes) o where o.clash is not null) c
                order by c.change_id, c.kind
                """, [.text(table.context.pipeline), .optional(origin), .text(table.rule.name)])
        } catch {
            throw TargetFault(error, context: table.context).error("a conflict cannot be recorded", table: table.captured.name)
        }
    }
}
