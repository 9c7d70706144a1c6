import TidemarkCore

/// A table with its partitions, and theirs: they are made together.
struct TableTree {
    struct Relation {
        let oid: String
        let name: TableName
        /// Nil for the root.
        let parent: String?
        /// `FOR VALUES …` of a partition.
        let bound: String?
        /// What PARTITION BY says, of a table that is partitioned.
        let partitionKey: String?
    }

    /// The root first, each before its partitions.
    let relations: [Relation]
    /// What keeps the table from being made by statements alone.
    let requirements: [TableDefinition.Requirement]

    var root: Relation { relations[0] }

    init(_ table: TableName, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            with recursive tree (oid, parent, depth) as (
                select $1::regclass::oid, null::oid, 0
                union all
                select i.inhrelid, i.inhparent, t.depth + 1
                from tree t join pg_inherits i on i.inhparent = t.oid join pg_class c on c.oid = i.inhrelid
                where c.relispartition)
            select c.oid, n.nspname, c.relname, t.parent, pg_get_expr(c.relpartbound, c.oid), pg_get_partkeydef(c.oid), c.relkind
            from tree t join pg_class c on c.oid = t.oid join pg_namespace n on n.oid = c.relnamespace
            order by t.depth, n.nspname, c.relname
            """, [.text(PostgresIdentifier.quoted(table))])
        relations = (0..<rows.count).map { row in
            Relation(
                oid: rows[row, 0] ?? "", name: TableName(schema: rows[row, 1], name: rows[row, 2] ?? ""), parent: rows[row, 3],
                bound: rows[row, 4], partitionKey: rows[row, 5])
        }
        let foreign = (0..<rows.count).filter { rows[$0, 6] == "f" }.map { row in
            TableDefinition.Requirement(
                .other, "a foreign table", usedBy: "partition \(rows[row, 1] ?? "").\(rows[row, 2] ?? "")")
        }
        let parents = try session.query(
            """
            select i.inhparent::regclass from pg_inherits i join pg_class c on c.oid = i.inhrelid
            where i.inhrelid = $1::regclass and not c.relispartition order by i.inhseqno
            """, [.text(PostgresIdentifier.quoted(table))])
        requirements = foreign + (0..<parents.count).map { row in
            TableDefinition.Requirement(.other, "INHERITS (\(parents[row, 0] ?? ""))", usedBy: "the table")
        }
    }

    /// - Parameter columns: by relation.
    func creations(_ columns: [String: [DefinedColumn]], _ constraints: TableConstraints) -> [String] {
        relations.map { relation in
            let name = PostgresIdentifier.quoted(relation.name)
            let branches = relation.partitionKey.map { "\npartition by \($0)" } ?? ""
            let own = constraints.validated(of: relation.oid)
            guard let parent = relations.first(where: { $0.oid == relation.parent }) else {
                let elements = (columns[relation.oid] ?? []).map(\.definition) + own
                return "create table if not exists \(name) (\n    \(elements.joined(separator: ",\n    "))\n)\(branches)"
            }
            let inherited = columns[parent.oid] ?? []
            let elements = (columns[relation.oid] ?? []).compactMap { column in
                inherited.first { $0.name == column.name }.flatMap(column.difference)
            } + own
            let list = elements.isEmpty ? "" : " (\n    \(elements.joined(separator: ",\n    "))\n)"
            return "create table if not exists \(name) partition of \(PostgresIdentifier.quoted(parent.name))\(list)\n"
                + "\(relation.bound ?? "default")\(branches)"
        }
    }
}
