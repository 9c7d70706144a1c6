import TidemarkCore

/// The triggers that keep others from writing to a pipeline's tables.
struct Guard {
    let session: PostgresSession
    let pipeline: String

    static let functions = ["refuse_write", "guards", "guard_statements", "lock_against_writers", "raise_guard", "lift_guard"]

    func isInstalled() throws -> Bool { try session.query("select to_regprocedure('tidemark.refuse_write()')")[0, 0] != nil }

    /// Those of the tables that are there, as the array of regclass that the functions take.
    func relations(_ tables: [TableName]) throws -> String {
        try session.query(
            """
            select coalesce(array_agg(distinct to_regclass(t)) filter (where to_regclass(t) is not null), '{}')::regclass[]
            from json_array_elements_text($1) t
            """, [.json(JSONText.array(tables.map { PostgresIdentifier.quoted($0) }))])[0, 0] ?? "{}"
    }

    func plan(_ tables: [TableName], made: [TableName]) throws -> [PlannedStatement] {
        let rows = try session.query(
            "select tidemark.guard_statements($1::regclass[], $2)", [.text(try relations(tables)), .text(pipeline)])
        // Its partitions will be made with it, and are not known yet.
        let names = PostgresIdentifier.literal("{" + made.map { Self.element(PostgresIdentifier.quoted($0)) }.joined(separator: ",") + "}")
        let later = "select tidemark.raise_guard(\(names), \(PostgresIdentifier.literal(pipeline)), 500)"
        return (0..<rows.count).map { PlannedStatement(rows[$0, 0] ?? "", lock: Self.lock) }
            + (made.isEmpty ? [] : [PlannedStatement(later, lock: Self.lock)])
    }

    /// Of an array's text.
    private static func element(_ name: String) -> String {
        "\"" + name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    static let lock = "SHARE ROW EXCLUSIVE on it, on all tables together; who only reads goes on"

    /// The tables on which it is up, each with all of its partitions; a partition is not listed by itself.
    func tables() throws -> Set<TableName> {
        guard try isInstalled() else { return [] }
        let rows = try session.query(
            """
            select n.nspname, c.relname
            from tidemark.guards(array(select t.tgrelid::regclass from pg_trigger t join pg_class c on c.oid = t.tgrelid
                                       where t.tgname = 'tidemark_guard' and not c.relispartition)) g
            join pg_class c on c.oid = g.root join pg_namespace n on n.oid = c.relnamespace
            group by n.nspname, c.relname
            having bool_and(\(Self.isUp) and g.pipeline = $1)
            """, [.text(pipeline)])
        return Set((0..<rows.count).map { TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? "") })
    }

    /// Those of the tables on which it is not up, or not on all partitions.
    func missing(on tables: [TableName]) throws -> [TableName] {
        let there = "(select place, to_regclass(name) as relation from json_array_elements_text($1) with ordinality t(name, place)) t"
        let names = PostgresParameter.json(JSONText.array(tables.map { PostgresIdentifier.quoted($0) }))
        let rows = try isInstalled()
            ? session.query(
                """
                select t.place from \(there) left join
                    (select g.root, bool_and(\(Self.isUp) and g.pipeline = $2) as is_up
                     from tidemark.guards(array(select t.relation from \(there) where t.relation is not null)) g group by g.root) g
                on g.root = t.relation where t.relation is not null and g.is_up is not true order by t.place
                """, [names, .text(pipeline)])
            : session.query("select t.place from \(there) where t.relation is not null order by t.place", [names])
        return (0..<rows.count).compactMap { rows[$0, 0].flatMap { Int($0) } }.map { tables[$0 - 1] }
    }

    private static let isUp = "coalesce(g.guard = 'up' and (not g.has_parent or g.row_guard = 'up'), false)"

    /// Drops the pipeline's triggers, wherever they are.
    func remove() throws {
        let locks = TableLocks(session: session)
        for trigger in try triggers() {
            try locks.holding(trigger.table, doing: "the guard cannot be taken off a table") { try session.run(trigger.drop) }
        }
    }

    func planRemoval() throws -> [PlannedStatement] {
        try triggers().map { PlannedStatement($0.drop, lock: "ACCESS EXCLUSIVE on \($0.table)") }
    }

    private func triggers() throws -> [(table: TableName, drop: String)] {
        let rows = try session.query(
            """
            select n.nspname, c.relname, format('drop trigger %I on %s', t.tgname, c.oid::regclass)
            from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
            where t.tgfoid = to_regprocedure('tidemark.refuse_write()')
              and t.tgargs = convert_to($1, getdatabaseencoding()) || '\\x00'::bytea
            order by 1, 2, t.tgname
            """, [.text(pipeline)])
        return (0..<rows.count).map { (TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? ""), rows[$0, 2] ?? "") }
    }
}
