package import TidemarkBlocking
package import TidemarkCore

/// Reads windows of the change log of one PostgreSQL database. Confined to one thread.
package final class PostgresSource {
    let session: PostgresSession
    private let limits: ReadLimits
    /// The sequence's value and the ticks tell whether a look is worth a window.
    private var idle: (lastID: Int64, snapshot: TransactionSnapshot)?

    package init(_ url: String, limits: ReadLimits = ReadLimits()) throws(PostgresFailure) {
        session = try PostgresSession(url)
        self.limits = limits
    }

    /// Which source this is: system identifier of the server, OID of the database, and the
    /// installation that `setup` drew. A restored dump, a clone or another server differs in one.
    package func identity() throws -> String { try Self.identity(in: session) }

    static func identity(in session: PostgresSession) throws -> String {
        let rows = try session.query(
            """
            select (select system_identifier from pg_control_system()) || '/' ||
                   (select oid from pg_database where datname = current_database()) || '/' ||
                   (select id from tidemark.installation)
            """)
        guard let identity = rows[0, 0] else {
            throw TidemarkError(
                "the source is not set up", why: "tidemark.installation is empty",
                remedy: "Type: tidemark setup --source … --target …")
        }
        return identity
    }

    /// The tables whose capture is or was installed, by the number that their log rows carry.
    package func capturedTables() throws -> [CapturedTable] {
        let rows = try session.query(
            """
            select id, schema_name, table_name, to_json(columns), to_json(key_columns)
            from tidemark.capture order by id
            """)
        return try (0..<rows.count).map { row in
            CapturedTable(
                capture: Int32(rows[row, 0] ?? "") ?? 0,
                name: TableName(schema: rows[row, 1], name: rows[row, 2] ?? ""),
                columns: try JSONText.strings(rows[row, 3] ?? "[]"),
                keyColumns: try JSONText.strings(rows[row, 4] ?? "[]"))
        }
    }

    /// Cuts what was committed after the cursor into windows. Empty where there is nothing.
    ///
    /// After the last window's end was taken, a tick is committed that witnesses all of them
    /// (DESIGN, invariant 1; BREAKS A2). On a server in recovery that write fails, which is wanted:
    /// a standby's snapshot lists nothing in progress (A4).
    package func windows(after cursor: Cursor) throws -> [Window] {
        guard case .transactions(let start) = cursor.snapshot else {
            throw TidemarkError(
                "the cursor is no place in a PostgreSQL source", why: "it holds \(cursor.snapshot)",
                remedy: "Point --source at the database that the pipeline was set up for.")
        }
        let lastID = try sequenceValue()
        let now = try currentSnapshot()
        if let idle, idle.lastID == lastID, idle.snapshot == start,
            start.inProgress.allSatisfy({ !now.sees($0) }) { return [] }
        let lowest = try lowestID(notSeenBy: start, endedIn: now)
        guard try session.query(
            """
            select exists (select from tidemark.data_changes where id > $1
                and pg_visible_in_snapshot(xid, $2::pg_snapshot) and not pg_visible_in_snapshot(xid, $3::pg_snapshot))
            """,
            [.text(String(lowest)), .text(now.description), .text(start.description)])[0, 0] == "t"
        else {
            idle = (lastID, start)
            return []
        }
        let (end, witness) = try writeTick(lastID: lastID, after: cursor)
        let ends = WindowCut.ends(
            from: start, startID: lowest, to: end, ticks: try ticks(above: lowest),
            changesMax: limits.windowChangesMax)
        var from = start
        return try ends.map { next in
            defer { from = next }
            return Window(
                start: .transactions(from), end: .transactions(next), witness: witness,
                afterID: try lowestID(notSeenBy: from, endedIn: next))
        }
    }

    /// Streams a window in the order of its ids, in pages.
    /// - Parameter captures: the numbers of the tables that the pipeline takes.
    package func read(_ window: Window, captures: [Int32], into slots: PageSlots) throws {
        // COPY takes no parameters: the values are numbers and snapshots that were parsed here.
        let query = """
            select id, capture, operation, key, image from tidemark.data_changes
            where id > \(window.afterID)
              and pg_visible_in_snapshot(xid, '\(window.end)'::pg_snapshot)
              and not pg_visible_in_snapshot(xid, '\(window.start)'::pg_snapshot)
              and capture = any ('{\(captures.map(String.init).joined(separator: ","))}'::int[])
            order by id
            """
        var page = ChangePage()
        var decoder = ChangeDecoder()
        try session.copyOut(query) { buffer in
            try decoder.decode(buffer, into: &page)
            if page.changes.count >= limits.pageChangesMax || page.bytes.count >= limits.pageBytesMax {
                guard slots.offer(page) else { throw CancellationError() }
                page = ChangePage()
            }
        }
        if !page.changes.isEmpty { _ = slots.offer(page) }
    }

    private func sequenceValue() throws -> Int64 {
        let rows = try session.query(
            "select case when is_called then last_value else last_value - 1 end from tidemark.data_changes_id_seq")
        return Int64(rows[0, 0] ?? "") ?? 0
    }

    private func currentSnapshot() throws -> TransactionSnapshot {
        try Self.snapshot(try session.query("select pg_current_snapshot()")[0, 0])
    }

    static func snapshot(_ text: String?) throws -> TransactionSnapshot {
        guard let snapshot = text.flatMap({ TransactionSnapshot($0) }) else {
            throw TidemarkError(
                "a snapshot cannot be read", why: "the server sent “\(text ?? "NULL")”",
                remedy: "This should not happen; report it with the server's version.")
        }
        return snapshot
    }

    /// An id below every change that `start` does not see and `end` does: the ids of a transaction
    /// are drawn after its xid, and a tick's `last_id` before its snapshot.
    private func lowestID(notSeenBy start: TransactionSnapshot, endedIn end: TransactionSnapshot) throws -> Int64 {
        let oldest = start.inProgress.first(where: end.sees) ?? start.xmax
        let rows = try session.query(
            "select coalesce(max(last_id), 0) from tidemark.tick where pg_snapshot_xmax(snapshot)::text::numeric <= $1",
            [.text(String(oldest))])
        return Int64(rows[0, 0] ?? "") ?? 0
    }

    private func writeTick(lastID: Int64, after cursor: Cursor) throws -> (TransactionSnapshot, String) {
        let rows = try session.query(
            """
            insert into tidemark.tick (token, snapshot, xid, last_id, written_at)
            values (gen_random_uuid(), pg_current_snapshot(), pg_current_xact_id(), $1, clock_timestamp())
            returning token, snapshot, exists (select from tidemark.tick where token = $2::uuid)
            """,
            [.text(String(lastID)), .text(cursor.witness)])
        guard rows[0, 2] == "t" else {
            throw TidemarkError(
                "the source is not the one that the target follows",
                why: "the tick \(cursor.witness), which this source committed before the last window was applied, is gone:"
                    + " the source was rewound, restored from a backup, or promoted without it, or the target was restored",
                remedy: "Set the pipeline up again (tidemark teardown, then tidemark setup) and load the target anew.")
        }
        return (try Self.snapshot(rows[0, 1]), rows[0, 0] ?? "")
    }

    private func ticks(above id: Int64) throws -> [Tick] {
        let rows = try session.query(
            "select token, snapshot, xid, last_id from tidemark.tick where last_id > $1", [.text(String(id))])
        return try (0..<rows.count).map { row in
            Tick(
                token: rows[row, 0] ?? "", snapshot: try Self.snapshot(rows[row, 1]),
                writer: UInt64(rows[row, 2] ?? "") ?? 0, lastID: rows[row, 3].flatMap { Int64($0) })
        }
    }
}

/// How much of a source is read at once.
package struct ReadLimits: Sendable {
    /// Change ids that a window spans, where ticks allow the cut.
    package var windowChangesMax: Int64 = 200_000
    package var pageChangesMax = 8_192
    package var pageBytesMax = 4 << 20

    package init() {}
}
