package import Logging
import TidemarkBlocking
package import TidemarkCore

/// One flow from a source to a target: takes windows, reads them on one thread and applies them on
/// another, until it is told to stop.
package actor Pipeline {
    /// How a pipeline is called, what it takes, and how it waits.
    package struct Settings: Sendable {
        package var name: String
        /// Who holds the pipeline, for the cursor's row and the error that a second worker gets.
        package var worker: String
        /// A look at the source costs a round trip: short while changes come, longer while none do.
        package var idleWaitMinMs = 5
        package var idleWaitMaxMs = 50
        package var reconnectWaitMaxMs = 10_000
        /// How often the source is told what it may remove, and how often progress is logged. Catching
        /// up comes first: removing what was applied costs the source as much as reading it.
        package var confirmEveryMs = 5_000

        package init(name: String, worker: String) {
            self.name = name
            self.worker = worker
        }
    }

    /// Makes a connection; called on the thread that will own it, and again after each loss.
    package typealias Opening<Side> = @Sendable () throws -> Side

    private let settings: Settings
    private let openSource: Opening<any ChangeSource>
    private let openTarget: Opening<any ChangeTarget>
    private let expected: TableSelection?
    private var selection = TableSelection()
    private let sourceThread = DedicatedThread<(any ChangeSource)?> { nil }
    private let targetThread = DedicatedThread<(any ChangeTarget)?> { nil }
    private let confirmThread = DedicatedThread<(any ChangeSource)?> { nil }
    private let log: Logger
    private let clock = ContinuousClock()
    private var stopping = false
    private var progress = Progress()
    private var confirming: Task<Void, Never>?
    /// The cursor that the source was told last, and when.
    private var confirmed: Cursor?
    private var confirmedAt = ContinuousClock.now

    /// - Parameter expected: the tables that the operator named; refused where setup recorded others.
    package init(
        _ settings: Settings, source: @escaping Opening<any ChangeSource>, target: @escaping Opening<any ChangeTarget>,
        expecting expected: TableSelection?, log: Logger
    ) {
        self.expected = expected
        self.settings = settings
        openSource = source
        openTarget = target
        var log = log
        log[metadataKey: "pipeline"] = "\(settings.name)"
        self.log = log
    }

    deinit {
        sourceThread.stop()
        targetThread.stop()
        confirmThread.stop()
    }

    /// Lets `run` return after the window at hand.
    package func stop() { stopping = true }

    /// Applies everything that was committed when it started, and returns. Meanwhile the log is rid of
    /// what earlier runs applied; what this one applies is the next one's to remove.
    /// - Returns: the place reached.
    /// - Throws: also where it was stopped, since something may be left.
    package func runOnce() async throws -> Cursor {
        try await recordingFailure {
            let start = try await connect()
            startConfirming(start)
            let reached = try await applyBacklog(after: start)
            await confirming?.value
            guard !stopping else {
                throw TidemarkError(
                    "the run was stopped", why: "a signal came; everything up to change \(reached.lastID) is applied",
                    remedy: "Type the command again; it goes on there.")
            }
            return reached
        }
    }

    /// Applies changes as they are committed. Survives the loss of either database.
    package func run() async throws {
        var failures = 0
        while !stopping {
            do {
                try await recordingFailure { try await follow(after: &failures) }
            } catch let failure as TidemarkError where failure.retry == .later {
                // Once, not each time: a server that is away for a night is one line.
                if failures == 0 { log.warning("\(failure.what): \(failure.why); trying again until it works") }
                failures += 1
                try? await Task.sleep(for: .milliseconds(Self.reconnectWaitMs(failures, max: settings.reconnectWaitMaxMs)))
            }
        }
        log.info("stopped after change \(progress.cursor?.lastID ?? 0)")
    }

    /// Doubling from 0.2 s, with jitter so that many workers do not come back at one moment.
    private static func reconnectWaitMs(_ failures: Int, max: Int) -> Int {
        let ceiling = min(max, 100 << min(failures, 10))
        return Int.random(in: ceiling / 2...ceiling)
    }

    private func follow(after failures: inout Int) async throws {
        var cursor = try await connect()
        log.info("\(failures > 0 ? "connected again" : "following"), at change \(cursor.lastID)")
        failures = 0
        var waitMs = settings.idleWaitMinMs
        confirmed = cursor
        while !stopping {
            let before = cursor
            cursor = try await applyBacklog(after: cursor)
            waitMs = cursor == before ? min(waitMs * 2, settings.idleWaitMaxMs) : settings.idleWaitMinMs
            guard cursor == before else { continue }
            // What the last windows of a burst left, once it is over.
            confirmBeside(cursor)
            try? await Task.sleep(for: .milliseconds(waitMs))
        }
        await confirming?.value
        if cursor != confirmed { try await confirm(cursor) }
    }

    /// Fresh connections; the cursor in the target says where to go on, also after a connection
    /// that died in COMMIT.
    private func connect() async throws -> Cursor {
        let (openSource, openTarget, name, worker) = (openSource, openTarget, settings.name, settings.worker)
        let cursor = try await targetThread.run { target in
            target = nil
            let opened = try openTarget()
            target = opened
            return try opened.takeOver(worker: worker)
        }
        let (identity, selection) = try await sourceThread.run { source in
            source = nil
            let opened = try openSource()
            source = opened
            return (try opened.identity(), try opened.selection(of: name))
        }
        guard identity == cursor.source else {
            throw TidemarkError(
                "the source is not the one that the target follows", pipeline: settings.name,
                why: "the target's cursor is for \(cursor.source), this database is \(identity)",
                remedy: "Point --source at the right database; to follow this one, set the pipeline up again"
                    + " (tidemark teardown, then tidemark setup) and load the target anew.")
        }
        if let expected, expected != selection {
            throw TidemarkError(
                "the tables named are not those that setup recorded", pipeline: settings.name,
                why: "the pipeline takes what setup was told, so that no change of a table is passed over",
                remedy: "Type tidemark setup … with these tables, or tidemark run … without --table and --exclude.")
        }
        self.selection = selection
        progress.cursor = cursor
        return cursor
    }

    private func applyBacklog(after start: Cursor) async throws -> Cursor {
        var cursor = start
        let (known, name) = (selection, settings.name)
        let (windows, tables, selection) = try await sourceThread.run { source in
            guard let source else { throw CancellationError() }
            let windows = try source.windows(after: start, taking: known)
            guard !windows.isEmpty else { return (windows, [CapturedTable](), known) }
            // After the windows' end: setup may have widened the pipeline meanwhile.
            return (windows, try source.capturedTables(), try source.selection(of: name))
        }
        self.selection = selection
        let taken = Dictionary(uniqueKeysWithValues: tables.filter { selection.takes($0.name) }.map { ($0.capture, $0) })
        // The next window is read while this one is applied and committed, one page of it at a time.
        var ahead: PageSlots?
        for (place, window) in windows.enumerated() where !stopping {
            let pages = ahead ?? startReading(window, taken)
            ahead = place + 1 < windows.count ? startReading(windows[place + 1], taken) : nil
            do {
                cursor = try await apply(window, pages, tables: taken, moving: cursor, order: .paged)
            } catch let failure as TidemarkError where failure.retry == .staged {
                log.debug("staging a window: \(failure.why)")
                ahead?.abandon()
                ahead = nil
                cursor = try await apply(
                    window, startReading(window, taken), tables: taken, moving: cursor, order: .staged)
            } catch {
                ahead?.abandon()
                throw error
            }
            progress.windows += 1
            progress.cursor = cursor
            confirmBeside(cursor)
        }
        ahead?.abandon()
        return cursor
    }

    private func startReading(_ window: Window, _ tables: [Int32: CapturedTable]) -> PageSlots {
        let slots = PageSlots()
        let captures = tables.keys.sorted()
        sourceThread.submit { source in
            do {
                try source?.read(window, captures: captures) { page in
                    guard slots.offer(page) else { throw Abandoned() }
                }
                slots.finish(.success(()))
            } catch {
                // Where the applying side has failed, nobody reads this: what it says is what counts.
                slots.finish(.failure(error))
            }
        }
        return slots
    }

    private func apply(
        _ window: Window, _ pages: PageSlots, tables: [Int32: CapturedTable], moving cursor: Cursor, order: ApplyOrder
    ) async throws -> Cursor {
        let (moved, changes) = try await targetThread.run { target in
            defer { pages.abandon() }
            guard let target else { throw CancellationError() }
            var changes = 0
            let moved = try target.apply(window, tables: tables, moving: cursor, order: order) {
                let page = try pages.next()
                changes += page?.changes.count ?? 0
                return page
            }
            return (moved, changes)
        }
        progress.changes += changes
        return moved
    }

    /// Pruning has a connection of its own: it does not hold the next windows up.
    private func confirmBeside(_ cursor: Cursor) {
        let isDue = clock.now - confirmedAt > .milliseconds(settings.confirmEveryMs)
        guard isDue, confirming == nil, cursor != confirmed else { return }
        confirmedAt = clock.now
        progress.logAndReset(to: log)
        startConfirming(cursor)
    }

    private func startConfirming(_ cursor: Cursor) {
        confirmed = cursor
        confirming = Task {
            do {
                try await confirm(cursor)
            } catch {
                confirmed = nil
                log.debug("the log was not pruned, it will be later: \(error)")
            }
            confirming = nil
        }
    }

    private func confirm(_ cursor: Cursor) async throws {
        let (openSource, name) = (openSource, settings.name)
        try await confirmThread.run { source in
            do {
                let opened = try source ?? openSource()
                source = opened
                try opened.confirm(cursor, of: name)
            } catch {
                source = nil
                throw error
            }
        }
    }

    /// Puts the pipeline's name into errors of parts that do not know it, and keeps in the target what
    /// only a person can mend, for `status`.
    private func recordingFailure<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? settings.name
            if failure.retry == .never, let epoch = progress.cursor?.epoch {
                let text = failure.description
                // The failure itself is what counts; if the target is away, its log has it all the same.
                try? await targetThread.run { target in try target?.record(failure: text, epoch: epoch) }
            }
            throw failure
        }
    }
}

/// The applying side takes no more pages.
private struct Abandoned: Error {}

/// What was done since the last line of the log.
private struct Progress {
    var changes = 0
    var windows = 0
    var cursor: Cursor?

    mutating func logAndReset(to log: Logger) {
        log.info("applied \(changes) changes in \(windows) transactions, up to change \(cursor?.lastID ?? 0)")
        (changes, windows) = (0, 0)
    }
}
