import TidemarkCore

/// A sequence that gives each session a block of numbers lets a later transaction use a lower number than an earlier one: nothing tells when
/// the last of a block is used.
enum SequenceBlocks {
    static func refuse(_ relation: PolledRelation, _ reading: IncrementalReading, in session: PostgresSession) throws {
        for name in reading.columns {
            let rows = try session.query(
                """
                select format('%I.%I', n.nspname, c.relname), s.seqcache
                from pg_attribute a
                left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
                join pg_depend d on d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum
                    and d.deptype in ('a', 'i')
                  or f.oid is not null and d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
                join pg_sequence s on s.seqrelid in (d.objid, d.refobjid) join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
                where a.attrelid = $1 and a.attname = $2 and s.seqcache > 1 limit 1
                """, [.text(relation.oid), .text(name)])
            guard rows.count == 1 else { continue }
            throw TidemarkError(
                "a table cannot be read by what has changed", table: relation.table.name,
                why: "the sequence \(rows[0, 0] ?? "") of the column \(PostgresIdentifier.quoted(name)) gives each session \(rows[0, 1] ?? "") numbers at once,"
                    + " so that a row may come with a lower number than rows that were read",
                remedy: "Type on the source: alter sequence \(rows[0, 0] ?? "") cache 1; or read the table by a time, or with mode: full.")
        }
    }
}
