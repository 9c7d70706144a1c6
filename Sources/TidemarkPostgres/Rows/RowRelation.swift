import TidemarkCore

/// A table of one side, as statements that read parts of it have to know it.
struct RowRelation {
    let table: CapturedTable
    let oid: String
    /// As FROM takes it: without those that inherit from it, which capture does not see either.
    let plain: String
    /// How its rows become those that the target gets; nil where they are.
    let shaped: ShapedTable?
    /// In the order of the captured columns.
    let columns: [TargetColumn]
    let keys: [TargetColumn]
    /// By what the keys are ordered; empty where that cannot be said of both sides alike.
    let keyOrder: [String]

    /// - Parameter shaped: at the source, what is read instead of its rows.
    init(_ table: CapturedTable, at name: TableName, shaped: ShapedTable? = nil, in session: PostgresSession) throws {
        let rows = try session.query(
            """
            select c.oid, c.relkind from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')
            """,
            [.text(name.schema ?? "public"), .text(name.name)])
        guard rows.count == 1, let oid = rows[0, 0] else {
            throw TidemarkError(
                "a table is not there", table: table.name, why: "it was dropped, or renamed",
                remedy: "If that is meant, type: tidemark setup …, which takes it out of the pipeline.")
        }
        (self.table, self.shaped) = (table, shaped)
        self.oid = oid
        let quoted = PostgresIdentifier.quoted(name)
        plain = rows[0, 1] == "p" ? quoted : "only \(quoted)"
        let own = shaped?.source ?? table
        let keyIndex = own.keyColumns.isEmpty ? nil : try TargetColumn.keyIndexes(of: oid, on: own.keyColumns, in: session).first
        let all = try TargetColumn.all(of: oid, keyIndex: keyIndex?.oid ?? "0", in: session)
        let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
        func column(_ name: String) throws -> TargetColumn {
            guard let found = byName[name] else {
                throw TidemarkError(
                    "a table has lost a column", table: table.name, why: "there is no \(PostgresIdentifier.quoted(name)) in it any more",
                    remedy: "Change both sides alike, then type: tidemark setup …")
            }
            return found
        }
        if let shaped {
            columns = try shaped.columns.map { shape in
                if let computed = shaped.computed[shape.name] { return TargetColumn(shape.name, computed) }
                return try column(shape.source ?? shape.name).called(shape.name)
            }
        } else {
            columns = try table.columns.map { try column($0.name) }
        }
        let ownKeys = try own.keyColumns.map { try column($0) }
        keyOrder = try KeyOrdering(session: session, relation: oid).terms(of: ownKeys)
        keys = zip(ownKeys, table.keyColumns).map { $0.called($1) }
    }

    /// As FROM takes it.
    var from: String { from(matching: nil) }

    /// - Parameter condition: of the columns that the table has itself, whatever becomes of them.
    func from(matching condition: String?) -> String { shaped?.relation(plain, matching: condition) ?? plain }

    /// All values of a row as one text, bit for bit under the session's pinned settings.
    func line(_ alias: String = "t", of columns: [TargetColumn]) -> String {
        "row(\(columns.map { "\(alias).\($0.quoted)" }.joined(separator: ", ")))::text collate \"C\""
    }

    var rowHash: String { "hashtextextended(\(line(of: columns)), 0)" }

    /// Which bucket a row falls into.
    func bucket(of buckets: Int) -> String {
        // By the source's type, which both sides know: a number needs no hash to be spread.
        let isNumber = keys.count == 1 && table.columns.contains {
            $0.name == keys[0].name && ["smallint", "integer", "bigint"].contains($0.type)
        }
        guard isNumber else {
            let hashed = keys.isEmpty ? rowHash : "hashtextextended(\(line(of: keys)), 1)"
            return "(\(hashed) & \(buckets - 1))::int"
        }
        let (key, remainder) = ("t.\(keys[0].quoted)", "(((t.\(keys[0].quoted) % \(buckets)) + \(buckets)) % \(buckets))::int")
        // A target's numeric may hold what no integer is.
        let isInteger = ["smallint", "integer", "bigint"].contains(keys[0].baseType)
        return isInteger ? remainder : "case when \(key)::text ~ '^-?[0-9]+$' then \(remainder) else 0 end"
    }

    /// JSON of the key columns, or of all where there is no key, each value as the text of its type.
    func identity(_ alias: String = "t") -> String {
        let members = (keys.isEmpty ? columns : keys).map { column in
            let value = "\(alias).\(column.quoted)"
            return "case when \(value) is distinct from null then format('%s', \(value)) end as \(column.quoted)"
        }
        // With a star, or a column of the alias's name would be taken instead.
        return "(select row_to_json(tidemark_row.*)::text from (select \(members.joined(separator: ", "))) tidemark_row)"
    }
}

/// What two sides have to have in common to agree on the order of keys.
struct KeyOrdering {
    let session: PostgresSession
    /// By OID.
    let relation: String

    /// Empty unless every column is of a type whose order is PostgreSQL's own.
    func terms(of keys: [TargetColumn]) throws -> [String] {
        var terms: [String] = []
        for key in keys {
            guard let type = TypeText(key.baseType), !type.isQualified, !type.isArray, let term = try term(type.name, key) else { return [] }
            terms.append(term)
        }
        return terms
    }

    private func term(_ type: String, _ key: TargetColumn) throws -> String? {
        switch type {
        case "smallint", "integer", "bigint": "integer"
        case "numeric", "uuid", "date", "bytea", "oid", "boolean", "inet", "interval", "timestamp without time zone",
            "timestamp with time zone", "time without time zone", "time with time zone":
            "PostgreSQL/\(type)"
        case "text", "character varying", "character":
            "\(type == "character" ? "blank-padded" : "text")/\(try collation(of: key))"
        default: nil
        }
    }

    /// Name and version, since the same name may sort otherwise in another version of the system's library.
    private func collation(of key: TargetColumn) throws -> String {
        let rows = try session.query(
            """
            select l.collate in ('C', 'POSIX') and coalesce(l.provider, 'c') = 'c', concat_ws('/', l.provider, l.collate, l.locale,
                   -- of the libraries that do the sorting, as the collations that initdb made show them
                   (select string_agg(distinct pg_collation_actual_version(v.oid), ',') from pg_collation v where v.collprovider in ('c', 'i')))
            from pg_attribute a join pg_collation c on c.oid = a.attcollation
            join pg_database d on d.datname = current_database()
            -- through JSON, since the catalogues' columns differ between versions
            cross join lateral (select case when c.collname = 'default' then to_json(d) else to_json(c) end as j) j
            cross join lateral (select coalesce(j ->> 'datlocprovider', j ->> 'collprovider') as provider,
                                       coalesce(j ->> 'datcollate', j ->> 'collcollate') as collate,
                                       coalesce(j ->> 'daticulocale', j ->> 'datlocale', j ->> 'colliculocale', j ->> 'colllocale') as locale) l
            where a.attrelid = $1 and a.attname = $2
            """, [.text(relation), .text(key.name)])
        return rows[0, 0] == "t" ? "C" : rows[0, 1] ?? ""
    }
}
