import Foundation
import Logging
import TidemarkApp
import TidemarkBlocking
import TidemarkCore
import TidemarkPipeline

/// One pipeline, from a source database to a target, in this process: what the `tidemark` command does, as calls.
///
///     let replication = Replication(source: "sqlite:/srv/shop.db", target: "postgresql://db2/shop", tables: ["orders", "customers"])
///     try await replication.setUp(createTables: true)
///     try await replication.run()        // until its task is cancelled
///
/// Addresses are libpq's (`postgresql://…`, `service=…`, `host=… dbname=…`) or `sqlite:PATH`. A call waits for its databases on
/// threads of its own, opens the connections that it needs, and closes them. All of them may be made at the same time, also by
/// several processes; of two that run a pipeline, the later one takes it over, and the earlier one's `run` throws.
///
/// What a person at a terminal would read goes to swift-log, under the label `tidemark`.
public struct Replication: Sendable {
    /// Names the pipeline in both databases. A target may have many.
    public let name: String
    public let source: String
    public let target: String
    /// Patterns, `schema.table` or just `table`, in which `*` stands for any run of characters; empty for what setup recorded, or
    /// else for every user table.
    public let tables: [String]
    /// Patterns of tables that are left out all the same.
    public let exclude: [String]
    /// What becomes of rows that the target's tables hold before they are copied.
    public var existingRows = ExistingRows.refuse
    /// Are tables compared with their source once they are copied?
    public var verifiesCopies = true
    /// How many parts of tables are copied, or compared, at a time.
    public var jobs = 2
    let listeners = Listeners()

    public init(name: String = "main", source: String, target: String, tables: [String] = [], exclude: [String] = []) {
        (self.name, self.source, self.target, self.tables, self.exclude) = (name, source, target, tables, exclude)
    }

    /// What becomes of rows that the target's tables hold before they are copied.
    public enum ExistingRows: Sendable {
        /// A table that holds rows stops the copy.
        case refuse
        /// They are removed first.
        case empty
        /// They stay, and those with the key of a row that is copied are overwritten.
        case merge
        /// Nothing is copied: the tables are loaded already.
        case keep
    }
}

// MARK: - Before it runs

extension Replication {
    /// Everything that would go wrong, or is worth knowing, each with its remedy; problems first. Changes nothing.
    public func check() async throws -> [Finding] {
        try await onThreadOfItsOwn { try Installation($0).check().map { Finding(side: $0.side, $0.finding) } }
    }

    /// The statements that `setUp` would run, in their order. Changes nothing.
    public func plan(createTables: Bool = false) async throws -> [Statement] {
        try await onThreadOfItsOwn { try Installation($0).planSetUp(creating: createTables).map { Statement(side: $0.side, $0.statement) } }
    }

    /// Begins to capture changes in the source, and gives the target its cursor. Twice is as good as once.
    /// - Parameter createTables: make the tables that the target lacks.
    /// - Returns: the tables that are captured.
    @discardableResult
    public func setUp(createTables: Bool = false) async throws -> [String] {
        try await onThreadOfItsOwn { try Installation($0).setUp(creating: createTables).map(\.name.description) }
    }

    /// Removes everything that tidemark has in both databases for this pipeline. The tables and their rows stay.
    public func tearDown() async throws {
        try await onThreadOfItsOwn { try Installation($0).tearDown() }
    }
}

// MARK: - While it runs

extension Replication {
    /// Copies what is not copied yet, then applies changes as they are committed. Outlives the loss of either database.
    ///
    /// Returns after the window of changes at hand once its task is cancelled. What was interrupted, also by the end of the
    /// process, goes on with the next call.
    /// - Throws: ``ReplicationError`` for what only a person can mend; the target stays at the last whole window before it.
    public func run() async throws {
        try await reporting { definition in
            let run = try PipelineRun(definition, self.settings, log: Self.log)
            try await withTaskCancellationHandler { try await run.forEver() } onCancel: { run.stop() }
        }
    }

    /// Copies what is not copied yet, applies everything that was committed when it was called, and returns.
    /// - Returns: the place reached.
    /// - Throws: `CancellationError` where its task was cancelled before that.
    @discardableResult
    public func catchUp() async throws -> Position {
        try await reporting { definition in
            let run = try PipelineRun(definition, self.settings, log: Self.log)
            do {
                let outcome = try await withTaskCancellationHandler { try await run.once() } onCancel: { run.stop() }
                return Position(lastChangeID: outcome.cursor?.lastID ?? 0)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                throw error
            }
        }
    }

    /// How it stands, as both databases tell. One that does not answer is part of the answer.
    public func status() async throws -> Status {
        try await onThreadOfItsOwn { Status(try StatusReport(of: $0)) }
    }

    /// Compares all tables that are copied, in one snapshot of the source and with the target at exactly that place, while both are
    /// in use. The pipeline has to run, here or elsewhere, or to have nothing to catch up with.
    /// - Parameter repair: make the target equal.
    /// - Throws: also where the pipeline stays more than a few seconds behind for a minute; `CancellationError` where its task was
    ///   cancelled.
    public func verify(repair: Bool = false) async throws -> [TableVerdict] {
        try await reporting { definition in
            var settings = self.settings
            settings.onEvent = nil
            let pipeline = try Pipeline(definition, settings, log: Self.log)
            var request = VerifyRequest(startedAt: Date.now.formatted(.iso8601))
            request.repair = repair ? .apply : .none
            let found = Collected<TableVerdict>()
            let wanted = request
            do {
                try await withTaskCancellationHandler {
                    try await Verification(definition, pipeline).once(wanted) { found.add(TableVerdict($0)) }
                } onCancel: {
                    pipeline.stop()
                }
            } catch {
                if Task.isCancelled { throw CancellationError() }
                throw error
            }
            return found.all.sorted { $0.table < $1.table }
        }
    }

    /// What happens from now on while `run` and `catchUp` work, to copies of this value, too. A reader that is slow misses the
    /// oldest of more than a thousand. It ends with the task that reads it.
    public var events: AsyncStream<Event> { listeners.stream() }
}

// MARK: - What the calls share

extension Replication {
    private static var log: Logger { Logger(label: "tidemark") }

    private var definition: PipelineDefinition {
        var definition = PipelineDefinition(name: name, source: source, target: target)
        definition.include = tables.isEmpty ? nil : tables.map { TablePattern($0) }
        definition.exclude = exclude.isEmpty ? nil : exclude.map { TablePattern($0) }
        return definition
    }

    private var settings: Pipeline.Settings {
        var settings = Pipeline.Settings(
            name: name, worker: "\(ProcessInfo.processInfo.hostName):\(ProcessInfo.processInfo.processIdentifier)")
        settings.existing = TableCopy.Existing(existingRows)
        (settings.verifiesCopies, settings.jobs) = (verifiesCopies, max(1, jobs))
        let (listeners, name) = (listeners, name)
        settings.onEvent = { listeners.send(Event($0, pipeline: name)) }
        return settings
    }

    /// A call that blocks must not do so on a thread of the pool that all tasks share.
    private func onThreadOfItsOwn<T: Sendable>(_ body: @escaping @Sendable (PipelineDefinition) throws -> T) async throws -> T {
        try await reporting { definition in try await OwnThread.run { try body(definition) } }
    }

    private func reporting<T>(_ body: (PipelineDefinition) async throws -> T) async throws -> T {
        do {
            return try await body(definition)
        } catch let failure as TidemarkError {
            throw ReplicationError(failure, pipeline: name)
        } catch let failure as UsageError {
            throw ReplicationError(failure, pipeline: name)
        }
    }
}

extension TableCopy.Existing {
    init(_ wanted: Replication.ExistingRows) {
        self = switch wanted {
        case .refuse: .refuse
        case .empty: .empty
        case .merge: .merge
        case .keep: .keep
        }
    }
}
