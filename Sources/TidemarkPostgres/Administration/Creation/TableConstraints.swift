import TidemarkCore

/// CHECK and FOREIGN KEY constraints of a table and its partitions, without those that partitions inherit.
struct TableConstraints {
    private struct Constraint {
        let relation: String
        let table: String
        let name: String
        let definition: String
        let isForeignKey: Bool
        let isValidated: Bool

        var addition: String { "alter table \(table) add constraint \(PostgresIdentifier.quoted(name)) \(definition)" }
    }

    private let all: [Constraint]

    init(of tree: TableTree, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            select c.conrelid, n.nspname, r.relname, c.conname, pg_get_constraintdef(c.oid), c.contype, c.convalidated
            from pg_constraint c join pg_class r on r.oid = c.conrelid join pg_namespace n on n.oid = r.relnamespace
            where c.conrelid = any ($1::oid[]) and c.contype in ('c', 'f') and c.conparentid = 0 and c.coninhcount = 0
            order by r.relispartition, n.nspname, r.relname, c.conname
            """, [.text("{\(tree.relations.map(\.oid).joined(separator: ","))}")])
        all = (0..<rows.count).map { row in
            Constraint(
                relation: rows[row, 0] ?? "", table: PostgresIdentifier.qualified(rows[row, 1], rows[row, 2] ?? ""),
                name: rows[row, 3] ?? "", definition: rows[row, 4] ?? "", isForeignKey: rows[row, 5] == "f",
                isValidated: rows[row, 6] == "t")
        }
    }

    /// As elements of CREATE TABLE.
    func validated(of relation: String) -> [String] {
        all.filter { $0.relation == relation && !$0.isForeignKey && $0.isValidated }
            .map { "constraint \(PostgresIdentifier.quoted($0.name)) \($0.definition)" }
    }

    /// The source may hold rows that break them: they can only come when those rows are there.
    var unvalidated: [String] { all.filter { !$0.isForeignKey && !$0.isValidated }.map(\.addition) }

    var foreignKeys: [String] { all.filter(\.isForeignKey).map(\.addition) }
}
