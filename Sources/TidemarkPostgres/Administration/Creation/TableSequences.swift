import TidemarkCore

/// The sequences that defaults draw from or columns own. Those of identity columns come with their columns.
struct TableSequences {
    struct Sequence {
        let schema: String
        let creation: String
        /// Gives the sequence to its column: it goes when that goes.
        let ownership: String
        let isOwned: Bool
    }

    let all: [Sequence]
    var owned: [Sequence] { all.filter(\.isOwned) }

    init(of relations: [String], in session: PostgresSession) throws {
        let rows = try session.query(
            """
            with used (sequence, owner, place) as (
                select p.objid, p.refobjid, p.refobjsubid from pg_depend p
                where p.classid = 'pg_class'::regclass and p.refclassid = 'pg_class'::regclass and p.deptype = 'a'
                  and p.refobjid = any ($1::oid[]) and p.refobjsubid > 0
                union all
                select p.refobjid, null, null from pg_attrdef d
                join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid and p.refclassid = 'pg_class'::regclass
                where d.adrelid = any ($1::oid[]))
            select distinct on (n.nspname, c.relname) n.nspname, c.relname, format_type(s.seqtypid, null), s.seqstart,
                   s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle, rn.nspname, r.relname, a.attname
            from used u
            join pg_sequence s on s.seqrelid = u.sequence
            join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
            left join pg_class r on r.oid = u.owner left join pg_namespace rn on rn.oid = r.relnamespace
            left join pg_attribute a on a.attrelid = u.owner and a.attnum = u.place
            order by n.nspname, c.relname, r.oid nulls last
            """, [.text("{\(relations.joined(separator: ","))}")])
        all = (0..<rows.count).map { row in
            let name = PostgresIdentifier.qualified(rows[row, 0], rows[row, 1] ?? "")
            let options = SequenceOptions(
                start: rows[row, 3] ?? "", increment: rows[row, 4] ?? "", minimum: rows[row, 5] ?? "", maximum: rows[row, 6] ?? "",
                cache: rows[row, 7] ?? "", cycles: rows[row, 8] == "t")
            let owner = PostgresIdentifier.qualified(rows[row, 9], rows[row, 10] ?? "") + "." + PostgresIdentifier.quoted(rows[row, 11] ?? "")
            return Sequence(
                schema: rows[row, 0] ?? "", creation: "create sequence if not exists \(name) as \(rows[row, 2] ?? "bigint") \(options.text)",
                ownership: "alter sequence \(name) owned by \(owner)", isOwned: rows[row, 10] != nil)
        }
    }
}

/// How a sequence counts. Where it stands is not part of its definition.
struct SequenceOptions {
    let start: String
    let increment: String
    let minimum: String
    let maximum: String
    let cache: String
    let cycles: Bool

    var text: String {
        "start with \(start) increment by \(increment) minvalue \(minimum) maxvalue \(maximum) cache \(cache)" + (cycles ? " cycle" : "")
    }
}
