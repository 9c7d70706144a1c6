package import TidemarkCore

/// Applies windows to one PostgreSQL database, and keeps the cursor there. Confined to one thread.
package final class PostgresTarget: ChangeTarget {
    let session: PostgresSession
    let context: ApplyContext
    let tables: TargetTables
    /// As whom this session took the pipeline over; nil where it works beside its worker.
    private(set) var holder: (worker: String, epoch: Int64)?
    private let sequences: TargetSequences
    /// When what conflicts no longer need was looked for last.
    var forgotAt: ContinuousClock.Instant?

    var parked: ParkedRecords { ParkedRecords(session: session, pipeline: context.pipeline) }
    var cursorRow: CursorRow { CursorRow(session: session, pipeline: context.pipeline) }

    package init(_ url: String, pipeline: String) throws {
        do {
            session = try PostgresSession(url)
            context = try Self.prepare(session, pipeline: pipeline)
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, pipeline: pipeline).error("the target cannot be used")
        }
        tables = TargetTables(session: session, context: context)
        sequences = TargetSequences(session: session, prepared: tables.prepared)
    }

    /// What holds for the whole session.
    static func prepare(_ session: PostgresSession, pipeline: String) throws -> ApplyContext {
        // Capture triggers that fire ALWAYS look for this: what tidemark applies is not captured again, unless it is passed on.
        let rows = try session.query(
            """
            select current_user, current_database(), current_setting('server_version_num'),
                   set_config('tidemark.applying', '1', false)
            """)
        var holdsTriggersStill = true
        do {
            try session.run("set session session_replication_role = replica")
        } catch {
            guard error.sqlState == "42501" else { throw error }
            holdsTriggersStill = false
            try refuseLoop(session, pipeline: pipeline)
        }
        return ApplyContext(
            pipeline: pipeline, role: rows[0, 0] ?? "", database: rows[0, 1] ?? "",
            holdsTriggersStill: holdsTriggersStill, serverVersion: rows[0, 2].flatMap { Int($0) } ?? 0,
            marksOrigins: try AppliedRecord(session: session).isTaken())
    }

    /// Capture triggers of a target that is a source as well would log what is applied, and send it back
    /// for ever, unless the replica role keeps them still.
    private static func refuseLoop(_ session: PostgresSession, pipeline: String) throws {
        guard try CaptureRegistry.isInstalled(in: session) else { return }
        let captured = try session.query("select exists (select from tidemark.capture where retired_at is null)")
        guard captured[0, 0] == "t" else { return }
        throw TidemarkError(
            "the target is captured too, and would log what is applied to it", pipeline: pipeline,
            why: "the role may not set session_replication_role, which keeps its capture still",
            remedy: "Type as a superuser of the target: grant set on parameter session_replication_role to the role"
                + " (from PostgreSQL 15); before, let --target connect as a superuser.")
    }

    /// Takes the pipeline over: raises the epoch, so that an earlier worker's moves fail from now on.
    package func takeOver(worker: String) throws -> Cursor {
        do {
            try cursorRow.requireCurrent()
            // Before anything is locked: whoever leads after this one ends what it left open.
            try session.beCalled(SessionName.of(worker, at: context.pipeline))
            let rows = try session.query(
                """
                update tidemark.cursor set epoch = epoch + 1, worker = $2, failure = null
                where pipeline = $1 and closed_at is null and (hold is null or held_by = $2)
                returning \(CursorRow.columns)
                """, [.text(context.pipeline), .text(worker)])
            if rows.count == 0, let refusal = try cursorRow.stored()?.refusal(of: worker, pipeline: context.pipeline) { throw refusal }
            let cursor = try cursorRow.parsed(rows)
            holder = (worker, cursor.epoch)
            return cursor
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("the pipeline cannot be taken over")
        }
    }

    package func requireNoOtherLeader(than worker: String) throws {
        do {
            let lease = try LeaseRow(session: session, pipeline: context.pipeline).read()
            if let refusal = lease?.refusal(of: worker, pipeline: context.pipeline) { throw refusal }
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("the lease cannot be read")
        }
    }

    package func cursor() throws -> Cursor {
        do {
            try cursorRow.requireCurrent()
            guard let stored = try cursorRow.stored() else { return try cursorRow.read() }
            if let holder, stored.cursor.epoch != holder.epoch {
                var known = stored.cursor
                known.epoch = holder.epoch
                throw known.isElsewhere(than: stored.cursor, pipeline: context.pipeline)
            }
            if let refusal = stored.refusal(of: holder?.worker, pipeline: context.pipeline) { throw refusal }
            return stored.cursor
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("the cursor cannot be read")
        }
    }

    package func note(_ heartbeat: SourceHeartbeat, epoch: Int64) throws {
        do {
            try session.query(
                """
                update tidemark.cursor c set seen_id = $3, seen_at = $4 where c.pipeline = $1 and c.epoch = $2 and c.closed_at is null
                  and exists (select from tidemark.role r where r.pipeline = c.pipeline and r.role = 'replica')
                """,
                [
                    .text(context.pipeline), .text(String(epoch)), .optional(heartbeat.seenID.map(String.init)),
                    .optional(heartbeat.seenAt),
                ])
        } catch {
            throw TargetFault(error, context: context).error("a heartbeat cannot be noted")
        }
    }

    package func note(quietThrough moment: Snapshot, after cursor: Cursor) throws {
        do {
            // An installation of an older version has no place for it.
            guard try session.query(
                "select exists (select from pg_attribute where attrelid = to_regclass('tidemark.cursor') and attname = 'quiet_snapshot')")[0, 0] == "t"
            else { return }
            try session.query(
                """
                update tidemark.cursor set quiet_after = snapshot, quiet_snapshot = $4
                where pipeline = $1 and epoch = $2 and snapshot = $3 and closed_at is null
                """,
                [.text(context.pipeline), .text(String(cursor.epoch)), .text(cursor.snapshot.description), .text(moment.description)])
        } catch {
            throw TargetFault(error, context: context).error("a quiet source cannot be noted")
        }
    }

    package func lastWorker() throws -> String? {
        do {
            return try cursorRow.stored()?.worker
        } catch let failure as PostgresFailure {
            throw TargetFault(failure, context: context).error("the cursor cannot be read")
        }
    }

    package func record(failure: String, epoch: Int64) throws {
        do {
            if let conflict = tables.stoppedAt {
                try conflict.record(of: context.pipeline, epoch: epoch, in: session)
                tables.stoppedAt = nil
            }
            try session.query(
                "update tidemark.cursor set failure = $2 where pipeline = $1 and epoch = $3",
                [.text(context.pipeline), .text(failure), .text(String(epoch))])
        } catch {
            throw TargetFault(error, context: context).error("the failure cannot be recorded")
        }
    }

    package func advance(_ states: [SequenceState]) throws {
        do {
            try sequences.advance(states)
            try session.settle()
        } catch {
            sequences.forget()
            throw TargetFault(error, context: context).error("the sequences cannot be set")
        }
    }

    /// Applies one window and moves the cursor over it, in one transaction.
    ///
    /// A window of one page that does not fit row by row is staged at once; of a longer one the pages
    /// are gone by then, and it has to be given again.
    package func apply(
        _ window: Window, tables captured: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder,
        parking faults: [ParkedFault], nextPage: () throws -> SplitPage?
    ) throws -> Cursor {
        tables.captured = captured
        do {
            let first = try nextPage()
            guard order == .paged else { return try apply(window, cursor, StagedWindow(tables), faults, first, nextPage) }
            var pagesRead = 1
            var atEnd = first == nil
            // Not asked again once it has said that there are no more.
            let next = {
                let page = atEnd ? nil : try nextPage()
                if page == nil { atEnd = true } else { pagesRead += 1 }
                return page
            }
            do {
                return try apply(window, cursor, PagedWindow(tables), faults, first, next)
            } catch let refusal as PageRefusal {
                guard pagesRead == 1 else { throw refusal.askingForStaging(context) }
                session.rollback()
                return try apply(window, cursor, StagedWindow(tables), faults, first, next)
            }
        } catch {
            session.rollback()
            // What was found may be why it failed: look again.
            tables.forget()
            sequences.forget()
            guard let failure = error as? PostgresFailure else { throw error }
            throw TargetFault(failure, context: context).error("a window cannot be applied")
        }
    }

    /// The cursor moves first: its row lock makes a second worker wait, and its compare-and-set makes
    /// it fail.
    private func apply(
        _ window: Window, _ cursor: Cursor, _ start: some WindowWork, _ faults: [ParkedFault], _ first: SplitPage?,
        _ nextPage: () throws -> SplitPage?
    ) throws -> Cursor {
        try session.run(context.begin)
        tables.origins.begin(source: cursor.source)
        var moved = cursor.moved(over: window)
        try cursorRow.move(cursor, to: moved, noting: window.heartbeat, by: tables.prepared)
        var work = start
        var parking = try WindowParking(parked, faults, tables: tables.captured, by: holder?.worker)
        var page = first
        while let part = page {
            try tables.origins.refuseOwn(in: part.applied, of: tables.captured) { try work.settle() }
            if !part.applied.changes.isEmpty { try work.apply(part.applied) }
            if !part.parked.changes.isEmpty {
                try work.settle()
                try parking.keep(part)
            }
            moved.lastID = max(moved.lastID, part.applied.changes.last?.id ?? 0, part.parked.changes.last?.id ?? 0)
            page = try nextPage()
        }
        if window.isBackward { moved.lastID = window.throughID }
        try work.finish()
        try parking.finish()
        try sequences.advance(window.sequences)
        try closeWindow(at: moved.lastID, using: work.tablesUsed)
        try session.run("commit")
        return moved
    }

    /// Notes the last id, and makes sure that the tables still are what the statements were written
    /// for. They are locked by now, so nobody can alter them between this look and the commit; a
    /// column that was altered before it could have rounded what it was given.
    private func closeWindow(at lastID: Int64, using used: [TargetTable]) throws {
        let shapes = Dictionary(used.map { ($0.oid, $0.shape) }, uniquingKeysWith: { shape, _ in shape })
        let rows = try tables.prepared.query(
            """
            update tidemark.cursor set last_id = $2 where pipeline = $1
            returning \(TableShape.expressions(of: "$3::oid[]"))
            """,
            [
                .text(context.pipeline), .text(String(lastID)),
                .text("{\(shapes.keys.joined(separator: ","))}"),
            ])
        guard (rows[0, 0] ?? "", rows[0, 1] ?? "") == TableShape.joined(Array(shapes.values)) else {
            throw TidemarkError(
                "a table of the target was altered while a window was applied", pipeline: context.pipeline,
                why: "its columns are no longer those that were found", remedy: "Nothing to do: the window is applied again.",
                retry: .later)
        }
    }
}

/// One way to bring a window's pages into the target, inside a transaction.
protocol WindowWork {
    mutating func apply(_ page: ChangePage) throws
    /// Waits for what the server still works on.
    mutating func settle() throws
    /// After the last page.
    mutating func finish() throws
    var tablesUsed: [TargetTable] { get }
}
