package import TidemarkCore

/// Reads windows of the change log of one PostgreSQL database. Confined to one thread.
package final class PostgresSource: ChangeSource {
    let session: PostgresSession
    let limits: ReadLimits
    private let prepared: PreparedStatements
    let log: LogReading
    var marks: StreamMarks { StreamMarks(session: session, log: log) }
    private let shapes: ShapeWatch
    private let sequences: SequenceReading
    private let shaping: SourceShaping
    private var rules = TableRules()
    private var following = SequenceFollowing()
    /// As it was at the last thorough look at shapes.
    private var registry: (version: Int, tables: [CapturedTable])?
    /// What the last look found where there was nothing to apply after `start`.
    private var idle: (start: TransactionSnapshot, lastID: Int64, now: TransactionSnapshot)?
    /// How far the windows of one tick have been read: below `firstID` there is nothing behind `start`.
    private var progress: (tick: WrittenTick, start: TransactionSnapshot, firstID: Int64)?
    private var hasSeenWitness = false
    /// Was it so when the last tick was written?
    private var isCaptureStopped = false
    /// Whose log this is read as, once it was said.
    private var pipeline: String?

    package init(_ url: String, limits: ReadLimits = ReadLimits()) throws {
        session = try reporting("the source cannot be reached") { try PostgresSession(url) }
        prepared = PreparedStatements(session)
        log = LogReading(session: session, prepared: prepared)
        shapes = ShapeWatch(session, prepared)
        sequences = SequenceReading(session)
        shaping = SourceShaping(session)
        self.limits = limits
    }

    package func shape(_ rules: TableRules) throws {
        shaping.follow(rules)
        (self.rules, registry) = (rules, nil)
    }

    package func noteTransactions() { log.withTransactions = true }
    package func keepEveryChange(_ isWanted: Bool) { log.keepsEveryChange = isWanted }

    package func identity() throws -> String {
        try reporting("the source cannot be identified") {
            if try session.query("select pg_is_in_recovery()")[0, 0] == "t" {
                throw TidemarkError(
                    "the source is a standby in recovery", why: "its snapshots do not list what is open on the primary",
                    remedy: "Give the address of the primary.")
            }
            return try SourceIdentity.read(in: session)
        }
    }

    package func capturedTables() throws -> [CapturedTable] {
        try reporting("the registry of captured tables cannot be read") {
            if let registry, registry.version == shapes.version, registry.version > 0 { return registry.tables }
            let tables = try shaping.shaped(try CaptureRegistry.tables(in: session))
            registry = (shapes.version, tables)
            return tables
        }
    }

    /// After the last window's end was taken, a tick is committed that witnesses all of them
    /// (DESIGN, invariant 1; BREAKS A2).
    package func windows(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot? = nil) throws -> [Window] {
        guard case .transactions(let start) = cursor.snapshot else { throw Self.isNoPlace(cursor) }
        return try reporting("the change log cannot be read") {
            // Also where there is nothing to apply: a target of the past may find an empty log.
            if !hasSeenWitness {
                try requireNotLost()
                try TickWriting.requireWitness(of: cursor, in: session)
                if let pipeline { try RemovedChanges(session: session).refuse(cursor, at: start, of: pipeline) }
            }
            hasSeenWitness = true
            if case .transactions(let end) = end { return try windows(from: start, to: end, cursor, taken) }
            let (now, lastID) = try log.position()
            // No id was drawn and nobody ended: there still is nothing. The whole snapshot has to be the
            // same, since it does not list transactions beyond its xmax, which may have drawn ids.
            if let idle, idle.start == start, idle.lastID == lastID, idle.now == now { return [] }
            let lowest = try log.lowestID(notSeenBy: start, endedIn: now)
            guard let first = try log.firstID(in: lowest..<lastID, notSeenBy: start, seenBy: now) else {
                // What was not found may have been given up.
                try requireNotLost()
                idle = (start, lastID, now)
                return []
            }
            let tick = try writeTick(lastID: lastID, after: cursor, taking: taken)
            // Between the look and the tick a transaction may have ended that was open at `start`.
            let floor = try log.lowestID(notSeenBy: start, endedIn: tick.snapshot)
            progress = (tick, start, floor + 1)
            let end = try tick.stop.map { try lastEnd(before: $0, from: start, above: floor) } ?? tick.snapshot
            let carried = try sequences(taken.selection, after: cursor, witness: tick.token)
            return try cut(from: start, to: end, tick, above: floor, first: first, carrying: carried)
        }
    }

    static func isNoPlace(_ cursor: Cursor) -> TidemarkError {
        TidemarkError(
            "the cursor is no place in a PostgreSQL source", why: "it holds \(cursor.snapshot)",
            remedy: "Point --source at the database that the pipeline was set up for.")
    }

    /// The windows to a snapshot that somebody holds, or to an earlier tick's: the tick, which is written after it, is their witness.
    private func windows(
        from start: TransactionSnapshot, to end: TransactionSnapshot, _ cursor: Cursor, _ taken: TakenTables
    ) throws -> [Window] {
        guard start != end else { return [] }
        let (_, lastID) = try log.position()
        let tick = try writeTick(lastID: lastID, after: cursor, taking: taken)
        if let stop = tick.stop, end.sees(stop.xid) { throw stop.error }
        let floor = try log.lowestID(notSeenBy: start, endedIn: tick.snapshot)
        progress = (tick, start, floor + 1)
        let first = try log.firstID(in: floor..<max(floor, tick.highID), notSeenBy: start, seenBy: end)
        let carried = try sequences(taken.selection, after: cursor, witness: tick.token)
        return try cut(from: start, to: end, tick, above: floor, first: first ?? floor, carrying: carried)
    }

    package func sequences(_ selection: TableSelection) throws -> [SequenceState] {
        try reporting("the sequences cannot be read") { rules.shaped(try sequences.states(taking: selection, version: shapes.version) ?? []) }
    }

    /// After the windows' end was taken: what a row of theirs drew from a sequence, it has given by now.
    package func sequences(_ selection: TableSelection, after cursor: Cursor, witness: String) throws -> [SequenceState] {
        try reporting("the sequences cannot be read") {
            let states = try sequences.states(taking: selection, version: shapes.version).map(rules.shaped)
            return following.carried(states ?? [], after: cursor, witness: states == nil ? nil : witness)
        }
    }

    /// A server that was promoted, or restored, was started since.
    package func logName() throws -> String? {
        let started = try reporting("the source cannot be identified") {
            try session.query("select (extract(epoch from pg_postmaster_start_time()) * 1000000)::int8")[0, 0] ?? ""
        }
        return "postgresql \(try identity()) \(started)"
    }

    package func requireWitness(of cursor: Cursor) throws {
        try reporting("the change log cannot be read") {
            let rows = try prepared.query("select exists (select from tidemark.tick where token = $1::uuid)", [.text(cursor.witness)])
            guard rows[0, 0] == "t" else { throw TickWriting.witnessGone(cursor) }
        }
    }

    package var provesWholeWindows: Bool { false }

    package var provenCatalog: String? { isCaptureStopped ? nil : shapes.catalog }

    package func heartbeat() throws -> SourceHeartbeat {
        try reporting("the source cannot be read") {
            let rows = try session.query("select \(ChangeIDs.last), \(SourceClock.text(of: "clock_timestamp()"))")
            return SourceHeartbeat(appliedAt: nil, seenID: rows[0, 0].flatMap { Int64($0) }, seenAt: rows[0, 1])
        }
    }

    package func read(_ window: Window, captures: [Int32], _ receive: (ChangePage) throws -> Void) throws {
        try reporting("the change log cannot be read") {
            let afterID = try advance(to: window)
            try log.read(window, above: afterID, captures: captures, shaped: try shaping.changed(captures), limits, receive)
            // Rows may have been missing from it if it was.
            try requireNotLost()
        }
    }

    package func selection(of pipeline: String) throws -> TableSelection {
        try reporting("the pipeline's record cannot be read") {
            if self.pipeline == nil {
                guard try LogLimitRecord.isInstalled(in: session) else { throw OlderLog.error() }
            }
            self.pipeline = pipeline
            try requireNotLost()
            let request = try RecordedRequest(of: pipeline, in: session)?.request
            try requireCaptured(request, of: pipeline)
            return request?.selection ?? TableSelection()
        }
    }

    @discardableResult
    package func confirm(_ cursor: Cursor, of pipeline: String) throws -> LogStanding {
        try reporting("the change log cannot be pruned") {
            try LogPruner(session: session).confirm(cursor, of: pipeline)
            return try LogLimitRecord(session: session).standing()
        }
    }

    package func quiet(after cursor: Cursor) -> Snapshot? {
        guard let idle, cursor.snapshot == .transactions(idle.start), idle.now != idle.start else { return nil }
        return .transactions(idle.now)
    }

    private var tickWriting: TickWriting { TickWriting(session: session, prepared: prepared, shapes: shapes) }

    private func requireNotLost() throws {
        // Asked several times for each window.
        guard let pipeline,
            let loss = LogLimitRecord.loss(in: try prepared.query(LogLimitRecord.lossOfPipeline, [.text(pipeline)]))
        else { return }
        throw loss.error(pipeline)
    }

    /// The witness of a pipeline that was given up may be gone, which is not what there is to say then.
    private func writeTick(lastID: Int64, after cursor: Cursor, taking taken: TakenTables) throws -> WrittenTick {
        do {
            let tick = try tickWriting.write(lastID: lastID, after: cursor, taking: taken)
            isCaptureStopped = tick.stop != nil
            try requireNotLost()
            return tick
        } catch let failure as TidemarkError {
            try requireNotLost()
            throw failure
        }
    }

    /// The last tick before capture was stopped: up to there the log is whole.
    private func lastEnd(before stop: StoppedCapture, from start: TransactionSnapshot, above lowest: Int64) throws -> TransactionSnapshot {
        let usable = try ticks(above: lowest).ticks.filter { $0.lastID != nil && !$0.cut.sees(stop.xid) && $0.cut != start && start.isContained(in: $0.cut) }
        guard let last = usable.max(by: { ($0.lastID ?? 0) < ($1.lastID ?? 0) }) else { throw stop.error }
        return last.cut
    }

    /// Where reading a window may begin. Of the windows of one tick, a later one may hold a lower id
    /// than an earlier one (a straggler), but what none of the rest needs is not read again.
    private func advance(to window: Window) throws -> Int64 {
        guard let known = progress, known.tick.token == window.witness, case .transactions(let start) = window.start,
            // A window that is read once more, after the next one was begun, is read from its own beginning.
            known.start.isContained(in: start)
        else { return window.afterID }
        guard known.start != start else { return max(window.afterID, known.firstID - 1) }
        let rest = known.firstID - 1..<max(known.firstID - 1, known.tick.highID)
        let first = try log.firstID(in: rest, notSeenBy: start, seenBy: known.tick.snapshot)
        progress = (known.tick, start, max(first ?? known.firstID, known.firstID))
        return max(window.afterID, (progress?.firstID ?? 0) - 1)
    }

    private func cut(
        from start: TransactionSnapshot, to end: TransactionSnapshot, _ tick: WrittenTick, above lowest: Int64, first: Int64,
        carrying sequences: [SequenceState]
    ) throws -> [Window] {
        let (ticks, times) = try ticks(above: lowest, endingIn: end)
        let ends = WindowCut.ends(
            from: start, startID: first, to: end, ticks: ticks, changesMax: limits.windowChangesMax)
        let highIDs = Dictionary(ticks.map { ($0.cut, $0.highID ?? tick.highID) }, uniquingKeysWith: min)
        var from = start
        return ends.map { next in
            defer { from = next }
            var window = Window(
                start: .transactions(from), end: .transactions(next), witness: tick.token, afterID: lowest,
                throughID: highIDs[next] ?? tick.highID, sequences: sequences,
                heartbeat: SourceHeartbeat(
                    appliedAt: next == tick.snapshot ? tick.writtenAt : times[next], seenID: tick.highID, seenAt: tick.writtenAt))
            // The tick was written after a place that is held, too.
            window.endedAt = (window.heartbeat?.appliedAt ?? tick.writtenAt).flatMap { SourceTime($0) }
            return window
        }
    }

    /// The ticks, and when each was written.
    /// - Parameter end: leaves out those that lie beyond it, which are many where a target is far behind.
    private func ticks(
        above id: Int64, endingIn end: TransactionSnapshot? = nil
    ) throws -> (ticks: [Tick], times: [TransactionSnapshot: String]) {
        let rows = try session.query(
            """
            select token, snapshot, xid, last_id, high_id, \(SourceClock.text(of: "written_at")) from tidemark.tick
            where last_id > $1 and ($2::xid8 is null or pg_snapshot_xmax(snapshot) <= $2::xid8)
            """, [.text(String(id)), .optional(end.map { String($0.xmax) })])
        let ticks = try (0..<rows.count).map { row in
            Tick(
                token: rows[row, 0] ?? "", snapshot: try TransactionSnapshot.parsed(rows[row, 1]),
                writer: UInt64(rows[row, 2] ?? "") ?? 0, lastID: rows[row, 3].flatMap { Int64($0) },
                highID: rows[row, 4].flatMap { Int64($0) })
        }
        return (ticks, Dictionary(ticks.indices.map { (ticks[$0].cut, rows[$0, 5] ?? "") }, uniquingKeysWith: min))
    }
}

/// How much of a source is read at once.
package struct ReadLimits: Sendable {
    /// Change ids that a window spans, where ticks allow the cut.
    package var windowChangesMax: Int64 = 50_000
    package var pageChangesMax = 8_192
    package var pageBytesMax = 3 << 19
    /// A page of wide rows is applied by few statements anyway, and takes more memory on the way for each byte.
    private static let wideChangesMax = 4_096
    private static let wideBytesMax = 1 << 20

    package init() {}

    func isFull(_ page: ChangePage) -> Bool {
        let (changes, bytes) = (page.changes.count, page.bytes.count)
        return changes >= pageChangesMax || bytes >= pageBytesMax || changes < Self.wideChangesMax && bytes >= Self.wideBytesMax
    }
}
