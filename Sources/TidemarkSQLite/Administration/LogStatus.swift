import TidemarkCore

/// How the log stands for one pipeline.
struct LogStatus {
    let database: SQLiteDatabase
    let log: ChangeLog

    func status(of pipeline: String, at cursor: Cursor?, settledThrough: [TableName: Int32]) throws -> SourceStatus {
        var status = SourceStatus()
        guard let installID = try log.installID() else {
            status.obstacle = "the source is not set up; type: tidemark setup …"
            return status
        }
        let limits = LogLimitRecord(database: database)
        guard try limits.isInstalled() else {
            status.obstacle = "The source was set up by an older version. \(OlderLog.remedy)"
            return status
        }
        status.lastID = try log.last()?.id ?? 0
        if let size = try LogSize(database) { (status.logRows, status.logBytes) = (size.rows, size.bytes) }
        status.limit = try limits.read()
        if let limit = status.limit { status.fullInSeconds = try limits.fullInSeconds(limit) }
        status.retention = try PipelineRegistry(database: database).request(of: pipeline)?.retention ?? .none
        (status.captureStop, status.loss) = (try limits.stop(), try limits.loss(of: pipeline))
        if let cursor {
            // Ids have no gaps behind a cursor: they are drawn under the write lock, and a rollback takes them back.
            status.pendingChanges = try pending(after: cursor.lastApplied, to: status.lastID)
            if status.logRows > 0 {
                status.pendingBytes = Int64(Double(status.logBytes) * min(1, Double(status.pendingChanges) / Double(status.logRows)))
            }
            status.pendingSeconds = try age(after: cursor.lastApplied)
            status.obstacle = try status.loss?.words(pipeline) ?? obstacle(pipeline, cursor, status.lastID, installID, settledThrough)
        }
        status.holdsBackPruning = try slowest(besides: pipeline)?.words
        return status
    }

    /// Of a few, those that say nothing are left out: heartbeats, and what stood before a write.
    private func pending(after applied: Int64, to last: Int64) throws(SQLiteFailure) -> Int64 {
        guard last - applied <= Self.countedMax else { return last - applied }
        return try database.rows(
            "SELECT count(*) FROM main.data_changes WHERE id > ? AND operation IS NOT 'B'", [.integer(applied)]).first?.first?.integer ?? 0
    }

    private static let countedMax: Int64 = 1_000

    private func age(after id: Int64) throws(SQLiteFailure) -> Double? {
        let rows = try database.rows(
            """
            SELECT max(0.0, (julianday('now') - julianday(changed_at)) * 86400.0) FROM main.data_changes
            WHERE id > ? AND operation IS NOT 'B' ORDER BY id LIMIT 1
            """, [.integer(id)])
        guard case .real(let seconds)? = rows.first?.first else { return nil }
        return seconds
    }

    private func obstacle(
        _ pipeline: String, _ cursor: Cursor, _ lastID: Int64, _ installID: String, _ settledThrough: [TableName: Int32]
    ) throws(SQLiteFailure) -> String? {
        let out = "set the pipeline up again (tidemark teardown, then tidemark setup), and copy it anew: tidemark run --existing empty …"
        if cursor.source != installID { return "the target's cursor is for another source; \(out)" }
        if let why = try log.obstacle(to: cursor, lastID: lastID, installID: installID) { return "\(why); \(out)" }
        let selection = try PipelineRegistry(database: database).request(of: pipeline)?.selection ?? TableSelection()
        let taken = TakenTables(selection, settledThrough: settledThrough)
        if let unseen = try CaptureFingerprint(database).unseenChanges().first(where: { taken.isHeld($0.table, before: $0.capture) }) {
            return "table \(unseen.table): \(unseen.why). \(CaptureFingerprint.remedy)"
        }
        return nil
    }

    func slowest(besides pipeline: String) throws(SQLiteFailure) -> PipelineBehind? {
        let rows = try database.rows(
            """
            SELECT name, coalesce(confirmed_id, 0), confirmed_at, (julianday('now') - julianday(confirmed_at)) * 86400.0
            FROM main.tidemark_pipeline WHERE name <> ? AND lost_at IS NULL AND coalesce(confirmed_id, 0) < (SELECT max(id) FROM main.data_changes)
            ORDER BY 2, name LIMIT 1
            """, [.text(Array(pipeline.utf8))])
        guard let row = rows.first, let name = row[0].string else { return nil }
        var seconds: Double?
        if case .real(let number) = row[3] { seconds = number }
        return PipelineBehind(name: name, confirmedID: row[1].integer ?? 0, confirmedAt: row[2].string, confirmedSecondsAgo: seconds)
    }
}
