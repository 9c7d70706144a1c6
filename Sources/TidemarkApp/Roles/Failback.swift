package import Logging
package import TidemarkCore
package import TidemarkPipeline

/// The source that a failover left behind comes back, and follows the new primary from where the two parted, without a
/// full copy.
package struct Failback: Sendable {
    package enum Choice: String, Sendable, CaseIterable {
        /// What never left the source is undone there.
        case undo
        /// It is undone there, and written again to the new primary, which hands it back.
        case replay
    }

    /// What becomes of a row that was changed on both sides.
    package enum ConflictPolicy: String, Sendable, CaseIterable {
        /// Nothing is replayed where there is one.
        case stop
        /// It stays as it is on the new primary.
        case keep
        /// It becomes what it was on the old source.
        case overwrite
    }

    package struct Options: Sendable {
        /// What becomes of changes that never left the source; nil where there should be none.
        package var lost: Choice?
        package var onConflict = ConflictPolicy.stop
        package var verifies = true
        /// Undo rows whose content the log does not have, and so no export.
        package var undoesUnlogged = false

        package init() {}
    }

    package struct Outcome: Sendable {
        package var primary: String
        package var replica: String
        package var lost: LostChanges
        /// Rows that were changed on both sides, by the new primary's names of tables; only looked for to replay.
        package var conflicts: [TableName: [String]] = [:]
        package var verdicts: [TableVerdict] = []
        /// False where the choice is still to be made: nothing but the fence has changed.
        package var isDone = true
    }

    private let definition: PipelineDefinition
    private let options: Options
    private let worker: String
    private let log: Logger
    private let timed: TimedSteps

    package init(
        _ definition: PipelineDefinition, _ options: Options, worker: String, log: Logger,
        report: @escaping @Sendable (RoleChangeReport) -> Void
    ) {
        (self.definition, self.options, self.worker, self.log, timed) = (definition, options, worker, log, TimedSteps(report))
    }

    private var name: String { definition.name }

    /// - Parameter export: the path of a file that gets what never left the source, a line of JSON for each change.
    package func run(exportingTo export: String?) async throws -> Outcome {
        do {
            return try await bringBack(export)
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            throw failure
        }
    }

    private func bringBack(_ export: String?) async throws -> Outcome {
        try definition.requireWholeReplica(to: "fail back")
        let parted = try Parted(definition)
        let (old, new) = (parted.old, parted.new)
        try old.roles.claim(name)
        try new.roles.claim(name)
        // Nothing more may be written to it, or that would be lost as well.
        try timed(.fenced) { try LeftBehindSource(parted.pipeline).fence(old, epoch: parted.epoch, cause: .failback) }
        // It followed already when it was taken for one that was left behind.
        guard try !parted.isFollowing() || old.asSource.recordedRequest(of: name) != nil else {
            try timed(.turned) { try turn(old, epoch: parted.epoch) }
            return Outcome(primary: new.shown, replica: old.shown, lost: LostChanges())
        }
        let lost = try timed(.read) { try readLost(parted, export) }
        var outcome = Outcome(primary: new.shown, replica: old.shown, lost: lost)
        guard lost.changes == 0 || options.lost != nil else {
            outcome.isDone = false
            return outcome
        }
        if let unlogged = lost.unlogged, !options.undoesUnlogged { throw unlogged }
        let tables = try ReverseCapture(of: parted.pipeline, from: old, to: new).tables
        let replay = options.lost == .replay && !parted.isReplayed ? LostChangesReplay(parted.pipeline, lost, tables, after: parted.lastPlace) : nil
        if let replay { outcome.conflicts = try replay.conflicts(since: parted.start, on: new, policy: options.onConflict) }
        try timed(.placed) {
            try old.asTarget.install()
            if try !parted.isFollowing() {
                try old.roles.follow(parted.start, tables: try new.captured(tables.onReplica), of: name)
            }
            _ = try old.roles.hold(name, for: .failback, by: worker)
        }
        let flow = parted.pipeline.reversed
        let touched = lost.touched.renamed(tables)
        _ = try await timed(.drained) {
            try await Pipeline(flow, settings, log: log).takeBack(touched, startedAt: Clock.now)
        }
        if let replay {
            // Anew: applications have gone on writing.
            outcome.conflicts = try replay.conflicts(since: parted.start, on: new, policy: options.onConflict)
            try timed(.replayed) { try replay.run(on: new, sparing: options.onConflict == .keep ? outcome.conflicts : [:]) }
            _ = try await Pipeline(flow, settings, log: log).runOnce()
        }
        try timed(.turned) { try turn(old, epoch: parted.epoch) }
        if options.verifies {
            let (settings, log) = (Pipeline.Settings(name: name, worker: worker), log)
            outcome.verdicts = try await timed(.compared) { try await Pipeline(flow, settings, log: log).verdicts() }
        }
        return outcome
    }

    private func turn(_ old: PipelineSide, epoch: Int64) throws {
        try old.roles.note(Standing(.replica, epoch: epoch, cause: .failback), of: name)
        try old.roles.release(name)
    }

    /// The export is whole and durable before anything is undone.
    private func readLost(_ parted: Parted, _ export: String?) throws -> LostChanges {
        let file = try export.map { try ExportFile($0) }
        do {
            let lost = try LostChanges(of: name, in: parted.old.address, after: parted.lastPlace, writingTo: file?.handle)
            if lost.changes > 0 { try file?.keep() } else { file?.drop() }
            return lost
        } catch {
            file?.drop()
            throw error
        }
    }

    /// What the new primary has logged since it was promoted is asked for again until all is done.
    private var settings: Pipeline.Settings {
        var settings = Pipeline.Settings(name: name, worker: worker)
        settings.confirms = false
        return settings
    }
}

/// A source that was left behind, and the replica that was promoted.
private struct Parted {
    /// As it flowed before: from the old source.
    let pipeline: PipelineDefinition
    let old: PipelineSide
    let new: PipelineSide
    /// How far the replica had come in the old source's log.
    let lastPlace: Cursor
    /// Where the old source begins to follow in the new primary's log.
    let start: Cursor
    let epoch: Int64
    /// Did an earlier try replay them?
    let isReplayed: Bool

    /// The addresses may be given either way round: the new primary knows that it is.
    init(_ definition: PipelineDefinition) throws {
        let sides = (try definition.openSourceSide(), try definition.openTargetSide())
        let standings = (try sides.0.roles.standing(of: definition.name), try sides.1.roles.standing(of: definition.name))
        let isAsGiven = standings.1?.role == .primary && standings.1?.isAhead(of: standings.0) == true
        (pipeline, old, new) = isAsGiven ? (definition, sides.0, sides.1) : (definition.reversed, sides.1, sides.0)
        let (oldStanding, newStanding) = isAsGiven ? (standings.0, standings.1) : (standings.1, standings.0)
        guard let newStanding, newStanding.role == .primary, newStanding.cause == .failover, let start = newStanding.start,
            let closed = try new.asTarget.cursor(of: definition.name)
        else {
            throw TidemarkError(
                "there is nothing to bring back", why: "no database of the pipeline was promoted by a failover",
                remedy: "tidemark status … shows the roles; to change them, type: tidemark switchover …")
        }
        guard oldStanding?.role != .replica || oldStanding?.epoch ?? 0 < newStanding.epoch else {
            throw TidemarkError(
                "there is nothing to bring back", why: "\(old.shown) follows \(new.shown) already",
                remedy: "To make it the primary again, type: tidemark switchover …")
        }
        (lastPlace, self.start, epoch, isReplayed) = (closed.cursor, start, newStanding.epoch, newStanding.replayedAt != nil)
    }

    /// Did an earlier try come so far that the old source's cursor stands in the new primary's log?
    func isFollowing() throws -> Bool {
        guard let stored = try old.asTarget.cursor(of: pipeline.name), stored.closedAt == nil else { return false }
        return stored.cursor.source == start.source && start.snapshot.isContained(in: stored.cursor.snapshot)
    }
}

extension TouchedRows {
    /// The same rows by the new primary's names of tables.
    func renamed(_ tables: PairedTables) -> TouchedRows {
        let names = Dictionary(zip(tables.onPrimary, tables.onReplica), uniquingKeysWith: { first, _ in first })
        var renamed = TouchedRows()
        for (table, keys) in self.keys { renamed.keys[names[table] ?? table] = keys }
        renamed.whole = Set(whole.map { names[$0] ?? $0 })
        return renamed
    }
}
