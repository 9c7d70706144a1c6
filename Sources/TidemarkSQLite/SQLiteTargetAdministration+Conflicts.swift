package import TidemarkCore

/// Tables that others write, too.
extension SQLiteTargetAdministration {
    package func planConflicts(in tables: [CapturedTable], of pipeline: String) throws -> [PlannedStatement] {
        try saying("what conflicts are found by cannot be planned", pipeline: pipeline, path: path) {
            try TombstoneTriggers(database, pipeline: pipeline).statements(for: tables).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func prepareConflicts(in tables: [CapturedTable], of pipeline: String) throws {
        try saying("what conflicts are found by was not made", pipeline: pipeline, path: path) {
            let triggers = TombstoneTriggers(database, pipeline: pipeline)
            guard try !triggers.statements(for: tables).isEmpty else { return }
            try WriteLock(database: database).hold {
                for statement in try triggers.statements(for: tables) { try database.execute(statement) }
            }
        }
    }

    package func checkConflicts(in tables: [CapturedTable]) throws -> [Finding] {
        try saying("the rules for conflicts cannot be checked", path: path) {
            try tables.flatMap { table -> [Finding] in
                guard let rule = table.conflicts else { return [] }
                do {
                    let target = try TargetTable(table, slot: 0, in: database, pipeline: "")
                    let faults = ConflictFaults(target, rule).all
                    guard faults.isEmpty else {
                        return faults.map { Finding(.problem, table: table.name, "\($0.what): \($0.why)", remedy: $0.remedy) }
                    }
                    return try unreadable(table, target, rule)
                } catch let error as TidemarkError {
                    return [Finding(error)]
                }
            }
        }
    }

    /// Whether SQLite can read the statements, with what a person wrote into them; what is made for that is taken back.
    private func unreadable(_ table: CapturedTable, _ target: TargetTable, _ rule: ConflictRule) throws -> [Finding] {
        guard try database.hasTable(SQLiteCatalog.tombstones) else { return [] }
        let sql = ConflictSQL(target, rule, pipeline: "")
        try database.execute("BEGIN")
        defer { try? database.execute("ROLLBACK") }
        if sql.usesJSON { try database.addMergingFunctions() }
        for statement in sql.creation { try database.execute(statement) }
        do throws(SQLiteFailure) {
            _ = try ConflictSteps(database, sql)
            return []
        } catch {
            return [
                Finding(
                    .problem, table: table.name, "a rule for conflicts cannot be read: \(error.message)",
                    remedy: "Correct conflict: in the pipeline's tables: SQL of SQLite over source.COLUMN, target.COLUMN and before.COLUMN.")
            ]
        }
    }

    // MARK: Records

    private static let columns = """
        id, at, schema_name, table_name, key, kind, origin, change_id, before, source, target, strategy, result, outcome, restored_at, restored_by
        """

    package func conflictCounts(of pipeline: String) throws -> [ConflictCount] {
        try saying("the conflicts cannot be read", pipeline: pipeline, path: path) {
            guard try database.hasTable("tidemark_conflict") else { return [] }
            return try database.rows(
                "SELECT schema_name, table_name, count(*), max(at) FROM main.tidemark_conflict WHERE pipeline = ? GROUP BY 1, 2 ORDER BY 1, 2",
                [.string(pipeline)]
            ).map { ConflictCount(table: StoredTableName.name($0[0], $0[1]), conflicts: $0[2].integer ?? 0, lastAt: $0[3].string ?? "") }
        }
    }

    package func conflicts(of pipeline: String, table: TableName?, before id: Int64?, limit: Int) throws -> [Conflict] {
        try saying("the conflicts cannot be read", pipeline: pipeline, path: path) {
            guard try database.hasTable("tidemark_conflict") else { return [] }
            return try database.rows(
                """
                SELECT \(Self.columns) FROM main.tidemark_conflict
                WHERE pipeline = ?1 AND (?2 IS NULL OR table_name = ?2 COLLATE NOCASE) AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4
                """, [.string(pipeline), .optional(table?.name), id.map { .integer($0) } ?? .null, .integer(Int64(limit))]
            ).map { Self.conflict($0, of: pipeline) }
        }
    }

    package func conflict(_ id: Int64, of pipeline: String) throws -> Conflict? {
        try saying("the conflicts cannot be read", pipeline: pipeline, path: path) {
            guard try database.hasTable("tidemark_conflict") else { return nil }
            return try database.rows("SELECT \(Self.columns) FROM main.tidemark_conflict WHERE pipeline = ? AND id = ?", [.string(pipeline), .integer(id)])
                .first.map { Self.conflict($0, of: pipeline) }
        }
    }

    private static func conflict(_ row: [SQLiteValue], of pipeline: String) -> Conflict {
        Conflict(
            id: row[0].integer ?? 0, pipeline: pipeline, at: row[1].string ?? "", table: StoredTableName.name(row[2], row[3]), key: row[4].string ?? "",
            kind: row[5].string.flatMap { ConflictKind(rawValue: $0) } ?? .updateUpdate, origin: row[6].string, changeID: row[7].integer ?? 0,
            before: row[8].string, source: row[9].string, target: row[10].string, strategy: row[11].string ?? "",
            result: row[12].string.flatMap { ConflictResult(rawValue: $0) } ?? .target, outcome: row[13].string, restoredAt: row[14].string,
            restoredBy: row[15].string)
    }

    // MARK: Putting back

    package func restore(_ image: ConflictImage, of conflict: Conflict, by person: String) throws {
        let chosen = switch image {
        case .before: conflict.before
        case .source: conflict.source
        case .target: conflict.target
        }
        try saying("an image was not put back", pipeline: conflict.pipeline, table: conflict.table, path: path) {
            try WriteLock(database: database).hold {
                do {
                    try put(chosen, conflict)
                } catch {
                    throw ApplyFault(pipeline: conflict.pipeline, table: conflict.table, key: conflict.key).error(for: error, order: .staged)
                }
                _ = try database.rows(
                    "UPDATE main.tidemark_conflict SET restored_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), restored_by = ? WHERE id = ?",
                    [.string(person), .integer(conflict.id)])
            }
        }
    }

    /// As an application would: triggers fire on this connection, capture's among them.
    private func put(_ image: String?, _ conflict: Conflict) throws {
        func names(_ text: String) throws -> [String] { try database.rows("SELECT key FROM json_each(?)", [.string(text)]).compactMap { $0[0].string } }
        let keys = try names(conflict.key)
        let columns = try image.map(names) ?? keys
        let captured = CapturedTable(
            capture: 0, name: conflict.table, columns: columns.map { CapturedColumn(name: $0, type: "") }, keyColumns: keys, encoding: .storageClasses)
        let target = try TargetTable(captured, slot: 0, in: database, pipeline: conflict.pipeline)
        let (statement, binder) = (try target.statement(image == nil ? .delete : .upsert), image == nil ? target.key : target.image)
        let (text, scratch) = (Array((image ?? conflict.key).utf8), ScratchBytes())
        try text.withUnsafeBufferPointer { bytes in
            try binder.bind(bytes, to: statement, scratch)
            try withExtendedLifetime(scratch) { try statement.run() }
        }
    }
}
