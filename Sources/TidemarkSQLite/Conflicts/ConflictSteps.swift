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

    /// What is logged besides what the triggers of capture log.
    enum Announcement {
        /// Who lost a unique value is decided here, and another end may never see the two together: that the row has to go is a change
        /// of this database's own, and every end that its changes reach is told.
        case losses
        /// What is passed on of a delete is the row that stood here, and nothing where none did. The version that was deleted decides
        /// elsewhere whether a row there is older.
        case deletes
        /// What a merge made of a row that is gone afterwards: other ends, where it may stand, have to be told what was added to it.
        case merges
        /// What a row was that a merge brings back: the trigger says only how it is now, and not what was added to it.
        case returns

        fileprivate var condition: String {
            switch self {
            case .losses: "r.tidemark_lost"
            case .deletes: "r.tidemark_deleted AND r.tidemark_news AND NOT r.tidemark_lost"
            case .merges: "r.tidemark_deleted AND r.tidemark_news AND NOT r.tidemark_lost AND was.tidemark_key IS NOT NULL"
            case .returns: "NOT r.tidemark_deleted AND NOT r.tidemark_standing AND NOT r.tidemark_lost AND was.tidemark_key IS NOT NULL"
            }
        }
    }

    func announce(_ what: Announcement) throws(SQLiteFailure) {
        let rows = "\(sql.result) AS r LEFT JOIN \(sql.standing) AS was ON was.tidemark_key = r.tidemark_key WHERE \(what.condition)"
        guard try !database.rows("SELECT 1 FROM \(rows) LIMIT 1").isEmpty, let capture = try capture() else { return }
        let key = object(capture.keys, of: "r")
        let changes = switch what {
        case .losses, .deletes: [("B", object(capture.columns, of: "r")), ("D", "NULL")]
        case .merges: [("B", object(capture.columns, of: "was")), ("U", object(capture.columns, of: "r"))]
        case .returns: [("B", object(capture.columns, of: "was")), ("D", "NULL")]
        }
        for (operation, image) in changes {
            try database.execute(
                """
                INSERT INTO main.data_changes (token, capture, operation, key, image, changed_at)
                SELECT hex(randomblob(8)), \(capture.id), '\(operation)', \(key), \(image), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
                FROM \(rows) ORDER BY r.tidemark_key
                """)
        }
    }

    /// How the capture of the table logs; nil where it is not captured, or not by columns that are here.
    private func capture() throws(SQLiteFailure) -> (id: Int64, columns: [String], keys: [String])? {
        guard try database.hasTable("tidemark_capture"),
            let capture = try database.rows(
                "SELECT capture FROM main.tidemark_capture WHERE table_name = ? AND retired_at IS NULL ORDER BY capture DESC LIMIT 1",
                [.string(sql.target.table.name)]).first?.first?.integer
        else { return nil }
        let columns = try database.rows(
            "SELECT name, key_position FROM main.tidemark_column WHERE capture = ? ORDER BY position", [.integer(capture)])
        let keys = columns.filter { $0[1] != .null }.sorted { ($0[1].integer ?? 0) < ($1[1].integer ?? 0) }.compactMap { $0[0].string }
        guard !keys.isEmpty, keys.allSatisfy(sql.names.contains) else { return nil }
        return (capture, columns.compactMap { $0[0].string }, keys)
    }

    private func object(_ columns: [String], of row: String) -> String {
        SQLiteEncoding.object(columns.map { ($0, sql.names.contains($0) ? "\(row).\(SQLiteIdentifier.quoted($0))" : "NULL") })
    }
}
