package import TidemarkCore

/// Reads windows of the change log of one PostgreSQL database. Confined to one thread.
package final class PostgresSource: ChangeSource {
    let session: PostgresSession
    let limits: ReadLimits
    /// What the last look found where there was nothing: if it looks the same, there still is nothing.
    private var idle: (lastID: Int64, start: TransactionSnapshot)?
    private var pruner = LogPruner()

    package init(_ url: String, limits: ReadLimits = ReadLimits()) throws {
        do {
            session = try PostgresSession(url)
        } catch {
            throw error.reported("the source cannot be reached")
        }
        self.limits = limits
    }

    package func identity() throws -> String {
        try reporting("the source cannot be identified") { try SourceIdentity.read(in: session) }
    }

    package func capturedTables() throws -> [CapturedTable] {
        try reporting("the registry of captured tables cannot be read") { try CaptureRegistry.tables(in: session) }
    }

    /// After the last window's end was taken, a tick is committed that witnesses all of them
    /// (DESIGN, invariant 1; BREAKS A2).
    package func windows(after cursor: Cursor) throws -> [Window] {
        guard case .transactions(let start) = cursor.snapshot else {
            throw TidemarkError(
                "the cursor is no place in a PostgreSQL source", why: "it holds \(cursor.snapshot)",
                remedy: "Point --source at the database that the pipeline was set up for.")
        }
        return try reporting("the change log cannot be read") {
            let (lastID, now) = try look()
            if let idle, idle.lastID == lastID, idle.start == start, !start.inProgress.contains(where: now.sees) {
                return []
            }
            let lowest = try lowestID(notSeenBy: start, endedIn: now)
            guard try holdsChanges(above: lowest, from: start, to: now) else {
                idle = (lastID, start)
                return []
            }
            let tick = try TickWriting(session: session).write(lastID: lastID, after: cursor)
            return try cut(from: start, to: tick, above: lowest)
        }
    }

    package func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        // COPY takes no parameters: the values are numbers and snapshots that were parsed here.
        let query = """
            select id, capture, operation, key, image from tidemark.data_changes
            where id > \(window.afterID)
              and pg_visible_in_snapshot(xid, '\(window.end)'::pg_snapshot)
              and not pg_visible_in_snapshot(xid, '\(window.start)'::pg_snapshot)
              and capture = any ('{\(captures.map(String.init).joined(separator: ","))}'::int[])
            order by id
            """
        try reporting("the change log cannot be read") {
            var page = ChangePage()
            var decoder = ChangeDecoder()
            try session.copyOut(query) { buffer in
                try decoder.decode(buffer, into: &page)
                if page.changes.count >= limits.pageChangesMax || page.bytes.count >= limits.pageBytesMax {
                    try receive(page)
                    page = ChangePage()
                }
            }
            if !page.changes.isEmpty { try receive(page) }
        }
    }

    package func confirm(_ cursor: Cursor, of pipeline: String) throws {
        try reporting("the change log cannot be pruned") {
            try pruner.confirm(cursor, of: pipeline, in: session)
        }
    }

    /// One round trip: the last id drawn, read before the snapshot is taken, and that snapshot.
    private func look() throws -> (lastID: Int64, now: TransactionSnapshot) {
        let rows = try session.query(
            """
            select case when is_called then last_value else last_value - 1 end, pg_current_snapshot()
            from tidemark.data_changes_id_seq
            """)
        return (Int64(rows[0, 0] ?? "") ?? 0, try TransactionSnapshot.parsed(rows[0, 1]))
    }

    private func holdsChanges(above id: Int64, from start: TransactionSnapshot, to end: TransactionSnapshot) throws -> Bool {
        try session.query(
            """
            select exists (select from tidemark.data_changes where id > $1
                and pg_visible_in_snapshot(xid, $2::pg_snapshot) and not pg_visible_in_snapshot(xid, $3::pg_snapshot))
            """,
            [.text(String(id)), .text(end.description), .text(start.description)])[0, 0] == "t"
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

    private func cut(from start: TransactionSnapshot, to tick: WrittenTick, above lowest: Int64) throws -> [Window] {
        let ends = WindowCut.ends(
            from: start, startID: lowest, to: tick.snapshot, ticks: try ticks(above: lowest),
            changesMax: limits.windowChangesMax)
        var from = start
        return try ends.map { next in
            defer { from = next }
            return Window(
                start: .transactions(from), end: .transactions(next), witness: tick.token,
                afterID: try lowestID(notSeenBy: from, endedIn: next))
        }
    }

    private func ticks(above id: Int64) throws -> [Tick] {
        let rows = try session.query(
            "select token, snapshot, xid, last_id from tidemark.tick where last_id > $1", [.text(String(id))])
        return try (0..<rows.count).map { row in
            Tick(
                token: rows[row, 0] ?? "", snapshot: try TransactionSnapshot.parsed(rows[row, 1]),
                writer: UInt64(rows[row, 2] ?? "") ?? 0, lastID: rows[row, 3].flatMap { Int64($0) })
        }
    }

    private func reporting<T>(_ what: String, _ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch let failure as PostgresFailure {
            throw failure.reported(what)
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
