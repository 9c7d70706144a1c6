import TidemarkCore

/// `tidemark.parked` and what belongs to it: transactions that were set aside. Everything here is part of the caller's
/// transaction.
struct ParkedRecords {
    let session: PostgresSession
    let pipeline: String

    static let tables = ["parked", "parked_change", "parked_capture", "parked_column", "parked_audit", "parked_audit_table"]
    /// Beside the source's name of a table that has no schema.
    static let noSchema = ""

    func exist() throws(PostgresFailure) -> Bool { try session.query("select to_regclass('tidemark.parked_audit_table')")[0, 0] != nil }

    /// An installation of an older version has no place for origins, and nothing that has one.
    private func holdOrigins() throws(PostgresFailure) -> Bool {
        try session.query(
            "select exists (select from pg_attribute where attrelid = 'tidemark.parked_change'::regclass and attname = 'origin' and not attisdropped)")[0, 0] == "t"
    }

    // MARK: Parking

    /// - Returns: the ids that stand for the faults.
    func add(_ faults: [ParkedFault]) throws(PostgresFailure) -> [Int64] {
        var ids: [Int64] = []
        for fault in faults {
            let rows = try session.query(
                """
                insert into tidemark.parked (pipeline, transaction, settled_with, schema_name, table_name, key, change_id, reason)
                values ($1, $2, 0, $3, $4, $5, $6, $7) returning id
                """,
                [
                    .text(pipeline), .text(fault.transaction), .optional(fault.table.map { $0.schema ?? Self.noSchema }), .optional(fault.table?.name),
                    .optional(fault.key), .optional(fault.changeID.map(String.init)), .text(fault.reason),
                ])
            ids.append(Int64(rows[0, 0] ?? "") ?? 0)
        }
        try session.query(
            "update tidemark.parked set settled_with = id where pipeline = $1 and settled_with = 0", [.text(pipeline)])
        return ids
    }

    /// Keeps what is parked of a page.
    func add(_ page: SplitPage, ids: [Int64], tables: [Int32: CapturedTable], known: inout Set<Int32>) throws(PostgresFailure) {
        guard !page.parked.changes.isEmpty else { return }
        for change in page.parked.changes where known.insert(change.capture).inserted {
            if let table = tables[change.capture] { try add(table) }
        }
        func id(_ owner: ParkedOwner) -> Int64 { owner.id(among: ids) }
        // Only a pipeline that passes on has any, and setup has made the column for it.
        let hasOrigins = page.parked.changes.indices.contains { page.parked.origin($0) != nil }
        try session.query(
            """
            insert into tidemark.parked_change (pipeline, change_id, parked, capture, operation, key, image, is_waiting, holds_table\(hasOrigins ? ", origin" : ""))
            select $2::text, x.i, x.p, x.c, x.o, x.k, x.r, x.w, x.h\(hasOrigins ? ", x.f" : "")
            from json_to_recordset($1) as x(i bigint, p bigint, c int, o text, k json, r json, w boolean, h boolean, f text)
            """, [.json(Self.records(page, id)), .text(pipeline)])
        for joined in page.joined {
            try session.query(
                """
                update tidemark.parked set settled_with = (select min(settled_with) from tidemark.parked where id in ($1, $2))
                where settled_with in (select settled_with from tidemark.parked where id in ($1, $2))
                """, [.text(String(id(joined.one))), .text(String(id(joined.other)))])
        }
    }

    /// Notes in the audit what the transaction at hand has set aside.
    func noteParked(_ ids: [Int64], by worker: String) throws(PostgresFailure) {
        for id in ids { try note("parked", id, by: worker, detail: nil) }
    }

    private func add(_ table: CapturedTable) throws(PostgresFailure) {
        let capture = String(table.capture)
        try session.query(
            """
            insert into tidemark.parked_capture (pipeline, capture, schema_name, table_name, encoding, target_schema, target_name)
            values ($1, $2, $3, $4, $5, $6, $7)
            on conflict (pipeline, capture) do update set schema_name = excluded.schema_name, table_name = excluded.table_name,
                target_schema = excluded.target_schema, target_name = excluded.target_name
            """,
            [
                .text(pipeline), .text(capture), .text(table.name.schema ?? Self.noSchema), .text(table.name.name),
                .text(table.encoding.storedName), .optional(table.targetName.map { $0.schema ?? Self.noSchema }), .optional(table.targetName?.name),
            ])
        for (place, column) in table.columns.enumerated() {
            try session.query(
                """
                insert into tidemark.parked_column (pipeline, capture, position, name, type, is_generated, key_position)
                values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing
                """,
                [
                    .text(pipeline), .text(capture), .text(String(place + 1)), .text(column.name), .text(column.type),
                    .text(column.isGenerated ? "t" : "f"), .optional(table.keyColumns.firstIndex(of: column.name).map { String($0 + 1) }),
                ])
        }
    }

    private static func records(_ page: SplitPage, _ id: (ParkedOwner) -> Int64) -> [UInt8] {
        var bytes: [UInt8] = [UInt8(ascii: "[")]
        for (index, (change, place)) in zip(page.parked.changes, page.places).enumerated() {
            if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
            bytes += "{\"i\":\(change.id),\"p\":\(id(place.owner)),\"c\":\(change.capture),\"w\":\(place.isWaiting),\"h\":\(place.holdsTable),\"o\":\"".utf8
            bytes += [change.operation.rawValue, UInt8(ascii: "\"")]
            for (label, range) in [("k", change.key), ("r", change.image)] {
                guard let range else { continue }
                bytes += ",\"\(label)\":".utf8
                bytes += page.parked.bytes[range]
            }
            if let origin = page.parked.origin(index) {
                bytes += ",\"f\":".utf8
                JSONString.append(origin.utf8, to: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
        bytes.append(UInt8(ascii: "]"))
        return bytes
    }

    // MARK: What is parked

    func scope() throws(PostgresFailure) -> ParkedScope {
        var scope = ParkedScope()
        guard try session.query("select exists (select from tidemark.parked where pipeline = $1)", [.text(pipeline)])[0, 0] == "t" else { return scope }
        let tables = try self.tables()
        let whole = try session.query(
            "select capture, min(parked) from tidemark.parked_change where pipeline = $1 and holds_table group by capture", [.text(pipeline)])
        for row in 0..<whole.count {
            guard let table = whole[row, 0].flatMap({ Int32($0) }).flatMap({ tables[$0] }), let id = whole[row, 1].flatMap({ Int64($0) }) else { continue }
            scope.holdAll(of: table.name, by: .known(id))
        }
        let keys = try session.query(
            "select distinct capture, key::text, parked from tidemark.parked_change where pipeline = $1 and key is not null", [.text(pipeline)])
        for row in 0..<keys.count {
            guard let table = keys[row, 0].flatMap({ Int32($0) }).flatMap({ tables[$0] }), let key = keys[row, 1],
                let id = keys[row, 2].flatMap({ Int64($0) })
            else { continue }
            scope.hold(key, of: table.name, keyForm: table.keyForm, by: .known(id))
        }
        return scope
    }

    /// By the generations that parked changes carry.
    func tables() throws(PostgresFailure) -> [Int32: CapturedTable] {
        let columns = try session.query(
            """
            select c.capture, c.schema_name, c.table_name, c.encoding, k.name, k.type, k.is_generated, k.key_position,
                   c.target_schema, c.target_name
            from tidemark.parked_capture c join tidemark.parked_column k using (pipeline, capture)
            where c.pipeline = $1 order by c.capture, k.position
            """, [.text(pipeline)])
        var tables: [Int32: CapturedTable] = [:]
        var keys: [Int32: [(Int, String)]] = [:]
        for row in 0..<columns.count {
            guard let capture = columns[row, 0].flatMap({ Int32($0) }), let encoding = ImageEncoding(storedName: columns[row, 3] ?? "") else { continue }
            let name = columns[row, 4] ?? ""
            var table = tables[capture]
                ?? CapturedTable(capture: capture, name: Self.name(columns[row, 1], columns[row, 2]), columns: [], keyColumns: [], encoding: encoding)
            if let target = columns[row, 9] { table.targetName = Self.name(columns[row, 8], target) }
            table.columns.append(CapturedColumn(name: name, type: columns[row, 5] ?? "", isGenerated: columns[row, 6] == "t"))
            if let place = columns[row, 7].flatMap({ Int($0) }) { keys[capture, default: []].append((place, name)) }
            tables[capture] = table
        }
        for (capture, places) in keys { tables[capture]?.keyColumns = places.sorted { $0.0 < $1.0 }.map(\.1) }
        return tables
    }

    static func name(_ schema: String?, _ table: String?) -> TableName {
        TableName(schema: schema?.isEmpty == false ? schema : nil, name: table ?? "")
    }

    // MARK: Settling

    /// The transactions that are settled with these.
    func settledWith(_ ids: [Int64]) throws(PostgresFailure) -> [Int64] {
        let rows = try session.query(
            """
            select id from tidemark.parked where pipeline = $1 and settled_with in
                (select settled_with from tidemark.parked where pipeline = $1 and id = any ($2)) order by id
            """, [.text(pipeline), .text(Self.array(ids))])
        return (0..<rows.count).compactMap { rows[$0, 0].flatMap { Int64($0) } }
    }

    /// The next changes of these transactions, in the order of their ids.
    func page(of ids: [Int64], after id: Int64, limit: Int) throws(PostgresFailure) -> ChangePage? {
        let rows = try session.query(
            """
            select change_id, capture, operation, key::text, image::text\(try holdOrigins() ? ", origin" : ", null") from tidemark.parked_change
            where pipeline = $1 and parked = any ($2) and change_id > $3 order by change_id limit $4
            """, [.text(pipeline), .text(Self.array(ids)), .text(String(id)), .text(String(limit))])
        guard rows.count > 0 else { return nil }
        var page = ChangePage()
        for row in 0..<rows.count {
            guard let id = rows[row, 0].flatMap({ Int64($0) }), let capture = rows[row, 1].flatMap({ Int32($0) }),
                let operation = rows[row, 2]?.utf8.first.flatMap({ Operation(rawValue: $0) })
            else { continue }
            let (key, image) = (rows[row, 3].map { Array($0.utf8) }, rows[row, 4].map { Array($0.utf8) })
            (key ?? []).withUnsafeBytes { keyBytes in
                (image ?? []).withUnsafeBytes { imageBytes in
                    page.append(id: id, capture: capture, operation: operation, key: key == nil ? nil : keyBytes, image: image == nil ? nil : imageBytes,
                        origin: rows[row, 5])
                }
            }
        }
        return page
    }

    /// Forgets transactions, with a line in the audit for each.
    func remove(_ ids: [Int64], noting action: String, by who: String, detail: String? = nil) throws(PostgresFailure) -> [SettledTransaction] {
        var settled: [SettledTransaction] = []
        for id in ids { settled += try note(action, id, by: who, detail: detail) }
        try session.query("delete from tidemark.parked_change where pipeline = $1 and parked = any ($2)", [.text(pipeline), .text(Self.array(ids))])
        try session.query("delete from tidemark.parked where pipeline = $1 and id = any ($2)", [.text(pipeline), .text(Self.array(ids))])
        return settled
    }

    /// Forgets what is parked of a table whose rows come anew, or of all tables.
    func discard(_ table: TableName?, because detail: String) throws(PostgresFailure) {
        guard try exist() else { return }
        let found = try session.query(
            """
            select distinct c.parked from tidemark.parked_change c join tidemark.parked_capture k using (pipeline, capture)
            where pipeline = $1 and ($2::text is null or k.schema_name = $2 and k.table_name = $3) order by 1
            """, [.text(pipeline), .optional(table.map { $0.schema ?? Self.noSchema }), .optional(table?.name)])
        for row in 0..<found.count {
            guard let id = found[row, 0].flatMap({ Int64($0) }) else { continue }
            try note("skipped", id, by: "tidemark", detail: detail, table: table)
            try session.query(
                """
                delete from tidemark.parked_change c using tidemark.parked_capture k where c.pipeline = $1 and c.parked = $4
                and k.pipeline = c.pipeline and k.capture = c.capture and ($2::text is null or k.schema_name = $2 and k.table_name = $3)
                """, [.text(pipeline), .optional(table.map { $0.schema ?? Self.noSchema }), .optional(table?.name), .text(String(id))])
        }
        try session.query(
            "delete from tidemark.parked p where pipeline = $1 and not exists (select from tidemark.parked_change c where c.parked = p.id)",
            [.text(pipeline)])
        guard table == nil else { return }
        // Another source numbers its captures anew.
        for name in ["parked_capture", "parked_column"] { try session.query("delete from tidemark.\(name) where pipeline = $1", [.text(pipeline)]) }
    }

    /// Adds a line to the audit, about a transaction that is parked.
    @discardableResult
    private func note(
        _ action: String, _ id: Int64, by who: String, detail: String?, table: TableName? = nil
    ) throws(PostgresFailure) -> [SettledTransaction] {
        let ofTable = "($3::text is null or k.schema_name = $3 and k.table_name = $4)"
        let parameters: [PostgresParameter] = [
            .text(pipeline), .text(String(id)), .optional(table.map { $0.schema ?? Self.noSchema }), .optional(table?.name),
        ]
        let audit = try session.query(
            """
            insert into tidemark.parked_audit (pipeline, by, action, parked, changes, last_id, detail)
            select $1::text, $5::text, $6::text, $2::bigint, count(*), coalesce(max(change_id), 0), $7::text
            from tidemark.parked_change c join tidemark.parked_capture k using (pipeline, capture)
            where pipeline = $1 and c.parked = $2 and \(ofTable) returning id, at, changes
            """, parameters + [.text(who), .text(action), .optional(detail)])
        let names = try session.query(
            """
            insert into tidemark.parked_audit_table (audit, pipeline, schema_name, table_name)
            select distinct $5::bigint, $1::text, k.schema_name, k.table_name
            from tidemark.parked_change c join tidemark.parked_capture k using (pipeline, capture)
            where pipeline = $1 and c.parked = $2 and \(ofTable) returning schema_name, table_name
            """, parameters + [.text(audit[0, 0] ?? "0")])
        let tables = (0..<names.count).map { Self.name(names[$0, 0], names[$0, 1]) }.sorted()
        return [
            SettledTransaction(
                at: audit[0, 1] ?? "", by: who, action: action, id: id, changes: Int64(audit[0, 2] ?? "") ?? 0, tables: tables, detail: detail)
        ]
    }

    static func array(_ ids: [Int64]) -> String { "{\(ids.map(String.init).joined(separator: ","))}" }
}
