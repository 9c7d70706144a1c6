package import TidemarkCore

/// Reads windows of the change log of one SQLite database. Confined to one thread.
package final class SQLiteSource: ChangeSource {
    let database: SQLiteDatabase
    let path: String
    let place: FilePlace?
    let limits: SQLiteSourceLimits
    private let log: ChangeLog
    var marks: StreamMarks { StreamMarks(database: database, log: log) }
    private let dataVersion: SQLiteStatement
    private let installID: String
    private var confirmation: Confirmation
    private let numbers: RowNumberReading
    private let shaping: SourceShaping
    /// Nil where changes travel as they are logged.
    private var logShaping: LogShaping?
    private var following = SequenceFollowing()
    /// What pages hold besides changes.
    var form = PageReader.Form()
    /// The place and the version of the data at which there was nothing to do.
    private var idle: (version: Int64, cursor: Cursor)?
    /// The version of the schema in which every captured table was what setup made.
    private var verifiedSchema: SQLiteValue?
    /// And for which tables.
    private var verified: TakenTables?
    /// Whose log this is read as, once it was said.
    private var pipeline: String?

    package init(path: String, limits: SQLiteSourceLimits = SQLiteSourceLimits()) throws {
        self.path = path
        self.limits = limits
        place = FilePlace(path)
        let database = try SQLiteFile(path, role: "source").open()
        self.database = database
        log = ChangeLog(database: database)
        numbers = RowNumberReading(database)
        shaping = SourceShaping(database)
        confirmation = Confirmation(database, limits: limits)
        (installID, dataVersion) = try saying("the source cannot be read", path: path) { [log] in
            guard let id = try log.installID() else {
                throw TidemarkError(
                    "the source is not set up", why: "\(path) has no tidemark_installation",
                    remedy: "Type: tidemark setup --source sqlite:\(path) --target …")
            }
            return (id, try database.prepare("PRAGMA main.data_version"))
        }
    }

    package func identity() throws -> String { installID }

    package func shape(_ rules: TableRules) throws {
        try saying("the tables cannot be shaped", path: path) { try shaping.begin(rules) }
        logShaping = rules.isShaping ? LogShaping(database, shaping) : nil
    }

    /// The generations of capture, current and retired ones.
    package func capturedTables() throws -> [CapturedTable] {
        try saying("the registry cannot be read", path: path) { try shaping.tables(CaptureRegistry(database).capturedTables()) }
    }

    /// Cuts what was committed after the cursor into windows, at the ticks that tidemark wrote. The last row of the
    /// log is the end of the last one and, as it is never pruned while a cursor names it, their witness.
    package func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot? = nil) throws -> [Window] {
        try place?.check(path, role: "source")
        return try saying("the change log cannot be read", path: path) {
            let version = try currentDataVersion()
            if end == nil, let idle, idle.version == version, idle.cursor == cursor { return [] }
            let (found, states) = try database.transaction("BEGIN") {
                let found = try ends(after: cursor, taking: taken, upTo: end)
                return (found, found.isEmpty ? [] : shaping.sequences(try numbers.states(taking: taken.selection)))
            }
            guard let last = found.last?.row else {
                // Up to a place that was given there may be nothing, and something behind it.
                if end == nil { idle = (version, cursor) }
                return []
            }
            var from = cursor.lastApplied
            // A row of the log witnesses whoever's windows end with it, and numbers may be younger than an end that was given.
            let carried = following.carried(states, after: cursor, witness: end == nil ? last.token : nil)
            let seen = found.last?.seen
            let windows = found.map { end, sight in
                defer { from = end.id }
                var window = Window(
                    start: .change(from), end: .change(end.id), witness: end.token, afterID: from, throughID: end.id, sequences: carried,
                    heartbeat: SourceHeartbeat(appliedAt: sight.appliedAt, seenID: seen?.seenID, seenAt: seen?.seenAt))
                window.endedAt = end.markedAt
                return window
            }
            try writeTick(atLeastAfter: cursor.lastApplied, last: last.id)
            return windows
        }
    }

    /// Hands the window over in pages. Each is read in a transaction of its own, which ends before the page is handed
    /// on: the log is only appended to, and a writer in rollback-journal mode waits for every reader.
    package func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        guard case .change(let end) = window.end else { return }
        try saying("the change log cannot be read", path: path) {
            let reader = try PageReader(database, captures: captures, limits: limits, shaping: logShaping, form: form)
            var (after, rows) = (window.afterID, Int64(0))
            while after < end {
                let (page, read) = try reader.page(after: after, upTo: end)
                guard let read else { break }
                (after, rows) = (read.lastID, rows + read.rows)
                if !page.changes.isEmpty { try receive(page) }
            }
            // Rows may be missing because it was.
            try requireNotLost()
            guard after == end, rows == end - window.afterID, try log.row(end)?.token == window.witness else {
                throw TidemarkError(
                    "changes are missing from the log", why: "of changes \(window.afterID + 1) to \(end), \(rows) are there",
                    remedy: "Somebody deleted rows of data_changes: type tidemark teardown … and tidemark setup …, then tidemark run --existing empty …",
                    retry: .unlessMoved)
            }
        }
    }

    package func sequences(_ selection: TableSelection) throws -> [SequenceState] {
        try saying("the numbers of rows cannot be read", path: path) {
            shaping.sequences(try database.transaction("BEGIN") { try numbers.states(taking: selection) })
        }
    }

    /// What a row of the windows was numbered with, the numbers show by now. They may be younger than the windows' end.
    package func sequences(_ selection: TableSelection, after cursor: Cursor, witness: String) throws -> [SequenceState] {
        following.carried(try sequences(selection), after: cursor, witness: nil)
    }

    package func logName() throws -> String? { place.map { "sqlite \($0) \(installID)" } }

    package var provenCatalog: String? { verifiedSchema.map { "\($0)" } }

    package func selection(of pipeline: String) throws -> TableSelection {
        try saying("the registry cannot be read", pipeline: pipeline, path: path) {
            guard try LogLimitRecord(database: database).isInstalled() else { throw OlderLog.error() }
            self.pipeline = pipeline
            try requireNotLost()
            return try PipelineRegistry(database: database).request(of: pipeline)?.selection ?? TableSelection()
        }
    }

    private func requireNotLost() throws {
        guard let pipeline, let loss = try LogLimitRecord(database: database).loss(of: pipeline) else { return }
        throw loss.error(pipeline)
    }

    @discardableResult
    package func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding {
        let (isDone, standing) = try saying("the log was not pruned", pipeline: pipeline, path: path) {
            (try confirmation.confirm(cursor, of: pipeline), try LogLimitRecord(database: database).standing())
        }
        guard !isDone else { return standing }
        throw TidemarkError(
            "the log is not pruned to its end", pipeline: pipeline,
            why: "\(path) was being written, or there is more to remove than should be at once",
            remedy: "Nothing to do: the rest goes after one of the next confirmations.", retry: .later)
    }

    private func currentDataVersion() throws(SQLiteFailure) -> Int64 {
        defer { dataVersion.reset() }
        return try dataVersion.step() ? dataVersion.int64(0) : 0
    }

    package func heartbeat() throws -> SourceHeartbeat {
        try saying("the source cannot be read", path: path) {
            let row = try database.rows(
                "SELECT coalesce(max(id), 0), strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM main.data_changes").first
            return SourceHeartbeat(appliedAt: nil, seenID: row?[0].integer, seenAt: row?[1].string)
        }
    }

    /// The ends of the windows, the last one last, with what is known of the moment of each.
    private func ends(
        after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?
    ) throws -> [(row: ChangeLog.Row, seen: SourceHeartbeat)] {
        try requireNotLost()
        var last = try log.last()
        if case .change(let id) = end { last = try log.row(id) }
        if let why = try log.obstacle(to: cursor, lastID: try log.last()?.id ?? 0, installID: installID) {
            // Teardown drops all triggers before it empties the log.
            guard try CaptureFingerprint(database).hasCapture() else { throw TornDown.error(pipeline, why: "\(path) has no trigger of capture") }
            throw TidemarkError(
                "the source does not continue what the target holds", why: "\(path): \(why)",
                remedy: "Point --source at the right file, or set the pipeline up again (tidemark teardown, then tidemark"
                    + " setup), and copy it anew: tidemark run --existing empty …", retry: .unlessMoved)
        }
        let schema = try database.rows("PRAGMA main.schema_version").first?.first
        if schema != verifiedSchema || taken != verified {
            (verifiedSchema, verified) = (nil, nil)
            let held = try CaptureFingerprint(database).unseenChanges().filter { taken.isHeld($0.table, before: $0.capture) }
            if let unseen = held.first(where: { !$0.isStop }) ?? held.first {
                // Where all that is wrong is that capture was stopped, what it had logged is whole.
                guard unseen.isStop, end == nil, let last, last.id > cursor.lastApplied else {
                    throw CaptureFingerprint.error(unseen.table, why: unseen.why)
                }
            } else {
                (verifiedSchema, verified) = (schema, taken)
            }
        }
        guard var last, last.id > cursor.lastApplied else { return [] }
        let ticks = try database.rows(
            """
            SELECT c.id, c.token, min(t.ticked_at) FROM main.tidemark_tick AS t JOIN main.data_changes AS c ON c.id = t.last_id AND c.token = t.token
            WHERE t.last_id > ? AND t.last_id <= ? GROUP BY c.id ORDER BY c.id
            """, [.integer(cursor.lastApplied), .integer(last.id)])
        var now = try heartbeat()
        // A place that is held lies before now.
        if end == nil { now.appliedAt = now.seenAt }
        var ends = ticks.compactMap { row in
            row[0].integer.map { id in
                (row: ChangeLog.Row(id: id, token: row[1].string ?? "", markedAt: row[2].string.flatMap { SourceTime($0) }),
                    seen: SourceHeartbeat(appliedAt: row[2].string, seenID: nil, seenAt: nil))
            }
        }
        // It was the last row at its tick, and is so now.
        let marked = ends.last?.row.id == last.id ? ends.removeLast().row.markedAt : nil
        last.markedAt = marked ?? now.seenAt.flatMap { SourceTime($0) }
        return ends + [(last, now)]
    }

    /// Marks a place at which a later backlog may be cut: as the only statement of its transaction, so that no other
    /// transaction is half before it (BREAKS A6). Left out where the application is writing; another time will do.
    private func writeTick(atLeastAfter applied: Int64, last: Int64) throws(SQLiteFailure) {
        let before = try database.rows("SELECT max(last_id) FROM main.tidemark_tick").first?.first?.integer ?? 0
        var isDue = last - max(before, applied) >= limits.tickEveryChanges
        if !isDue, last > before { isDue = try isPlaceDue() }
        guard isDue else { return }
        try BriefWrite(database: database, waitMs: limits.rareWriteWaitMs).attempt { () throws(SQLiteFailure) in
            try database.execute(Self.tick)
        }
    }

    /// Does somebody want to look back, and is the last place old?
    private func isPlaceDue() throws(SQLiteFailure) -> Bool {
        guard try LogUpgrade(database: database).hasColumn("image", of: "tidemark_pipeline") else { return false }
        return try !database.rows(
            """
            SELECT 1 WHERE EXISTS (SELECT 1 FROM main.tidemark_pipeline WHERE image = 'both' OR retain_seconds > 0 OR retain_bytes > 0)
              AND coalesce((SELECT (julianday('now') - julianday(max(ticked_at))) * 86400.0 FROM main.tidemark_tick), 1e9) >= ?
            """, [.integer(Int64(limits.tickEverySeconds))]).isEmpty
    }

    static let tick = """
        INSERT INTO main.tidemark_tick (last_id, token, ticked_at)
        SELECT id, token, strftime('%Y-%m-%dT%H:%M:%fZ', 'now') FROM main.data_changes ORDER BY id DESC LIMIT 1
        """
}

extension Cursor {
    /// The last change applied; 0 before the first.
    var lastApplied: Int64 {
        guard case .change(let id) = snapshot else { return 0 }
        return id
    }
}
