import TidemarkCore

/// A foreign key of the target. Only a role that may not hold foreign keys still has to know them.
struct ForeignKey {
    let name: String
    /// Relations, by OID.
    let child: String
    let parent: String
    let childName: String
    let parentName: String
    let childColumns: [String]
    let parentColumns: [String]
    /// Between a parent's column and a child's, in the order of the columns; schema-qualified.
    let operators: [String]
    /// Would deleting a parent remove or change its children?
    let actsOnDelete: Bool

    /// True of a row `t` of the child that refers to nothing.
    var hasNoParent: String {
        let pairs = parentColumns.indices.map { place in
            "tidemark_parent.\(PostgresIdentifier.quoted(parentColumns[place])) operator(\(operators[place]))"
                + " t.\(PostgresIdentifier.quoted(childColumns[place]))"
        }
        let given = childColumns.map { "t.\(PostgresIdentifier.quoted($0)) is not null" }
        return given.joined(separator: " and ")
            + " and not exists (select from \(parentName) as tidemark_parent where \(pairs.joined(separator: " and ")))"
    }

    /// True of a row `t` of the parent that no child refers to.
    var hasNoChildren: String {
        let pairs = parentColumns.indices.map { place in
            "t.\(PostgresIdentifier.quoted(parentColumns[place])) operator(\(operators[place]))"
                + " tidemark_child.\(PostgresIdentifier.quoted(childColumns[place]))"
        }
        return "not exists (select from \(childName) as tidemark_child where \(pairs.joined(separator: " and ")))"
    }

    /// Every foreign key that refers to the relation or goes out from it. The copies that partitions
    /// hold are left out: the root's speaks for them.
    static func all(around relation: String, in session: PostgresSession) throws -> [ForeignKey] {
        let rows = try session.query(
            """
            select f.conname, f.conrelid, f.confrelid, format('%I.%I', n.nspname, c.relname),
                   (select format('%I.%I', s.nspname, r.relname) from pg_class r join pg_namespace s on s.oid = r.relnamespace
                    where r.oid = f.confrelid),
                   to_json(array(select a.attname from unnest(f.conkey) with ordinality k(n, o)
                                 join pg_attribute a on a.attrelid = f.conrelid and a.attnum = k.n order by o)),
                   to_json(array(select a.attname from unnest(f.confkey) with ordinality k(n, o)
                                 join pg_attribute a on a.attrelid = f.confrelid and a.attnum = k.n order by o)),
                   to_json(array(select format('%I.%s', s.nspname, o.oprname) from unnest(f.conpfeqop) with ordinality k(n, o2)
                                 join pg_operator o on o.oid = k.n join pg_namespace s on s.oid = o.oprnamespace order by o2)),
                   f.confdeltype in ('c', 'n', 'd')
            from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_namespace n on n.oid = c.relnamespace
            where f.contype = 'f' and f.conparentid = 0 and (f.conrelid = $1 or f.confrelid = $1)
            order by f.oid
            """, [.text(relation)])
        return try (0..<rows.count).map { row in
            ForeignKey(
                name: rows[row, 0] ?? "", child: rows[row, 1] ?? "", parent: rows[row, 2] ?? "",
                childName: rows[row, 3] ?? "", parentName: rows[row, 4] ?? "",
                childColumns: try JSONText.strings(rows[row, 5] ?? "[]"),
                parentColumns: try JSONText.strings(rows[row, 6] ?? "[]"),
                operators: try JSONText.strings(rows[row, 7] ?? "[]"), actsOnDelete: rows[row, 8] == "t")
        }
    }

    /// Orders tables so that each comes after those that it refers to. In a cycle somebody has to be
    /// first: there only deferrable constraints help.
    static func parentsFirst(_ tables: [TargetTable]) -> [TargetTable] {
        var ordered: [TargetTable] = []
        var entered: Set<String> = []
        func enter(_ table: TargetTable) {
            guard entered.insert(table.oid).inserted else { return }
            for key in table.foreignKeys where key.child == table.oid {
                for parent in tables where parent.oid == key.parent { enter(parent) }
            }
            ordered.append(table)
        }
        for table in tables { enter(table) }
        return ordered
    }
}
