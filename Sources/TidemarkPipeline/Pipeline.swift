package import Logging
import TidemarkBlocking
package import TidemarkCore

/// One flow from a source to a target: takes windows, reads them on one thread and applies them on
/// another, until it is told to stop. Rows that were there before capture are copied at the place where the
/// stream is, and compared there.
package actor Pipeline {
    let settings: Settings
    let connections: Connections
    package nonisolated let log: Logger
    /// What copies and comparisons have done so far.
    package nonisolated let meter = CopyMeter()
    /// What was applied, and what went wrong.
    package nonisolated let figures: PipelineMeter
    /// With which epoch others of this process may write beside the stream.
    private let tenure: Tenure
    private let expected: TableSelection?
    var selection = TableSelection()
    private(set) var copies: [TableName: TableCopy] = [:]
    /// The generation of capture that each of the pipeline's tables has now.
    private(set) var generations: [TableName: Int32] = [:]
    private(set) var keyless: Set<TableName> = []
    /// What waits behind parked transactions, as the target had it where the cursor is.
    var parked = ParkedScope()
    /// Tables of which it does not matter that rows passed capture unseen, since they are being repaired.
    private var trusted: Set<TableName> = []
    /// Is this the pipeline's worker, or does it work beside one?
    private(set) var holdsPipeline = false
    /// Tables that this process copies anew, whatever they were copied as.
    var reshaped: Set<TableName> = []
    /// The tables whose copies are this process's to make; another one may make others.
    var ownCopies: Set<TableName> = []
    let sourceThread = DedicatedThread<(any ChangeSource)?> { nil }
    let targetThread = DedicatedThread<(any ChangeTarget)?> { nil }
    let confirmThread = DedicatedThread<(any ChangeSource)?> { nil }
    var lanes: [RowLane] = []
    /// Tables that this worker has copied and not yet compared.
    var justCopied: Set<TableName> = []
    let clock = ContinuousClock()
    nonisolated let stopFlag = StopFlag()
    package nonisolated var isStopping: Bool { stopFlag.isRaised }
    var stopping: Bool { stopFlag.isRaised }
    var progress = Progress()
    /// What the source is being told beside the stream.
    var confirming: Promise<LogStanding>?
    let acknowledging: Acknowledging
    /// Has a window since the last acknowledgement held changes of tables that are waited for one by one?
    var heldAwaited = false
    /// The last moment that was noted at the target as one until which nothing was logged.
    var quietNoted: Snapshot?
    /// Begun while a window was applied.
    private var nextLook: Look?
    /// The cursor that the source was told last, and when.
    var confirmed: Cursor?
    var confirmedAt = ContinuousClock.now
    private var heartbeatAt = ContinuousClock.now
    /// What the log last said of the log at the source.
    var said: String?
    /// How far the limit has let the stream go, and what is kept of it once it is fixed to the source's clock.
    var reached: StreamReach?
    var limitPlace: LogPlace?
    var hasSaidCopyIsNow = false

    /// - Parameter expected: the tables that the operator named; refused where setup recorded others.
    package init(
        _ settings: Settings, _ connections: Connections, expecting expected: TableSelection?, log: Logger, figures: PipelineMeter = PipelineMeter(),
        tenure: Tenure = Tenure()
    ) {
        (self.figures, self.tenure) = (figures, tenure)
        self.expected = expected
        self.settings = settings
        self.connections = connections
        var log = log
        log[metadataKey: LogKey.pipeline.rawValue] = "\(settings.name)"
        self.log = log
        acknowledging = Acknowledging(settings, opening: connections.source, sharing: confirmThread, figures: figures, log: log)
    }

    deinit {
        sourceThread.stop()
        targetThread.stop()
        confirmThread.stop()
    }

    /// Lets `run` return after the window, or the part of a copy, at hand. The end of its task does the same.
    package nonisolated func stop() { stopFlag.raise() }

    private func stoppingOnCancellation<T>(_ body: () async throws -> T) async rethrows -> T {
        try await withTaskCancellationHandler(operation: body, onCancel: stop)
    }

    /// Copies what is not copied yet, applies everything that was committed when it started, and returns.
    /// Meanwhile the log is rid of what earlier runs applied; what this one applies is the next one's to remove.
    /// - Returns: the place reached.
    /// - Throws: also where it was stopped, since something may be left.
    package func runOnce() async throws -> Cursor {
        try await stoppingOnCancellation { try await recordingFailure { try await confirmingBeforeTheEnd { try await self.applyOnce() } } }
    }

    private func applyOnce() async throws -> Cursor {
        try await namingPause { try await self.applyAll() }
    }

    private func applyAll() async throws -> Cursor {
        var cursor = try await connect(takingOver: true)
        settings.onEvent?(.connected(cursor.lastID))
        startConfirming(cursor)
        var isCaughtUp = false
        while !stopping, !isCaughtUp {
            let known = cursor
            if hasRowWork {
                cursor = try await advancing(from: known) { try await self.workOnRows(after: known) }
            } else if let reached = try await besideOthers(at: known, { try await self.applyOnceWithinLimit(after: known) }) {
                cursor = reached
                // Not so where setup has added a table meanwhile.
                isCaughtUp = !hasRowWork
            } else {
                cursor = try await reload()
            }
        }
        await finishConfirming()
        acknowledge(cursor)
        await acknowledging.settle()
        guard !stopping else { throw Self.wasStopped(at: cursor) }
        return cursor
    }

    /// Applies changes as they are committed, until it is stopped or has come to where its limit ends. Survives the loss of
    /// either database.
    package func run() async throws {
        try await stoppingOnCancellation { try await self.runUntilStopped() }
    }

    private func runUntilStopped() async throws {
        var outage = Outage()
        while !stopping, !isAtLimit {
            do {
                try await recordingFailure { try await confirmingBeforeTheEnd { try await namingPause { try await follow(after: &outage) } } }
            } catch let pause as TidemarkError where pause.retry == .paused {
                try await waitForResume(pause)
            } catch let failure as TidemarkError where failure.retry == .later {
                if stopping { break }
                if outage.isNews(failure) { log.warning("\(failure.what): \(failure.why); trying again until it works") }
                try? await Task.sleep(for: .milliseconds(Self.reconnectWaitMs(outage.failures, max: settings.reconnectWaitMaxMs)))
            }
        }
        log.info("stopped after change \(progress.cursor?.lastID ?? 0)")
    }

    static func wasStopped(at cursor: Cursor) -> TidemarkError {
        TidemarkError(
            "the run was stopped", why: "a signal came; everything up to change \(cursor.lastID) is applied",
            remedy: "Type the command again; it goes on there.", retry: .later)
    }

    /// Doubling from 0.2 s, with jitter so that many workers do not come back at one moment.
    private static func reconnectWaitMs(_ failures: Int, max: Int) -> Int {
        let ceiling = min(max, 100 << min(failures, 10))
        return Int.random(in: ceiling / 2...ceiling)
    }

    private func follow(after outage: inout Outage) async throws {
        defer { tenure.leave() }
        var cursor = try await connect(takingOver: true)
        if outage.failures == 0 { log.info("following, at change \(cursor.lastID)") }
        settings.onEvent?(.connected(cursor.lastID))
        outage.databasesAnswer()
        confirmed = cursor
        acknowledging.forget()
        while !stopping, !isAtLimit {
            let before = cursor
            cursor = try await advancing(from: before) {
                if self.hasRowWork {
                    self.abandonLook()
                    return try await self.workOnRows(after: before)
                }
                guard self.settings.limit.isNone else { return try await self.followWithinLimit(after: before) }
                guard self.settings.paceMs == 0 else { return try await self.followAtPace(after: before) }
                return try await self.applyBacklog(after: before, isWaiting: true)
            }
            // Databases that answer are not enough: a full disk refuses the next window again.
            if outage.end() { log.info("connected again, at change \(cursor.lastID)") }
            // What the last windows of a burst left, once it is over.
            if cursor == before {
                // Who follows for years needs the connections and threads of its first copy no more.
                if !hasRowWork { lanes = [] }
                acknowledge(cursor)
                await confirmBeside(cursor)
                try await noticePause(at: cursor)
                try await noteHeartbeat(at: cursor)
            }
        }
        await finishConfirming()
        acknowledge(cursor)
        await acknowledging.settle()
        if cursor != confirmed { try await confirm(cursor) }
    }

    /// While nothing happens at the source, a replica has to know that nothing does.
    private func noteHeartbeat(at cursor: Cursor) async throws {
        if settings.waiting.mode != .asynchronous { try await noteQuiet(at: cursor) }
        guard clock.now - heartbeatAt > .milliseconds(settings.heartbeatEveryMs) else { return }
        heartbeatAt = clock.now
        try await noteQuiet(at: cursor)
        guard let heartbeat = try await sourceThread.run({ source in try source?.heartbeat() }) else { return }
        let isShared = settings.rules.isShared
        try await targetThread.run { target in
            try target?.note(heartbeat, epoch: cursor.epoch)
            if isShared { try target?.forgetSettled() }
        }
    }

    func keepLook(_ look: Look) { nextLook = look }

    /// The look that was begun for the windows from this place to that end, if there is one.
    func takeLook(after cursor: Cursor, taking taken: TakenTables, upTo end: Snapshot?) -> Look? {
        defer { nextLook = nil }
        guard let nextLook, nextLook.isFor(cursor, taking: taken, upTo: end) else {
            nextLook?.abandon()
            return nil
        }
        return nextLook
    }

    func abandonLook() {
        nextLook?.abandon()
        nextLook = nil
    }

    /// - Returns: nil where another process of the pipeline moved the cursor.
    func catchingUp<T>(_ body: () async throws -> T) async throws -> T? {
        do {
            return try await body()
        } catch let failure as TidemarkError
            where failure.retry == .moved || failure.retry == .takenOver && !holdsPipeline {
            // Who works beside the worker does not mind which one that is.
            log.debug("\(failure.what): \(failure.why)")
            return nil
        }
    }

    /// Fresh connections; the cursor in the target says where to go on, also after a connection
    /// that died in COMMIT.
    /// - Parameter takingOver: as the worker; otherwise beside it.
    func connect(takingOver: Bool) async throws -> Cursor {
        // Who comes back after a while may find that another one leads.
        let isBack = holdsPipeline && progress.cursor != nil
        let isBound = takingOver && (settings.isLeader || isBack)
        holdsPipeline = takingOver
        abandonLook()
        let (openSource, openTarget, name, worker) = (connections.source, connections.target, settings.name, settings.worker)
        let (notesTransactions, waiting) = (settings.notesTransactions, settings.waiting)
        let (passesOn, rules) = (settings.passesOn, settings.rules)
        let (jointLogs, figures) = (takingOver ? settings.jointLogs : nil, figures)
        let (cursor, scope, targetIdentity) = try await targetThread.run { target in
            target = nil
            let opened = try openTarget()
            target = opened
            let identity = passesOn ? try opened.identityAsSource() : nil
            // In this order: what is parked later raises the cursor's revision.
            guard takingOver else { return (try opened.cursor(), try opened.parkedScope(), identity) }
            if isBound { try opened.requireNoOtherLeader(than: worker) }
            let cursor = try opened.takeOver(worker: worker)
            // It may have waited for the cursor, or have been stopped, in between.
            if isBound { try opened.requireNoOtherLeader(than: worker) }
            return (cursor, try opened.parkedScope(), identity)
        }
        if takingOver { figures.takeOver(at: cursor) }
        guard settings.failurePolicy != .setAside || scope != nil else { throw OlderTarget.error(name) }
        parked = scope ?? ParkedScope()
        let (identity, selection, tables, promotion) = try await sourceThread.run { source in
            source = nil
            let alone = try openSource()
            let opened: any ChangeSource = jointLogs.map { JointSource(alone, in: $0, shapedBy: rules, figures: figures) } ?? alone
            source = opened
            if takingOver { try opened.announce(waiting, of: name) }
            if notesTransactions { opened.noteTransactions() }
            try opened.follow(passesOn ? .passedOn(except: targetIdentity) : .leftOut)
            let identity = try opened.identity()
            return (
                identity, try opened.selection(of: name), try opened.capturedTables(),
                identity == cursor.source ? try opened.promotion(since: cursor) : nil
            )
        }
        if let promotion { log.notice("\(promotion)") }
        guard identity == cursor.source else {
            throw TidemarkError(
                "the source is not the one that the target follows", pipeline: settings.name,
                why: "the target's cursor is for \(cursor.source), this database is \(identity)",
                remedy: "Point --source at the right database; to follow this one, set the pipeline up again"
                    + " (tidemark teardown, then tidemark setup), and copy it anew.")
        }
        if let expected, expected != selection {
            throw TidemarkError(
                "the tables named are not those that setup recorded", pipeline: settings.name,
                why: "the pipeline takes what setup was told, so that no change of a table is passed over",
                remedy: "Type tidemark setup … with these tables, or tidemark run … without --table and --exclude.")
        }
        self.selection = selection
        progress.cursor = cursor
        copies = [:]
        try await learnCopies(of: tables)
        // What an earlier process has left, too.
        ownCopies.formUnion(copies.values.filter(\.isLeft).map(\.table))
        if takingOver { tenure.hold(cursor.epoch) }
        return try await choosing(at: cursor)
    }

    /// Copies that were refused, for want of a choice, follow the one that the operator has made now.
    private func choosing(at start: Cursor) async throws -> Cursor {
        let refused = copies.values.filter { $0.state == .waiting && $0.existing == .refuse && generations[$0.table] != nil }
        guard settings.existing != .refuse, !refused.isEmpty else { return start }
        for copy in refused {
            let chosen = anew(copy, settings.existing)
            try await lane(0).load { try $0.save(chosen, at: start, changesStream: true) }
        }
        return try await reload()
    }

    /// The place where another process of the pipeline left the cursor, and what it copied.
    func reload() async throws -> Cursor {
        let (cursor, known, scope) = try await targetThread.run { target in
            guard let target else { throw CancellationError() }
            return (try target.cursor(), try target.copies(expecting: []), try target.parkedScope())
        }
        parked = scope ?? ParkedScope()
        known.forEach(know)
        try requireShapes()
        progress.cursor = cursor
        return cursor
    }

    /// A table that is captured and has no copy yet gets one, before any change of it is applied.
    func learnCopies(of tables: [CapturedTable]) async throws {
        let current = tables.filter { !$0.isRetired && selection.takes($0.name) }
        generations = Dictionary(current.map { ($0.name, $0.capture) }, uniquingKeysWith: max)
        keyless = Set(current.filter(\.keyColumns.isEmpty).map(\.name))
        let expected = Set(generations.keys).subtracting(copies.keys).sorted().map { anew(TableCopy($0, settings.existing), settings.existing) }
        guard !expected.isEmpty || copies.isEmpty else { return }
        let known = try await targetThread.run { target in
            guard let target else { throw CancellationError() }
            return try target.copies(expecting: expected)
        }
        copies = Dictionary(uniqueKeysWithValues: known.map { ($0.table, $0) })
        ownCopies.formUnion(expected.map(\.table))
        try requireShapes()
    }

    func know(_ copy: TableCopy) {
        copies[copy.table] = copy
        if !copy.isLeft { ownCopies.remove(copy.table) }
    }

    /// What is still to be done before the target has all that the source's tables hold.
    var copiesLeft: [TableCopy] {
        // There are none while the stream runs, and this is asked before each look at the source.
        ownCopies.sorted().compactMap { generations[$0] == nil ? nil : copies[$0] }.filter(\.isLeft)
    }

    private var hasRowWork: Bool { !copiesLeft.isEmpty || settings.verifiesCopies && !justCopied.isEmpty }

    private func workOnRows(after cursor: Cursor) async throws -> Cursor {
        try checkLimitAllowsCopies()
        guard copiesLeft.isEmpty else { return try await copyRound(after: cursor) }
        return try await verifyCopies(after: cursor)
    }

    func trust(_ tables: [TableName]) { trusted.formUnion(tables) }

    var taken: TakenTables {
        var settled = copies.mapValues(\.settledThrough)
        for table in trusted { settled[table] = TableCopy.everyGeneration }
        return TakenTables(selection, settledThrough: settled)
    }
}
