import TidemarkCore

/// A tick that the worker committed.
struct WrittenTick {
    let token: String
    let snapshot: TransactionSnapshot
    /// No transaction that the snapshot sees has an id above it.
    let highID: Int64
    /// When it was written, by the source's clock.
    let writtenAt: String?
    /// Set where capture of a table of the pipeline was stopped.
    var stop: StoppedCapture?
}

/// Capture of a table that was stopped by a transaction: what does not see it is whole.
struct StoppedCapture {
    let xid: UInt64
    /// What to say where there is nothing before it.
    let error: TidemarkError
}

/// Writes the worker's tick: it takes the end of the windows, and is their witness.
struct TickWriting {
    let session: PostgresSession
    let prepared: PreparedStatements
    let shapes: ShapeWatch

    /// - Parameter lastID: the last id drawn, read before this is called.
    ///
    /// In one transaction: takes the snapshot, proves that the source still has what the cursor saw,
    /// and that capture is what setup made of it.
    ///
    /// On a server in recovery the write fails, which is wanted: a standby's snapshot lists nothing
    /// in progress (BREAKS A4).
    func write(lastID: Int64, after cursor: Cursor, taking taken: TakenTables) throws -> WrittenTick {
        try session.run("begin")
        do {
            var tick = try insert(lastID: lastID, after: cursor)
            tick.stop = try shapes.refuse(taken)
            try session.run("commit")
            return tick
        } catch {
            _ = try? session.run("rollback")
            throw error
        }
    }

    private func insert(lastID: Int64, after cursor: Cursor) throws -> WrittenTick {
        let rows = try prepared.query(
            """
            insert into tidemark.tick (token, snapshot, xid, last_id, low_id, high_id, written_at)
            select gen_random_uuid(), pg_current_snapshot(), pg_current_xact_id(), $1, $1, \(ChangeIDs.last), clock_timestamp()
            returning token, snapshot, exists (select from tidemark.tick where token = $2::uuid), high_id, \(SourceClock.text(of: "written_at"))
            """,
            [.text(String(lastID)), .text(cursor.witness)])
        guard rows[0, 2] == "t" else { throw Self.witnessGone(cursor) }
        return WrittenTick(
            token: rows[0, 0] ?? "", snapshot: try TransactionSnapshot.parsed(rows[0, 1]), highID: Int64(rows[0, 3] ?? "") ?? .max,
            writtenAt: rows[0, 4])
    }

    /// Has the source still what the cursor saw?
    static func requireWitness(of cursor: Cursor, in session: PostgresSession) throws {
        let rows = try session.query("select exists (select from tidemark.tick where token::text = $1)", [.text(cursor.witness)])
        guard rows[0, 0] == "t" else { throw witnessGone(cursor) }
    }

    static func witnessGone(_ cursor: Cursor) -> TidemarkError {
        TidemarkError(
            "the source is not the one that the target follows",
            why: "what this source committed before the last window was applied (tick \(cursor.witness)), or something after it, is gone:"
                + " the source was rewound, restored from a backup, or promoted without it, or the target was restored",
            remedy: "Set the pipeline up again (tidemark teardown, then tidemark setup) and copy it anew: tidemark run --existing empty …",
            retry: .unlessMoved)
    }
}

/// How a source's times travel: as every target reads them.
enum SourceClock {
    static func text(of time: String) -> String { "to_char(\(time) at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')" }
}
