package import TidemarkCore

/// Applies windows to one SQLite database, and keeps the cursor there. Confined to one thread.
///
/// Triggers and foreign keys hold still on its connection, and only there: what the source's triggers and cascades
/// did is in the log already. Capture triggers hold still as well, so a database that is target and source at once
/// does not capture what tidemark applies.
package final class SQLiteTarget: ChangeTarget {
    let database: SQLiteDatabase
    let path: String
    let place: FilePlace?
    let pipeline: String
    let tables: TargetTables
    let staging: WindowStaging
    let marks: AppliedMarks
    private let conflicts: ConflictTables
    /// As whom this connection took the pipeline over; nil where it works beside its worker.
    private var holder: (worker: String, epoch: Int64)?
    private let numbers: TargetRowNumbers
    private lazy var settled = SettledConflicts(database)

    package init(path: String, pipeline: String) throws {
        self.path = path
        self.pipeline = pipeline
        place = FilePlace(path)
        (database, staging) = try TargetConnection.open(path, pipeline: pipeline)
        tables = TargetTables(database, pipeline: pipeline)
        numbers = TargetRowNumbers(database)
        marks = AppliedMarks(database)
        conflicts = ConflictTables(database, pipeline: pipeline)
    }

    package func takeOver(worker: String) throws -> Cursor {
        try saying("the pipeline cannot be taken over", pipeline: pipeline, path: path) {
            let cursors = CursorTable(database)
            guard try cursors.exists() else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
            try cursors.requireCurrent(pipeline)
            let cursor = try WriteLock(database: database).hold {
                if let refusal = try cursors.stored(pipeline)?.refusal(of: worker, pipeline: pipeline) { throw refusal }
                let rows = try database.rows(
                    """
                    UPDATE main.tidemark_cursor SET epoch = epoch + 1, worker = ?, failure = NULL WHERE pipeline = ?
                    RETURNING \(CursorTable.columns)
                    """, [.string(worker), .string(pipeline)])
                guard let row = rows.first else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
                return try CursorTable.cursor(row, pipeline: pipeline)
            }
            holder = (worker, cursor.epoch)
            return cursor
        }
    }

    package func requireNoOtherLeader(than worker: String) throws {
        let lease = LeaseFile.lease(try LeaseFile(besides: path).entries()[pipeline])
        if let refusal = lease?.refusal(of: worker, pipeline: pipeline) { throw refusal }
    }

    package func cursor() throws -> Cursor {
        try saying("the cursor cannot be read", pipeline: pipeline, path: path) {
            let cursors = CursorTable(database)
            guard try cursors.exists(), let stored = try cursors.stored(pipeline) else {
                throw TargetConnection.notSetUp(path, pipeline: pipeline)
            }
            try cursors.requireCurrent(pipeline)
            if let holder, stored.cursor.epoch != holder.epoch {
                var known = stored.cursor
                known.epoch = holder.epoch
                throw known.isElsewhere(than: stored.cursor, pipeline: pipeline)
            }
            if let refusal = stored.refusal(of: holder?.worker, pipeline: pipeline) { throw refusal }
            return stored.cursor
        }
    }

    package func lastWorker() throws -> String? {
        try saying("the cursor cannot be read", pipeline: pipeline, path: path) { try CursorTable(database).stored(pipeline)?.worker }
    }

    package func copies(expecting missing: [TableCopy]) throws -> [TableCopy] {
        try saying("the copies cannot be read", pipeline: pipeline, path: path) {
            let copies = CopyTable(database)
            if !missing.isEmpty {
                try WriteLock(database: database).hold {
                    for copy in missing { try copies.expect(copy, of: pipeline) }
                }
            }
            return try copies.copies(of: pipeline)
        }
    }

    package func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws {
        try saying("a heartbeat was not noted", pipeline: pipeline, path: path) {
            // Asked first: an update that finds nothing would wait for the write lock all the same.
            guard try RoleTable(database).standing(of: pipeline)?.role == .replica else { return }
            _ = try database.rows(
                "UPDATE main.tidemark_cursor SET seen_id = ?, seen_at = ? WHERE pipeline = ? AND epoch = ? AND closed_at IS NULL",
                [heartbeat.seenID.map { .integer($0) } ?? .null, .optional(heartbeat.seenAt), .string(pipeline), .integer(epoch)])
        }
    }

    package func record(failure: String, epoch: Int64) throws {
        try saying("the failure was not recorded", pipeline: pipeline, path: path) {
            if let conflict = conflicts.stoppedAt {
                try conflict.record(epoch: epoch, in: database)
                conflicts.stoppedAt = nil
            }
            _ = try database.rows(
                "UPDATE main.tidemark_cursor SET failure = ? WHERE pipeline = ? AND epoch = ?",
                [.string(failure), .string(pipeline), .integer(epoch)])
        }
    }

    package func advance(_ sequences: [SequenceState]) throws {
        guard !sequences.isEmpty else { return }
        try place?.check(path, role: "target")
        try saying("the numbers of rows were not set", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold { try numbers.advance(sequences) }
        }
    }

    /// The cursor moves by compare-and-set, last of all: a page that is written twice in one transaction of the
    /// write-ahead log makes SQLite read all that lies behind it once more. One writer at a time makes a second worker
    /// wait at the beginning, where it is refused before it has done anything.
    package func apply(
        _ window: Window, tables captured: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        parking faults: [ParkedFault], nextPage: () throws -> SplitPage?
    ) throws -> Cursor {
        try place?.check(path, role: "target")
        return try saying("a window was not applied", pipeline: pipeline, path: path) {
            try database.execute("BEGIN IMMEDIATE")
            do {
                let cursors = CursorTable(database)
                try cursors.require(cursor, of: pipeline)
                try tables.begin(captured)
                try marks.begin()
                let application = try OriginRuns(self, captured, order: order, source: cursor.source, conflicts: conflicts)
                var moved = cursor.moved(over: window)
                let parked = ParkedTables(database: database, pipeline: pipeline)
                let ids = faults.isEmpty ? [] : try parked.add(faults)
                var known: Set<Int32> = []
                while let part = try nextPage() {
                    if !part.applied.changes.isEmpty { try application.take(part.applied) }
                    if !part.parked.changes.isEmpty { try parked.add(part, ids: ids, tables: captured, known: &known) }
                    moved.lastID = max(moved.lastID, part.applied.changes.last?.id ?? 0, part.parked.changes.last?.id ?? 0)
                }
                try application.finish()
                try parked.noteParked(ids, by: holder?.worker ?? "tidemark")
                try numbers.advance(window.sequences)
                if case .change(let id) = window.end { moved.lastID = max(moved.lastID, id) }
                if window.isBackward { moved.lastID = window.throughID }
                try cursors.move(cursor, to: moved, noting: window.heartbeat, of: pipeline)
                try database.execute("COMMIT")
                return moved
            } catch {
                // A full disk and the like have rolled back already.
                if database.isInTransaction { try? database.execute("ROLLBACK") }
                conflicts.forget()
                throw error
            }
        }
    }

    package func identityAsSource() throws -> String? {
        try saying("the target cannot be identified", pipeline: pipeline, path: path) { try ChangeLog(database: database).installID() }
    }

    package func forgetSettled() throws {
        try saying("what was kept for conflicts was not forgotten", pipeline: pipeline, path: path) { try settled.forget() }
    }
}
