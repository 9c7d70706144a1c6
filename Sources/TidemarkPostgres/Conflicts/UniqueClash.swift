import TidemarkCore

/// A unique index of a shared table beside that of its key.
struct UniqueIndex {
    let name: String
    /// Of each column: the expression over the table's columns, and the operator and collation that compare it.
    let parts: [(expression: String, equality: String, collation: String?)]
    let predicate: String?
    let nullsAreSame: Bool
    /// Do columns take part that are not replicated?
    let isForeign: Bool

    /// In an order that other ends have, too.
    static func all(of target: TargetTable, in session: PostgresSession) throws -> [UniqueIndex] {
        let rows = try session.query(
            """
            select c.relname, p, pg_get_indexdef(i.indexrelid, p + 1, true), format('%I.%s', n.nspname, o.oprname),
                   (select format('%I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace
                    where co.oid = i.indcollation[p]),
                   pg_get_expr(i.indpred, i.indrelid, true), to_jsonb(i) ->> 'indnullsnotdistinct', u.names <@ array(select json_array_elements_text($2)),
                   i.indexprs is null and i.indpred is null and u.names @> array(select json_array_elements_text($3))
            from pg_index i join pg_class c on c.oid = i.indexrelid
            cross join lateral (
                select array_agg(distinct a.attname::text) as names from pg_attribute a
                where a.attrelid = i.indrelid and (a.attnum = any (i.indkey[0:i.indnkeyatts - 1]) or exists (
                    select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
                      and d.refclassid = 'pg_class'::regclass and d.refobjid = i.indrelid and d.refobjsubid = a.attnum)) and a.attnum > 0) u
            cross join lateral generate_series(0, i.indnkeyatts - 1) p
            join pg_opclass oc on oc.oid = i.indclass[p]
            join pg_amop m on m.amopfamily = oc.opcfamily and m.amopstrategy = 3 and m.amoplefttype = oc.opcintype and m.amoprighttype = oc.opcintype
            join pg_operator o on o.oid = m.amopopr join pg_namespace n on n.oid = o.oprnamespace
            where i.indrelid = $1 and i.indisunique and i.indisvalid and i.indislive and i.indimmediate
            order by u.names, c.relname collate "C", p
            """,
            [.text(target.oid), .json(JSONText.array(target.written.map(\.name))), .json(JSONText.array(target.keys.map(\.name)))])
        var found: [UniqueIndex] = []
        // Rows with different keys cannot be the same by an index that the key is part of.
        for row in 0..<rows.count where rows[row, 8] != "t" {
            let part = (expression: rows[row, 2] ?? "", equality: rows[row, 3] ?? "pg_catalog.=", collation: rows[row, 4])
            if rows[row, 1] != "0", let last = found.popLast() {
                found.append(last.adding(part))
            } else {
                found.append(
                    UniqueIndex(
                        name: rows[row, 0] ?? "", parts: [part], predicate: rows[row, 5], nullsAreSame: rows[row, 6] == "true",
                        isForeign: rows[row, 7] != "t"))
            }
        }
        return found
    }

    private func adding(_ part: (expression: String, equality: String, collation: String?)) -> UniqueIndex {
        UniqueIndex(name: name, parts: parts + [part], predicate: predicate, nullsAreSame: nullsAreSame, isForeign: isForeign)
    }

    var values: String { parts.enumerated().map { "(\($1.expression)) as v\($0)" }.joined(separator: ", ") }
    var names: String { parts.indices.map { "v\($0)" }.joined(separator: ", ") }

    /// Under which a row has a place in the index that another one could want.
    var condition: String {
        let given = nullsAreSame ? [] : parts.map { "(\($0.expression)) is not null" }
        return (given + [predicate.map { "(\($0))" }].compactMap(\.self) + ["true"]).joined(separator: " and ")
    }

    /// Between the columns of a table and the values of `m`.
    var matches: String {
        let pairs = parts.enumerated().map { place, part in
            let expression = "(\(part.expression))" + (part.collation.map { " collate \($0)" } ?? "")
            let equal = "\(expression) operator(\(part.equality)) m.v\(place)"
            return nullsAreSame ? "(\(equal) or (\(part.expression)) is null and m.v\(place) is null)" : equal
        }
        return (pairs + [predicate.map { "(\($0))" }].compactMap(\.self)).joined(separator: " and ")
    }
}

/// Lets of rows that would have one unique value only the greatest version stay.
struct UniqueClash {
    private let table: SharedTable
    private let index: UniqueIndex
    private let outcomes = ConflictStep.outcomes

    init(_ table: SharedTable, _ index: UniqueIndex) { (self.table, self.index) = (table, index) }

    func settle() throws {
        do {
            let standing = try table.session.query(
                """
                with \(incoming)
                select from incoming m cross join lateral (select from \(table.target.onlyName) as t where \(index.matches) for update) t
                """)
            let ownClash = try standing.count == 0 ? table.session.query("with \(incoming) select from incoming group by \(index.names) having count(*) > 1").count : 1
            guard ownClash > 0 else { return }
            try table.session.query(settlement)
        } catch let failure {
            throw TargetFault(failure, context: table.context).error("rows with one unique value cannot be compared", table: table.captured.name)
        }
    }

    private var incoming: String {
        """
        incoming as materialized (
            select o.key, o.change_id, o.outcome as image, v.*
            from \(outcomes) o cross join lateral \(table.rows.record("o.outcome")) n
            cross join lateral (select \(index.values) from (select n.*) i where \(index.condition)) v
            where not o.gone)
        """
    }

    /// Deletes all but the first: of what the source brings by its outcome, of what stands by a new one.
    private var settlement: String {
        """
        with \(incoming), standing as materialized (
            select distinct on (h.home, h.place) h.*, \(parts("m"))
            from incoming m cross join lateral (
                select \(table.rows.key("t")) as key, \(table.rows.image("t")) as image, t.tableoid as home, t.ctid as place
                from \(table.target.onlyName) as t where \(index.matches)) h
            where not exists (select from \(outcomes) o where o.key = h.key)
        ), candidate as (
            select key, change_id, image, true as incoming, null::oid as home, null::tid as place, \(index.names) from incoming
            union all select key, null, image, false, home, place, \(index.names) from standing
        ), ranked as (
            select c.*, row_number() over w as place_in_order, first_value(image) over w as winner, max(change_id) over (partition by \(index.names)) as cause
            from candidate c cross join lateral \(table.rows.record("c.image")) y
            window w as (partition by \(index.names) order by \(RuleExpressions(rule: table.rule, rows: table.rows).rank))
        ), withdrawn as (
            update \(outcomes) o set gone = true, clash = r.winner from ranked r where r.place_in_order > 1 and r.incoming and o.key = r.key
        )
        insert into \(outcomes)
        select key, cause, null, null, winner, image, image, true, home, place, 'source', null, winner, true
        from ranked where place_in_order > 1 and not incoming
        """
    }

    private func parts(_ alias: String) -> String { index.parts.indices.map { "\(alias).v\($0)" }.joined(separator: ", ") }
}
