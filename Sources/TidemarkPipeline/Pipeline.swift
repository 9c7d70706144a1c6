import TidemarkBlocking
package import TidemarkCore
import TidemarkPostgres

/// One flow from a source to a target: takes windows, reads them on one thread and applies them on
/// another, until it is told to stop.
package actor Pipeline {
    /// Where the two databases are, and what this flow is called.
    package struct Settings: Sendable {
        package var name: String
        package var source: String
        package var target: String
        /// Who holds the pipeline, for the cursor's row and the error that a second worker gets.
        package var worker: String
        /// A look at the source costs a round trip: short while changes come, longer while none do.
        package var idleWaitMinMs = 5
        package var idleWaitMaxMs = 50
        package var reconnectWaitMaxMs = 10_000

        package init(name: String, source: String, target: String, worker: String) {
            self.name = name
            self.source = source
            self.target = target
            self.worker = worker
        }
    }

    private let settings: Settings
    private let sourceThread = DedicatedThread<PostgresSource?> { nil }
    private let targetThread = DedicatedThread<PostgresTarget?> { nil }
    private let report: @Sendable (String) -> Void
    private var stopping = false

    /// - Parameter report: receives one line per event worth a line.
    package init(_ settings: Settings, report: @escaping @Sendable (String) -> Void) {
        self.settings = settings
        self.report = report
    }

    deinit {
        sourceThread.stop()
        targetThread.stop()
    }

    /// Lets `run` return after the window at hand.
    package func stop() { stopping = true }

    /// Applies everything that was committed when it started, and returns.
    /// - Returns: the place reached.
    package func runOnce() async throws -> Cursor {
        let cursor = try await connect()
        return try await applyBacklog(after: cursor)
    }

    /// Applies changes as they are committed. Survives the loss of either server.
    package func run() async throws {
        var failures = 0
        while !stopping {
            do {
                var cursor = try await connect()
                if failures > 0 { report("pipeline \(settings.name): connected again") }
                failures = 0
                var waitMs = settings.idleWaitMinMs
                while !stopping {
                    let before = cursor
                    cursor = try await applyBacklog(after: cursor)
                    waitMs = cursor == before ? min(waitMs * 2, settings.idleWaitMaxMs) : settings.idleWaitMinMs
                    if cursor == before { try? await Task.sleep(for: .milliseconds(waitMs)) }
                }
            } catch let failure as PostgresFailure where failure.isTransient {
                if failures == 0 { report("pipeline \(settings.name): \(failure); trying again until it works") }
                failures += 1
                let ceiling = min(settings.reconnectWaitMaxMs, 100 << min(failures, 10))
                try? await Task.sleep(for: .milliseconds(Int.random(in: ceiling / 2...ceiling)))
            }
        }
    }

    /// Fresh connections; the cursor in the target says where to go on, also after a connection
    /// that died in COMMIT.
    private func connect() async throws -> Cursor {
        let settings = settings
        let cursor = try await targetThread.run { target in
            target = nil
            let opened = try PostgresTarget(settings.target, pipeline: settings.name)
            target = opened
            return try opened.takeOver(worker: settings.worker)
        }
        let identity = try await sourceThread.run { source in
            source = nil
            let opened = try PostgresSource(settings.source)
            source = opened
            return try opened.identity()
        }
        guard identity == cursor.source else {
            throw TidemarkError(
                "the source is not the one that the target follows", pipeline: settings.name,
                why: "the target's cursor is for \(cursor.source), this database is \(identity)",
                remedy: "Point --source at the right database; to follow this one, set the pipeline up again and load the target anew.")
        }
        return cursor
    }

    private func applyBacklog(after start: Cursor) async throws -> Cursor {
        var cursor = start
        let (windows, tables) = try await sourceThread.run { source in
            guard let source else { throw CancellationError() }
            let windows = try source.windows(after: start)
            return (windows, windows.isEmpty ? [] : try source.capturedTables())
        }
        let byCapture = Dictionary(uniqueKeysWithValues: tables.map { ($0.capture, $0) })
        for window in windows where !stopping {
            cursor = try await apply(window, tables: byCapture, moving: cursor)
        }
        return cursor
    }

    private func apply(_ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor) async throws -> Cursor {
        let slots = PageSlots()
        let captures = tables.keys.sorted()
        async let reading: Void = sourceThread.run { source in
            do {
                try source?.read(window, captures: captures, into: slots)
                slots.finish(.success(()))
            } catch {
                slots.finish(.failure(error))
            }
        }
        let result: Result<Cursor, any Error>
        do {
            result = .success(
                try await targetThread.run { target in
                    guard let target else { throw CancellationError() }
                    return try target.apply(window, from: slots, tables: tables, moving: cursor)
                })
        } catch {
            result = .failure(error)
        }
        try await reading
        return try result.get()
    }
}
