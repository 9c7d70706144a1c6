package import TidemarkCore

/// Reads the rows of a target's tables where the pipeline's cursor is. Confined to one thread.
package final class PostgresTargetReader: TargetReader {
    private let session: PostgresSession
    private let rows: HeldRows
    private let pipeline: String
    private let tables: TargetTables
    private var context: ApplyContext { tables.context }

    package init(_ url: String, pipeline: String) throws {
        do {
            session = try PostgresSession(url)
            tables = TargetTables(session: session, context: try PostgresTarget.prepare(session, pipeline: pipeline))
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, pipeline: pipeline).error("the target cannot be used")
        }
        rows = HeldRows(session: session)
        self.pipeline = pipeline
    }

    /// What this snapshot sees is the target at the cursor that it sees: they were committed together.
    package func hold(_ captured: [CapturedTable], at cursor: Cursor) throws {
        try reading(nil) {
            tables.forget()
            for table in captured { tables.captured[table.capture] = table }
            try rows.begin("", locking: captured.map(\.atTarget))
            let found = try CursorRow(session: session, pipeline: pipeline).read()
            guard found.isAt(cursor) else { throw cursor.isElsewhere(than: found, pipeline: pipeline) }
        }
    }

    package func release() { rows.release() }

    package func keyOrder(of table: CapturedTable) throws -> [String] {
        try reading(table.name) { try rows.relation(table).keyOrder }
    }

    package func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] {
        try reading(part.table.name) { try rows.digests(of: part, buckets: buckets) }
    }

    package func list(_ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void) throws {
        try reading(part.table.name) { try rows.list(part, buckets: buckets, chosen: chosen, receive) }
    }

    package func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]] {
        try reading(table.name) { try rows.columnHashes(of: table, keys: keys) }
    }

    package func count(_ part: TablePart) throws -> Int64 {
        try reading(part.table.name) {
            let condition = PartCondition(part, of: try rows.relation(part.table))
            try condition.bind(in: session)
            return Int64(try session.query("select count(*) from \(condition.from)")[0, 0] ?? "") ?? 0
        }
    }

    package func compare(_ page: ChangePage, of table: CapturedTable) throws -> [RowDifference] {
        try reading(table.name) {
            let page = try tables.readable(page)
            let comparison = ImageComparison(session: session, relation: try rows.relation(table))
            return try table.keyColumns.isEmpty ? comparison.putAside(page) : comparison.differences(page)
        }
    }

    package func extras(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws {
        try reading(part.table.name) {
            let comparison = ImageComparison(session: session, relation: try rows.relation(part.table))
            if part.table.keyColumns.isEmpty { return try comparison.multisetDifferences(receive) }
            try comparison.extras(part, besides: { try nextPage().map { try tables.readable($0) } }, receive)
        }
    }

    private func reading<Result>(_ table: TableName?, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("rows of the target cannot be read", table: table)
        }
    }
}

/// Compares images, as the stream would apply them, with the rows that stand.
struct ImageComparison {
    let session: PostgresSession
    let relation: RowRelation
    private static let stage = "pg_temp.tidemark_compared"

    func differences(_ page: ChangePage) throws -> [RowDifference] {
        let columns = relation.columns
        let names = (columns.map(\.quoted) + ["tidemark_place"]).joined(separator: ", ")
        let definitions = columns.map(\.recordDefinition).joined(separator: ", ")
        let changed = columns.map { "(row(\($0.fromRecord()))::text collate \"C\" <> row(t.\($0.quoted))::text collate \"C\")::int" }
        let given = columns.map { $0.fromRecord() }.joined(separator: ", ")
        let rows = try session.query(
            """
            select x.tidemark_place, t.ctid is null, case when t.ctid is not null then to_json(array[\(changed.joined(separator: ", "))]::text[]) end
            from rows from (json_to_recordset($1) as (\(definitions))) with ordinality as x(\(names))
            left join \(relation.from) as t on \(relation.keys.map(\.matches).joined(separator: " and "))
            where t.ctid is null or row(\(given))::text collate "C" <> \(relation.line(of: columns))
            order by 1
            """, [.json(PageArray.images(Array(page.changes.indices), of: page))])
        return try (0..<rows.count).map { row in
            let change = page.changes[(Int(rows[row, 0] ?? "") ?? 1) - 1]
            let key = change.key.map { String(decoding: page.bytes[$0], as: UTF8.self) } ?? ""
            guard rows[row, 1] != "t" else { return RowDifference(.missing, key: key) }
            let flags = try JSONText.strings(rows[row, 2] ?? "[]")
            return RowDifference(.different, key: key, columns: columns.indices.filter { flags[$0] == "1" }.map { columns[$0].name })
        }
    }

    /// Whole rows can only be compared as a multiset, when all are there.
    func putAside(_ page: ChangePage) throws -> [RowDifference] {
        try session.run("create temporary table if not exists tidemark_compared (line text, image text) on commit drop")
        let definitions = relation.columns.map(\.recordDefinition).joined(separator: ", ")
        let given = relation.columns.map { $0.fromRecord() }.joined(separator: ", ")
        try session.query(
            """
            insert into \(Self.stage) select row(\(given))::text, e::text
            from json_array_elements($1) e cross join lateral json_to_record(e) as x(\(definitions))
            """, [.json(PageArray.images(Array(page.changes.indices), of: page))])
        return []
    }

    func multisetDifferences(_ receive: (RowDifference) throws -> Void) throws {
        try session.run("create temporary table if not exists tidemark_compared (line text, image text) on commit drop")
        let rows = try session.query(
            """
            select coalesce(s.n, 0) - coalesce(d.n, 0), coalesce(s.image, d.image)
            from (select line collate "C" as line, count(*) as n, min(image) as image from \(Self.stage) group by 1) s
            full join (select \(relation.line(of: relation.columns)) as line, count(*) as n, min(\(relation.identity())) as image
                       from \(relation.from) as t group by 1) d on d.line = s.line
            where s.n is distinct from d.n
            """)
        for row in 0..<rows.count {
            let surplus = Int64(rows[row, 0] ?? "") ?? 0
            try receive(RowDifference(surplus > 0 ? .missing : .extra, key: rows[row, 1] ?? "", count: abs(surplus)))
        }
        try session.run("drop table \(Self.stage)")
    }

    func extras(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws {
        try session.run(
            "create temporary table tidemark_compared (\(relation.keys.map(\.recordDefinition).joined(separator: ", "))) on commit drop")
        let definitions = relation.keys.map(\.recordDefinition).joined(separator: ", ")
        while let page = try nextPage() {
            try session.query(
                "insert into \(Self.stage) select * from json_to_recordset($1) as x(\(definitions))",
                [.json(PageArray.keys(Array(page.changes.indices), of: page))])
        }
        let condition = PartCondition(part, of: relation)
        try condition.bind(in: session)
        let rows = try session.query(
            """
            select \(relation.identity()) from (select t.* from \(condition.from)) t
            where not exists (select from \(Self.stage) x where \(relation.keys.map(\.matches).joined(separator: " and ")))
            """)
        for row in 0..<rows.count { try receive(RowDifference(.extra, key: rows[row, 0] ?? "")) }
        try session.run("drop table \(Self.stage)")
    }
}
