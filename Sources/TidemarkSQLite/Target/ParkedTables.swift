import TidemarkCore

/// `tidemark_parked` and what belongs to it: transactions that were set aside. Everything here is part of the caller's
/// transaction.
struct ParkedTables {
    let database: SQLiteDatabase
    let pipeline: String

    private static let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"
    private var name: SQLiteValue { .string(pipeline) }

    func exist() throws(SQLiteFailure) -> Bool {
        try database.hasTable("tidemark_parked_audit_table")
    }

    // MARK: Installation

    private static let targetNames = ["target_schema", "target_name"]

    /// What an older version's lack.
    static func upgrades(in database: SQLiteDatabase) throws(SQLiteFailure) -> [String] {
        let known = try columns(in: database)
        guard !known.isEmpty else { return [] }
        return targetNames.filter { !known.contains($0) }.map { "ALTER TABLE tidemark_parked_capture ADD COLUMN \($0) TEXT" }
    }

    /// What is parked can be read also before setup has renewed an older version's.
    private func knowsTargetNames() throws(SQLiteFailure) -> Bool { try Self.columns(in: database).isSuperset(of: Self.targetNames) }

    private static func columns(in database: SQLiteDatabase) throws(SQLiteFailure) -> Set<String> {
        Set(try database.rows("SELECT name FROM pragma_table_info('tidemark_parked_capture', 'main')").compactMap { $0[0].string })
    }

    // MARK: Parking

    /// - Returns: the ids that stand for the faults.
    func add(_ faults: [ParkedFault]) throws(SQLiteFailure) -> [Int64] {
        var ids: [Int64] = []
        for fault in faults {
            let rows = try database.rows(
                """
                INSERT INTO main.tidemark_parked (id, pipeline, transaction_id, settled_with, parked_at, schema_name, table_name, key, change_id, reason)
                VALUES (1 + max((SELECT coalesce(max(id), 0) FROM main.tidemark_parked), (SELECT coalesce(max(parked), 0) FROM main.tidemark_parked_audit)),
                    ?, ?, 0, \(Self.now), ?, ?, ?, ?, ?) RETURNING id
                """,
                [
                    name, .string(fault.transaction), .optional(fault.table.map { $0.schema ?? "" }), .optional(fault.table?.name),
                    .optional(fault.key), fault.changeID.map { .integer($0) } ?? .null, .string(fault.reason),
                ])
            ids.append(rows.first?.first?.integer ?? 0)
        }
        _ = try database.rows("UPDATE main.tidemark_parked SET settled_with = id WHERE pipeline = ? AND settled_with = 0", [name])
        return ids
    }

    /// Keeps what is parked of a page.
    func add(_ page: SplitPage, ids: [Int64], tables: [Int32: CapturedTable], known: inout Set<Int32>) throws(SQLiteFailure) {
        for change in page.parked.changes where known.insert(change.capture).inserted {
            if let table = tables[change.capture] { try add(table) }
        }
        func id(_ owner: ParkedOwner) -> Int64 { owner.id(among: ids) }
        let insert = try database.prepare("INSERT INTO main.tidemark_parked_change VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")
        func text(_ range: Range<Int>?) -> SQLiteValue { range.map { .text(Array(page.parked.bytes[$0])) } ?? .null }
        for (change, place) in zip(page.parked.changes, page.places) {
            try insert.bind([
                name, .integer(change.id), .integer(id(place.owner)), .integer(Int64(change.capture)), .text([change.operation.rawValue]),
                text(change.key), text(change.image), .integer(place.isWaiting ? 1 : 0), .integer(place.holdsTable ? 1 : 0),
            ])
            try insert.run()
        }
        for joined in page.joined {
            _ = try database.rows(
                """
                UPDATE main.tidemark_parked SET settled_with = (SELECT min(settled_with) FROM main.tidemark_parked WHERE id IN (?1, ?2))
                WHERE settled_with IN (SELECT settled_with FROM main.tidemark_parked WHERE id IN (?1, ?2))
                """, [.integer(id(joined.one)), .integer(id(joined.other))])
        }
    }

    /// Notes in the audit what the transaction at hand has set aside.
    func noteParked(_ ids: [Int64], by worker: String) throws(SQLiteFailure) {
        for id in ids { try note("parked", id, by: worker, detail: nil) }
    }

    private func add(_ table: CapturedTable) throws(SQLiteFailure) {
        let capture = SQLiteValue.integer(Int64(table.capture))
        // Settled by now, what was kept of it may have been shaped otherwise.
        _ = try database.rows(
            """
            DELETE FROM main.tidemark_parked_column WHERE pipeline = ?1 AND capture = ?2
                AND NOT EXISTS (SELECT 1 FROM main.tidemark_parked_change WHERE pipeline = ?1 AND capture = ?2)
            """, [name, capture])
        _ = try database.rows(
            """
            INSERT INTO main.tidemark_parked_capture (pipeline, capture, schema_name, table_name, encoding) VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (pipeline, capture) DO UPDATE SET schema_name = excluded.schema_name, table_name = excluded.table_name
            """, [name, capture, .string(table.name.schema ?? ""), .string(table.name.name), .string(table.encoding.storedName)])
        if try knowsTargetNames() {
            _ = try database.rows(
                "UPDATE main.tidemark_parked_capture SET target_schema = ?, target_name = ? WHERE pipeline = ? AND capture = ?",
                [.optional(table.targetName?.schema), .optional(table.targetName?.name), name, capture])
        }
        for (place, column) in table.columns.enumerated() {
            _ = try database.rows(
                "INSERT INTO main.tidemark_parked_column VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    name, capture, .integer(Int64(place + 1)), .string(column.name), .string(column.type), .integer(column.isGenerated ? 1 : 0),
                    table.keyColumns.firstIndex(of: column.name).map { .integer(Int64($0 + 1)) } ?? .null,
                ])
        }
    }

    // MARK: What is parked

    func scope() throws(SQLiteFailure) -> ParkedScope {
        var scope = ParkedScope()
        guard try !database.rows("SELECT 1 FROM main.tidemark_parked WHERE pipeline = ? LIMIT 1", [name]).isEmpty else { return scope }
        let tables = try self.tables()
        func table(_ value: SQLiteValue) -> CapturedTable? { value.integer.flatMap { tables[Int32(truncatingIfNeeded: $0)] } }
        for row in try database.rows(
            "SELECT capture, min(parked) FROM main.tidemark_parked_change WHERE pipeline = ? AND holds_table GROUP BY capture", [name]) {
            guard let table = table(row[0]), let id = row[1].integer else { continue }
            scope.holdAll(of: table.name, by: .known(id))
        }
        for row in try database.rows(
            "SELECT DISTINCT capture, key, parked FROM main.tidemark_parked_change WHERE pipeline = ? AND key IS NOT NULL", [name]) {
            guard let table = table(row[0]), let key = row[1].string, let id = row[2].integer else { continue }
            scope.hold(key, of: table.name, keyForm: table.keyForm, by: .known(id))
        }
        return scope
    }

    /// By the generations that parked changes carry.
    func tables() throws(SQLiteFailure) -> [Int32: CapturedTable] {
        var tables: [Int32: CapturedTable] = [:]
        var keys: [Int32: [(Int64, String)]] = [:]
        let names = try knowsTargetNames() ? "c.target_schema, c.target_name" : "NULL, NULL"
        for row in try database.rows(
            """
            SELECT c.capture, c.schema_name, c.table_name, c.encoding, k.name, k.type, k.is_generated, k.key_position, \(names)
            FROM main.tidemark_parked_capture c JOIN main.tidemark_parked_column k USING (pipeline, capture)
            WHERE c.pipeline = ? ORDER BY c.capture, k.position
            """, [name]) {
            guard let number = row[0].integer, let encoding = ImageEncoding(storedName: row[3].string ?? ""), let column = row[4].string else { continue }
            let capture = Int32(truncatingIfNeeded: number)
            var table = tables[capture]
                ?? CapturedTable(capture: capture, name: StoredTableName.name(row[1], row[2]), columns: [], keyColumns: [], encoding: encoding)
            table.targetName = row[9].string.map { TableName(schema: row[8].string, name: $0) }
            table.columns.append(CapturedColumn(name: column, type: row[5].string ?? "", isGenerated: row[6].integer == 1))
            if let place = row[7].integer { keys[capture, default: []].append((place, column)) }
            tables[capture] = table
        }
        for (capture, places) in keys { tables[capture]?.keyColumns = places.sorted { $0.0 < $1.0 }.map(\.1) }
        return tables
    }

    // MARK: Settling

    /// The transactions that are settled with these.
    func settledWith(_ ids: [Int64]) throws(SQLiteFailure) -> [Int64] {
        try database.rows(
            """
            SELECT id FROM main.tidemark_parked WHERE pipeline = ?1 AND settled_with IN
                (SELECT settled_with FROM main.tidemark_parked WHERE pipeline = ?1 AND id IN (\(Self.list(ids)))) ORDER BY id
            """, [name]).compactMap { $0[0].integer }
    }

    /// The next changes of these transactions, in the order of their ids.
    func page(of ids: [Int64], after id: Int64, limit: Int) throws(SQLiteFailure) -> ChangePage? {
        let rows = try database.rows(
            """
            SELECT change_id, capture, operation, key, image FROM main.tidemark_parked_change
            WHERE pipeline = ? AND parked IN (\(Self.list(ids))) AND change_id > ? ORDER BY change_id LIMIT ?
            """, [name, .integer(id), .integer(Int64(limit))])
        guard !rows.isEmpty else { return nil }
        var page = ChangePage()
        func bytes(_ value: SQLiteValue) -> [UInt8]? { if case .text(let bytes) = value { bytes } else { nil } }
        for row in rows {
            guard let id = row[0].integer, let capture = row[1].integer, let operation = bytes(row[2])?.first.flatMap({ Operation(rawValue: $0) })
            else { continue }
            let (key, image) = (bytes(row[3]), bytes(row[4]))
            (key ?? []).withUnsafeBytes { keyBytes in
                (image ?? []).withUnsafeBytes { imageBytes in
                    page.append(
                        id: id, capture: Int32(truncatingIfNeeded: capture), operation: operation, key: key == nil ? nil : keyBytes,
                        image: image == nil ? nil : imageBytes)
                }
            }
        }
        return page
    }

    /// Forgets transactions, with a line in the audit for each.
    func remove(_ ids: [Int64], noting action: String, by who: String, detail: String? = nil) throws(SQLiteFailure) -> [SettledTransaction] {
        var settled: [SettledTransaction] = []
        for id in ids { settled.append(try note(action, id, by: who, detail: detail)) }
        _ = try database.rows("DELETE FROM main.tidemark_parked_change WHERE pipeline = ? AND parked IN (\(Self.list(ids)))", [name])
        _ = try database.rows("DELETE FROM main.tidemark_parked WHERE pipeline = ? AND id IN (\(Self.list(ids)))", [name])
        return settled
    }

    /// Forgets what is parked of a table whose rows come anew, or of all tables.
    func discard(_ table: TableName?, because detail: String) throws(SQLiteFailure) {
        guard try exist() else { return }
        let found = try database.rows(
            """
            SELECT DISTINCT c.parked FROM main.tidemark_parked_change c JOIN main.tidemark_parked_capture k USING (pipeline, capture)
            WHERE c.pipeline = ? AND \(Self.ofTable(table)) ORDER BY 1
            """, [name]).compactMap { $0[0].integer }
        for id in found {
            try note("skipped", id, by: "tidemark", detail: detail, table: table)
            _ = try database.rows(
                """
                DELETE FROM main.tidemark_parked_change WHERE pipeline = ?1 AND parked = ?2 AND capture IN
                    (SELECT k.capture FROM main.tidemark_parked_capture k WHERE k.pipeline = ?1 AND \(Self.ofTable(table)))
                """, [name, .integer(id)])
        }
        _ = try database.rows(
            "DELETE FROM main.tidemark_parked WHERE pipeline = ? AND id NOT IN (SELECT parked FROM main.tidemark_parked_change)", [name])
        guard table == nil else { return }
        // Another source numbers its captures anew.
        for kept in ["capture", "column"] { _ = try database.rows("DELETE FROM main.tidemark_parked_\(kept) WHERE pipeline = ?", [name]) }
    }

    /// Adds a line to the audit, about a transaction that is parked.
    @discardableResult
    private func note(
        _ action: String, _ id: Int64, by who: String, detail: String?, table: TableName? = nil
    ) throws(SQLiteFailure) -> SettledTransaction {
        let changes = """
            FROM main.tidemark_parked_change c JOIN main.tidemark_parked_capture k USING (pipeline, capture)
            WHERE c.pipeline = ?1 AND c.parked = ?2 AND \(Self.ofTable(table))
            """
        let audit = try database.rows(
            """
            INSERT INTO main.tidemark_parked_audit (pipeline, at, by, action, parked, changes, last_id, detail)
            SELECT ?1, \(Self.now), ?3, ?4, ?2, count(*), coalesce(max(c.change_id), 0), ?5 \(changes) RETURNING id, at, changes
            """, [name, .integer(id), .string(who), .string(action), .optional(detail)])
        let number = audit.first?[0] ?? .null
        let names = try database.rows("SELECT DISTINCT k.schema_name, k.table_name \(changes) ORDER BY 1, 2", [name, .integer(id)])
        for row in names {
            _ = try database.rows("INSERT INTO main.tidemark_parked_audit_table VALUES (?, ?, ?, ?)", [number, name, row[0], row[1]])
        }
        return SettledTransaction(
            at: audit.first?[1].string ?? "", by: who, action: action, id: id, changes: audit.first?[2].integer ?? 0,
            tables: names.map { StoredTableName.name($0[0], $0[1]) }, detail: detail)
    }

    /// A condition on `k`.
    private static func ofTable(_ table: TableName?) -> String {
        guard let table else { return "1" }
        return "k.schema_name = \(SQLiteIdentifier.literal(table.schema ?? "")) AND k.table_name = \(SQLiteIdentifier.literal(table.name))"
    }

    private static func list(_ ids: [Int64]) -> String { ids.map(String.init).joined(separator: ", ") }
}
