import TidemarkCore

/// The sequences of a source that a pipeline follows: those of its tables' columns, and those that belong to no table.
struct SequenceCatalog {
    struct Entry {
        let identity: SequenceState.Identity
        let oid: String
        let name: TableName
        let increment: Int64
        let cycles: Bool
        let isReadable: Bool

        func state(lastValue: Int64, isCalled: Bool) -> SequenceState {
            SequenceState(identity, lastValue: lastValue, isCalled: isCalled, increment: increment, cycles: cycles)
        }
    }

    /// Which column takes its values from which sequence: by identity, by ownership, or by its default.
    static let uses = """
        select d.objid as sequence, d.refobjid as relation, d.refobjsubid as place from pg_depend d
        where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i') and d.refobjsubid > 0
        union
        select d.refobjid, f.adrelid, f.adnum from pg_depend d join pg_attrdef f on f.oid = d.objid
        where d.classid = 'pg_attrdef'::regclass and d.refclassid = 'pg_class'::regclass
        """

    let entries: [Entry]

    /// Sequences of extensions, of tidemark and of a session are left out, and those that only tables use which the
    /// pipeline does not take.
    init(taking selection: TableSelection, in session: PostgresSession) throws(PostgresFailure) {
        let rows = try session.query(
            """
            with uses as (\(Self.uses))
            select s.seqrelid, n.nspname, c.relname, s.seqincrement, s.seqcycle,
                   has_sequence_privilege(s.seqrelid, 'SELECT') and has_schema_privilege(n.oid, 'USAGE'), u.nspname, u.relname, u.attname
            from pg_sequence s join pg_class c on c.oid = s.seqrelid join pg_namespace n on n.oid = c.relnamespace
            left join lateral (
                select tn.nspname, t.relname, a.attname from uses
                join pg_class t on t.oid = uses.relation and not t.relispartition join pg_namespace tn on tn.oid = t.relnamespace
                join pg_attribute a on a.attrelid = t.oid and a.attnum = uses.place
                where uses.sequence = s.seqrelid) u on true
            where c.relpersistence <> 't' and n.nspname <> 'tidemark'
              and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
            order by n.nspname, c.relname, u.nspname, u.relname, u.attname
            """)
        var entries: [Entry] = []
        var row = 0
        while row < rows.count {
            let (first, oid) = (row, rows[row, 0] ?? "")
            var (columns, isUsed) = ([SequenceState.Column](), false)
            while row < rows.count, rows[row, 0] == oid {
                if let table = rows[row, 7] {
                    isUsed = true
                    let name = TableName(schema: rows[row, 6], name: table)
                    if selection.takes(name) { columns.append(SequenceState.Column(name, rows[row, 8] ?? "")) }
                }
                row += 1
            }
            guard !columns.isEmpty || !isUsed else { continue }
            let name = TableName(schema: rows[first, 1], name: rows[first, 2] ?? "")
            entries.append(
                Entry(
                    identity: SequenceState.Identity(columns: columns, name: name), oid: oid, name: name,
                    increment: Int64(rows[first, 3] ?? "") ?? 1, cycles: rows[first, 4] == "t", isReadable: rows[first, 5] == "t"))
        }
        self.entries = entries
    }
}
