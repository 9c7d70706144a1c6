import TidemarkCore

/// The statements that settle a table's changes, prepared, in the order in which they are run.
final class ConflictSteps {
    private let database: SQLiteDatabase
    private let sql: ConflictSQL
    private let cutting, piecing, counting, folding, standing, judging, resolving, recording, recordingLosses, removingLosses: SQLiteStatement
    private let writing: [SQLiteStatement]
    private let clashes: [[SQLiteStatement]]
    let tombstones, addingTombstone: SQLiteStatement

    init(_ database: SQLiteDatabase, _ sql: ConflictSQL) throws(SQLiteFailure) {
        (self.database, self.sql) = (database, sql)
        cutting = try database.prepare(sql.cutting)
        piecing = try database.prepare(sql.piecing)
        counting = try database.prepare(sql.counting)
        folding = try database.prepare(sql.folding)
        standing = try database.prepare(sql.standingRows)
        tombstones = try database.prepare(sql.tombstones)
        addingTombstone = try database.prepare(sql.addingTombstone)
        judging = try database.prepare(sql.judging)
        resolving = try database.prepare(sql.resolving)
        recording = try database.prepare(sql.recording)
        recordingLosses = try database.prepare(sql.recordingLosses)
        removingLosses = try database.prepare(sql.removingLosses)
        var prepared: [[SQLiteStatement]] = []
        for clash in UniqueClash.all(sql) {
            var statements: [SQLiteStatement] = []
            for text in [clash.clearing, clash.filling, clash.addingStanding, clash.clearing, clash.filling, clash.losing] {
                statements.append(try database.prepare(text))
            }
            prepared.append(statements)
        }
        clashes = prepared
        var statements: [SQLiteStatement] = []
        for text in [sql.removing, sql.upserting, sql.forgettingTombstones, sql.keepingTombstones] { statements.append(try database.prepare(text)) }
        writing = statements
    }

    /// - Returns: into how many pieces the changes of a key fall at most.
    func cut(run: Int) throws(SQLiteFailure) -> Int {
        try database.execute("DELETE FROM \(sql.cuts)")
        cutting.bind(Int64(run), at: 1)
        try cutting.run()
        guard database.changes > 0 else { return 1 }
        piecing.bind(Int64(run), at: 1)
        try piecing.run()
        defer { counting.reset() }
        return try counting.step() ? Int(counting.int64(0)) : 1
    }

    func fold(run: Int, piece: Int) throws(SQLiteFailure) {
        try database.execute(sql.clearingRound)
        folding.bind(Int64(run), at: 1)
        folding.bind(Int64(piece), at: 2)
        try folding.run()
        try standing.run()
    }

    func judge() throws(SQLiteFailure) { try judging.run() }

    func resolve() throws(SQLiteFailure) {
        try resolving.run()
        for clash in clashes { for statement in clash { try statement.run() } }
    }

    func record(origin: String?) throws(SQLiteFailure) {
        for statement in [recording, recordingLosses] {
            try statement.bind([.optional(origin)])
            try statement.run()
        }
    }

    /// The rows that stand and have lost a unique value.
    func removeLosses() throws(SQLiteFailure) { try removingLosses.run() }

    func write() throws(SQLiteFailure) { for statement in writing { try statement.run() } }

    /// Which deletes are logged besides what the triggers of capture log.
    enum Announcement: String {
        /// Who lost a unique value is decided here, and another end may never see the two together: that the row has to go is a change
        /// of this database's own, and every end that its changes reach is told.
        case losses = "r.tidemark_lost"
        /// What is passed on of a delete is the row that stood here, and nothing where none did. The version that was deleted decides
        /// elsewhere whether a row there is older.
        case deletes = "r.tidemark_deleted AND r.tidemark_news AND NOT r.tidemark_lost"
    }

    func announce(_ what: Announcement) throws(SQLiteFailure) {
        guard try !database.rows("SELECT 1 FROM \(sql.result) AS r WHERE \(what.rawValue) LIMIT 1").isEmpty, let statements = try announcing(what) else { return }
        for statement in statements { try database.execute(statement) }
    }

    /// As the capture of the table logs a delete; nil where it is not captured.
    private func announcing(_ what: Announcement) throws(SQLiteFailure) -> [String]? {
        guard try database.hasTable("tidemark_capture"),
            let capture = try database.rows(
                "SELECT capture FROM main.tidemark_capture WHERE table_name = ? AND retired_at IS NULL ORDER BY capture DESC LIMIT 1",
                [.string(sql.target.table.name)]).first?.first?.integer
        else { return nil }
        let columns = try database.rows(
            "SELECT name, key_position FROM main.tidemark_column WHERE capture = ? ORDER BY position", [.integer(capture)])
        func reference(_ name: String) -> String { sql.names.contains(name) ? "r.\(SQLiteIdentifier.quoted(name))" : "NULL" }
        let image = SQLiteEncoding.object(columns.compactMap { $0[0].string }.map { ($0, reference($0)) })
        let keys = columns.filter { $0[1] != .null }.sorted { ($0[1].integer ?? 0) < ($1[1].integer ?? 0) }.compactMap { $0[0].string }
        guard !keys.isEmpty, keys.allSatisfy(sql.names.contains) else { return nil }
        let key = SQLiteEncoding.object(keys.map { ($0, reference($0)) })
        return [("B", image), ("D", "NULL")].map { operation, image in
            """
            INSERT INTO main.data_changes (token, capture, operation, key, image, changed_at)
            SELECT hex(randomblob(8)), \(capture), '\(operation)', \(key), \(image), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
            FROM \(sql.result) AS r WHERE \(what.rawValue) ORDER BY r.tidemark_key
            """
        }
    }
}
