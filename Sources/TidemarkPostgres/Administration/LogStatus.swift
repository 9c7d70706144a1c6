import TidemarkCore

/// How the change log stands for a pipeline.
struct LogStatus {
    let session: PostgresSession
    /// So many ids behind the cursor are looked at one by one: 5 million take seconds, and are asked for every few.
    var countedMax: Int64 = 100_000

    func read(_ pipeline: String, at cursor: Cursor?, settledThrough: [TableName: Int32]) throws -> SourceStatus {
        var status = SourceStatus()
        guard try CaptureRegistry.isInstalled(in: session) else {
            status.obstacle = "The source is not set up. Type: tidemark setup --source … --target …"
            return status
        }
        guard try LogLimitRecord.isInstalled(in: session) else {
            status.obstacle = "The source was set up by an older version. \(OlderLog.remedy)"
            return status
        }
        let log = try session.query(
            """
            select tidemark.log_bytes(), (select min(id) from (\(Self.firstOfEachSegment)) first)
            """)
        status.lastID = try CaptureRegistry.lastDrawnID(in: session)
        status.logBytes = Int64(log[0, 0] ?? "") ?? 0
        status.logRows = log[0, 1].flatMap { Int64($0) }.map { status.lastID - $0 + 1 } ?? 0
        try addLimit(pipeline, to: &status)
        if let cursor { try addPending(pipeline, after: cursor, settledThrough, to: &status) }
        status.holdsBackPruning = try slowestPipeline(besides: pipeline)?.words ?? oldestTransaction()
        return status
    }

    private func addLimit(_ pipeline: String, to status: inout SourceStatus) throws {
        let record = LogLimitRecord(session: session)
        status.limit = try record.read()
        if let limit = status.limit {
            status.fullInSeconds = try record.fullInSeconds(limit, bytes: status.logBytes, rows: status.logRows)
        }
        status.retention = try RecordedRequest(of: pipeline, in: session)?.request.retention ?? .none
        status.captureStop = try record.stop()
        status.loss = try record.loss(of: pipeline)
        status.waiting = try WaitRecord(session: session, pipeline: pipeline).read()
    }

    /// What lies first in a segment is its oldest, give or take what was written at the same moment.
    private static let firstOfEachSegment = (0..<LogPruner.segments)
        .map { "(select id from tidemark.data_changes_\($0) limit 1)" }.joined(separator: " union all ")

    private func addPending(
        _ pipeline: String, after cursor: Cursor, _ settledThrough: [TableName: Int32], to status: inout SourceStatus
    ) throws {
        if let loss = status.loss {
            status.obstacle = loss.words(pipeline)
            return
        }
        let witness = try session.query(
            "select exists (select from tidemark.tick where token::text = $1), (select id::text from tidemark.installation)",
            [.text(cursor.witness)])
        guard cursor.source == (try SourceIdentity.read(in: session)) else {
            status.obstacle = "The target follows another source (\(cursor.source)). Point --source at the right database."
            return
        }
        guard witness[0, 0] == "t" else {
            let failure = TickWriting.witnessGone(cursor)
            status.obstacle = "\(failure.why). \(failure.remedy)"
            return
        }
        let request = try RecordedRequest(of: pipeline, in: session)?.request
        try count(after: cursor, withApplied: request?.capturesApplied ?? false, to: &status)
        let selection = request?.selection ?? TableSelection()
        let taken = TakenTables(selection, settledThrough: settledThrough)
        if let unseen = try UnseenChanges(session: session).all().first(where: { taken.isHeld($0.table, before: $0.capture) }) {
            status.obstacle = "Rows of table \(unseen.table) may have changed without a trace in the log: \(unseen.why). \(UnseenChanges.remedy)"
        }
    }

    /// - Parameter withApplied: does the pipeline take what tidemark applied to the source, too?
    private func count(after cursor: Cursor, withApplied: Bool, to status: inout SourceStatus) throws {
        let floor = try session.query(
            "select coalesce(max(low_id), 0) from tidemark.tick where xid::text::numeric < pg_snapshot_xmin($1::pg_snapshot)::text::numeric",
            [.text(cursor.snapshot.description)])
        let low = floor[0, 0].flatMap { Int64($0) } ?? 0
        let high = max(low, cursor.lastID) + countedMax
        // The index tells nothing of what a worker has not summarized, and there may be none.
        if status.lastID > high { try session.run("select tidemark.summarize_log(); set enable_seqscan = off; set jit = off") }
        defer { if status.lastID > high { _ = try? session.run("reset enable_seqscan; reset jit") } }
        let isOwn = try !withApplied && AppliedRecord(session: session).exists() ? "and \(AppliedRecord.isOwn)" : ""
        let counted = try session.query(
            """
            select count(*), extract(epoch from clock_timestamp() - min(changed_at))::float8, count(distinct xid)
            from tidemark.data_changes where operation <> 'B' and not pg_visible_in_snapshot(xid, $1::pg_snapshot) and id > $2 and id <= $3 \(isOwn)
            """, [.text(cursor.snapshot.description), .text(String(low)), .text(String(high))])
        let changes = Int64(counted[0, 0] ?? "") ?? 0
        status.pendingChanges = changes + max(0, status.lastID - high)
        status.pendingSeconds = counted[0, 1].flatMap { Double($0) }
        let transactions = Double(counted[0, 2] ?? "") ?? 0
        status.pendingTransactions = changes > 0 ? Int64(transactions * Double(status.pendingChanges) / Double(changes)) : nil
        if status.pendingChanges == 0 { status.pendingTransactions = 0 }
        let share = status.logRows > 0 ? min(1, Double(status.pendingChanges) / Double(status.logRows)) : 0
        status.pendingBytes = Int64(Double(status.logBytes) * share)
    }

    /// Another pipeline that has not made the youngest changes durable, if there is one.
    func slowestPipeline(besides pipeline: String) throws -> PipelineBehind? {
        let rows = try session.query(
            """
            select p.name, p.last_id, \(LogLimitRecord.time("p.confirmed_at")),
                   extract(epoch from clock_timestamp() - p.confirmed_at)::float8
            from tidemark.pipeline p
            where p.name <> $1 and p.snapshot is not null and p.lost_at is null and exists (
                select from tidemark.data_changes d where d.id > $2 and d.capture <> 0 and not pg_visible_in_snapshot(d.xid, p.snapshot))
            order by p.last_id nulls first, p.name limit 1
            """, [.text(pipeline), .text(String(max(0, try CaptureRegistry.lastDrawnID(in: session) - Self.youngest)))])
        guard rows.count == 1, let name = rows[0, 0] else { return nil }
        return PipelineBehind(
            name: name, confirmedID: Int64(rows[0, 1] ?? "") ?? 0, confirmedAt: rows[0, 2],
            confirmedSecondsAgo: rows[0, 3].flatMap { Double($0) })
    }

    /// So many ids are looked at to see whether a pipeline is behind.
    private static let youngest: Int64 = 5_000

    /// Rows of the log can go once every transaction that was open beside theirs has ended.
    private func oldestTransaction() throws -> String? {
        let starting = try session.query("select name from tidemark.pipeline where snapshot is null and lost_at is null order by 1 limit 1")
        if starting.count > 0 { return "pipeline \(starting[0, 0] ?? "?"), which was set up and has not confirmed a window yet" }
        let rows = try session.query(
            """
            select pid::text, application_name, usename, state, extract(epoch from clock_timestamp() - xact_start)::bigint::text, null
            from pg_stat_activity
            where backend_xid is not null and pid <> pg_backend_pid() and xact_start < clock_timestamp() - interval '10 s'
            union all
            select null, null, owner, null, extract(epoch from clock_timestamp() - prepared)::bigint::text, gid from pg_prepared_xacts
            order by 5 desc limit 1
            """)
        guard rows.count == 1 else { return nil }
        if let gid = rows[0, 5] {
            return "prepared transaction \(gid) of \(rows[0, 2] ?? "?"), for \(rows[0, 4] ?? "?") s"
        }
        return "transaction of process \(rows[0, 0] ?? "?") (\(rows[0, 1] ?? ""), user \(rows[0, 2] ?? "?"),"
            + " \(rows[0, 3] ?? "?")), open for \(rows[0, 4] ?? "?") s"
    }
}
