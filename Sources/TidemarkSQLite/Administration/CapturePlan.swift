import TidemarkCore

/// What would have to change in a source so that exactly the tables wanted are captured, as they are now.
struct CapturePlan {
    struct Step {
        /// The generations of this table whose triggers go.
        var retired: [Int64]
        /// The triggers that go, by name.
        var dropped: [String]
        /// The new generation; nil where the table is only given up.
        var made: (capture: Int64, table: SQLiteTable, images: CapturedImages, triggers: [String])?
        /// Why rows may have passed unseen before the new generation.
        var gap: String?
        var tableName: String

        var statements: [String] {
            dropped.map { "DROP TRIGGER IF EXISTS \(SQLiteIdentifier.quoted($0))" } + (made?.triggers ?? [])
        }
    }

    private(set) var steps: [Step] = []
    private let database: SQLiteDatabase

    /// - Parameters:
    ///   - wanted: the tables to capture, each with what is logged of its rows.
    ///   - isInstalled: is there a registry yet?
    init(_ database: SQLiteDatabase, capturing wanted: [(table: SQLiteTable, images: CapturedImages)], isInstalled: Bool) throws {
        self.database = database
        let registry = CaptureRegistry(database)
        var known = isInstalled ? try registry.current() : []
        var next = isInstalled ? try registry.nextCapture() : 1
        let fingerprint = CaptureFingerprint(database)
        for (table, images) in wanted {
            let name = SQLiteIdentifier.folded(table.name)
            let own = known.filter { SQLiteIdentifier.folded($0.table) == name }
            known.removeAll { SQLiteIdentifier.folded($0.table) == name }
            let guarded = try fingerprint.hasBeforeTriggers(on: table.name)
            if own.count == 1, own[0].table == table.name, try fingerprint.schemaText(of: table.name) == own[0].schemaText {
                let made = try Self.triggers(table, own[0].capture, images, guarded).create
                let standing = try fingerprint.triggerText(of: own[0].capture)
                // As SQLite keeps them: sorted by name, each as it was written.
                if made.sorted().joined(separator: ";\n") == standing { continue }
            }
            steps.append(
                Step(
                    retired: own.map(\.capture), dropped: try own.flatMap { try Self.standing($0.capture, database) },
                    made: (next, table, images, try Self.triggers(table, next, images, guarded).create),
                    gap: try Self.gap(own, table, fingerprint, AddedColumns(database)),
                    tableName: table.name))
            next += 1
        }
        for gone in known {
            steps.append(
                Step(
                    retired: [gone.capture], dropped: try Self.standing(gone.capture, database), made: nil,
                    tableName: gone.table))
        }
    }

    /// Why rows may have passed the generations at hand unseen.
    private static func gap(
        _ own: [CaptureRegistry.Current], _ table: SQLiteTable, _ fingerprint: CaptureFingerprint, _ added: AddedColumns
    ) throws -> String? {
        for current in own {
            if let known = current.gap { return known }
            guard let why = try fingerprint.difference(of: current.capture, of: current.table) else { continue }
            if try !added.areEmpty(in: table, since: current.capture) { return why }
        }
        return nil
    }

    private static func triggers(_ table: SQLiteTable, _ capture: Int64, _ images: CapturedImages, _ guarded: Bool) throws -> SQLiteTriggers {
        do {
            return try SQLiteTriggers(table: table, capture: capture, images: images, guardsNestedWrites: guarded)
        } catch {
            throw TidemarkError(
                "a table cannot be captured", table: TableName(schema: nil, name: table.name), why: error.message,
                remedy: "Either \(error.hint) with --exclude, or mend the table; then type: tidemark setup …")
        }
    }

    private static func standing(_ capture: Int64, _ database: SQLiteDatabase) throws(SQLiteFailure) -> [String] {
        try database.rows(
            """
            SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidemark_capture_\(capture)_*' ORDER BY name
            """
        ).compactMap { $0[0].string }
    }
}

extension CapturePlan.Step {
    /// In one transaction, so that no write of the application falls between the old triggers and the new ones.
    func perform(in database: SQLiteDatabase) throws(SQLiteFailure) {
        let registry = CaptureRegistry(database)
        for sql in statements { try database.execute(sql) }
        for capture in retired { try registry.retire(capture) }
        if let made { try registry.add(made.capture, made.table, images: made.images, gap: gap) }
        // Nobody else writes now, so the log ends with a whole transaction: windows are cut here, and no window holds
        // two generations of one table.
        try database.execute(SQLiteSource.tick)
    }
}
