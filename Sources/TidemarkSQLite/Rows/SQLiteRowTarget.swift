package import TidemarkCore

/// Takes rows beside the stream: copies and repairs of one pipeline in one SQLite database. Confined to one thread.
///
/// Every transaction here begins with the write lock and with a look at the cursor: what is loaded was read where the
/// cursor stands, and as there is one writer at a time, the stream waits until it is committed.
///
/// After `begin`, after `save` with `changesStream`, and after the load of a copy of a table without a key that is
/// `done` by it, the cursor's revision is one higher than it was given: nothing else of the cursor changes here.
package final class SQLiteRowTarget: RowTarget {
    package let loadersMax = 1

    private let database: SQLiteDatabase
    private let path: String
    private let place: FilePlace?
    private let pipeline: String
    private let cursors: CursorTable
    private let tables: TargetTables
    private let staging: WindowStaging
    private let marks: AppliedMarks

    package init(path: String, pipeline: String) throws {
        self.path = path
        self.pipeline = pipeline
        place = FilePlace(path)
        (database, staging) = try TargetConnection.open(path, pipeline: pipeline)
        cursors = CursorTable(database)
        tables = TargetTables(database, pipeline: pipeline)
        marks = AppliedMarks(database)
        let isInstalled = try saying("the target cannot be read", pipeline: pipeline, path: path) { [database] in
            try TargetInstallation(database).hasCopies()
        }
        guard isInstalled else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
    }

    package func form(of table: CapturedTable, from engine: String) throws -> RowForm {
        guard engine == SQLiteEngine().name else { return .changes }
        return try reading("the target's table cannot be read", table.name) {
            NativeFit(try rows(of: table)).columns.map { .native(columns: $0) } ?? .changes
        }
    }

    /// Foreign keys hold still on this connection.
    package func loadingOrder(_ tables: [CapturedTable]) throws -> (groups: [[CapturedTable]], whole: Set<TableName>) {
        (tables.isEmpty ? [] : [tables], [])
    }

    package func hasRows(_ table: CapturedTable) throws -> Bool {
        try reading("the target's table cannot be read", table.name) { try hasRows(try rows(of: table)) }
    }

    package func begin(_ copy: TableCopy, of table: CapturedTable, at cursor: Cursor) throws {
        try writing("a copy cannot begin", table.name, at: cursor) {
            try prepare(try rows(of: table), for: copy)
            try CopyTable(database).save(copy, of: pipeline)
            try cursors.raiseRevision(for: cursor, of: pipeline)
        }
    }

    package func load(
        _ table: CapturedTable, as form: RowForm, order: ApplyOrder, at cursor: Cursor, saving copy: TableCopy?,
        nextPage: () throws -> RowPage?
    ) throws -> Int64 {
        let endsWholeRows = table.keyColumns.isEmpty && copy?.state == .done
        return try writing("rows were not loaded", table.name, at: cursor) {
            let rows = try rows(of: table)
            if endsWholeRows, let copy { try prepare(rows, for: copy) }
            let (count, bytes) = try take(rows, form, meetsStrangers: order == .staged, nextPage)
            if var copy {
                copy.rows += count
                copy.bytes += bytes
                try CopyTable(database).save(copy, of: pipeline)
            }
            if endsWholeRows { try cursors.raiseRevision(for: cursor, of: pipeline) }
            return count
        }
    }

    package func repair(
        _ differences: [RowDifference], of table: CapturedTable, with changes: ChangePage, at cursor: Cursor
    ) throws {
        try writing("rows were not repaired", table.name, at: cursor) {
            let load = try changeLoad(table, meetsStrangers: true)
            try load.take(changes)
            try load.finish()
            try RepairLog(database).add(differences, of: table.name, at: cursor, pipeline: pipeline)
        }
    }

    package func script(of statements: [String], moving cursor: Cursor, to moved: Cursor) throws -> [String] {
        let literal = SQLiteIdentifier.literal
        return ["-- Triggers of the tables must not fire: in the sqlite3 shell, .dbconfig enable_trigger off", "BEGIN IMMEDIATE;"] + statements + [
            """
            UPDATE tidemark_cursor SET snapshot = \(literal(moved.snapshot.description)), witness = \(literal(moved.witness)), last_id = \(moved.lastID),
                revision = revision + 1, hold = 'paused', held_by = 'a person', held_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            WHERE pipeline = \(literal(pipeline)) AND snapshot = \(literal(cursor.snapshot.description)) AND witness = \(literal(cursor.witness)) AND epoch = \(cursor.epoch);
            """,
            "SELECT CASE WHEN changes() = 1 THEN 'type COMMIT' ELSE 'the cursor has moved: type ROLLBACK, and plan again' END;",
        ]
    }

    package func statements(for changes: ChangePage, of table: CapturedTable) throws -> [String] {
        try reading("the statements cannot be written", table.name) {
            try tables.begin([table.capture: table])
            return try ChangeStatements(database, try tables.table(table.capture), pipeline: pipeline)
                .statements(for: changes)
        }
    }

    package func finish(_ table: TableName, running statements: [String], at cursor: Cursor) throws {
        for statement in statements {
            do {
                try place?.check(path, role: "target")
                try database.transaction("BEGIN IMMEDIATE") {
                    try cursors.requireEpoch(of: cursor, of: pipeline)
                    try database.execute(statement)
                }
            } catch let error as SQLiteFailure {
                // Made before a crash, or by a person.
                guard !error.saysAlreadyThere else { continue }
                guard error.isConstraint else {
                    throw error.error("a statement after the copy failed: \(statement)", pipeline: pipeline, table: table, path: path)
                }
                throw TidemarkError(
                    "a statement after the copy failed", pipeline: pipeline, table: table, why: "\(statement): \(error.message)",
                    remedy: "The rows are the source's, and do not fit it: mend the source's rows, or leave the statement out.")
            }
        }
    }

    package func save(_ copy: TableCopy, at cursor: Cursor, changesStream: Bool) throws {
        try transaction("a copy's state was not saved", copy.table) {
            if changesStream {
                try cursors.raiseRevision(for: cursor, of: pipeline)
            } else {
                try cursors.requireEpoch(of: cursor, of: pipeline)
            }
            try CopyTable(database).save(copy, of: pipeline)
        }
    }

    package func proofs() throws -> [TableProof] {
        try reading("the proofs cannot be read") { try ProofTable(database).proofs(of: pipeline) }
    }

    package func save(_ proof: TableProof, ended: Bool) throws {
        try transaction("a proof was not saved", proof.table) {
            try ProofTable(database).save(proof, of: pipeline, ended: ended)
        }
    }

    // MARK: Parts

    private func take(
        _ rows: TableRows, _ form: RowForm, meetsStrangers: Bool, _ nextPage: () throws -> RowPage?
    ) throws -> (rows: Int64, bytes: Int64) {
        var (count, bytes) = (Int64(0), Int64(0))
        var native: NativeLoad?
        var changes: ChangeLoad?
        if case .native(let columns) = form { native = try NativeLoad(database, rows, columns: columns) }
        while let page = try nextPage() {
            switch page {
            case .native(let page):
                guard let native else { preconditionFailure("rows came in native form, which was not asked for") }
                try native.take(page)
            case .changes(let page):
                let load = try changes ?? changeLoad(rows.captured, meetsStrangers: meetsStrangers)
                changes = load
                try load.take(page)
            }
            count += Int64(page.rowCount)
            bytes += Int64(page.byteCount)
        }
        try changes?.finish()
        return (count, bytes)
    }

    private func changeLoad(_ table: CapturedTable, meetsStrangers: Bool) throws -> ChangeLoad {
        try ChangeLoad(
            database, pipeline: pipeline, tables: tables, staging: staging, table, meetsStrangers: meetsStrangers)
    }

    /// Empties the table or refuses it.
    private func prepare(_ rows: TableRows, for copy: TableCopy) throws {
        switch copy.existing {
        case .merge, .keep: return
        case .empty: try database.execute("DELETE FROM \(rows.quotedName)")
        case .refuse:
            guard try !hasRows(rows) else { throw TableCopy.refusal(of: rows.captured.name, pipeline: pipeline) }
        }
        try ParkedTables(database: database, pipeline: pipeline).discard(rows.captured.name, because: "the table was copied anew")
    }

    private func hasRows(_ rows: TableRows) throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM \(rows.quotedName) LIMIT 1").isEmpty
    }

    private func rows(of table: CapturedTable) throws -> TableRows {
        try TableRows(table, in: database, role: .target, pipeline: pipeline)
    }

    private func reading<Result>(_ what: String, _ table: TableName? = nil, _ body: () throws -> Result) throws -> Result {
        try saying(what, pipeline: pipeline, table: table, path: path, body)
    }

    private func transaction<Result>(_ what: String, _ table: TableName, _ body: () throws -> Result) throws -> Result {
        try place?.check(path, role: "target")
        return try reading(what, table) { try database.transaction("BEGIN IMMEDIATE", body) }
    }

    /// In a transaction that begins where the cursor is said to be.
    private func writing<Result>(
        _ what: String, _ table: TableName, at cursor: Cursor, _ body: () throws -> Result
    ) throws -> Result {
        try transaction(what, table) {
            try cursors.require(cursor, of: pipeline)
            try marks.begin()
            return try marks.marking(cursor.source, body)
        }
    }
}
