import TidemarkCore

/// How a pipeline is: one sentence, and the figures behind it.
package struct StatusReport: Codable, Sendable {
    package enum State: String, Codable, Sendable, CaseIterable {
        /// Everything committed is in the target, or is on its way for less than a few seconds.
        case current
        /// Changes wait for longer.
        case behind
        /// Tables are being copied: the target is not complete yet.
        case copying
        /// An operator wants it to stay where it is.
        case paused
        /// It cannot go on without a person.
        case blocked
        /// One of the databases does not answer.
        case unreachable
        /// There is no such pipeline.
        case notSetUp = "not set up"
    }

    package var pipeline: String
    package var state: State
    package var source: String
    package var target: String
    /// The highest change id that the target has, and the highest drawn at the source.
    package var appliedID: Int64?
    package var sourceID: Int64?
    package var pendingChanges: Int64?
    package var pendingSeconds: Double?
    /// Estimates; nil where nothing tells.
    package var pendingBytes: Int64?
    package var pendingTransactions: Int64?
    package var appliedAt: String?
    package var worker: String?
    package var logBytes: Int64?
    package var logRows: Int64?
    /// The transaction that keeps rows of the log from being removed.
    package var heldBackBy: String?
    /// The log's cap, what is done at it, and when that will be; nil where there is none, or the log does not grow.
    package var logMaxBytes: Int64?
    package var atMaxLogSize: String?
    package var logFullInSeconds: Double?
    /// What is kept of the log on purpose for this pipeline.
    package var retainSeconds: Int64?
    package var retainBytes: Int64?
    /// How far the target stays behind on purpose.
    package var delaySeconds: Int64?
    /// When the source is told of what is durable in the target: asynchronous, synchronous or hybrid, and then for which tables.
    package var wait: String?
    package var waitTables: [String]?
    package var pausedAt: String?
    package var pausedBy: String?
    /// When the pipeline was given up as the log reached its cap, and when capture was stopped.
    package var lostAt: String?
    package var captureStoppedAt: String?
    /// What each database is to the pipeline, and since when; nil where setup was not told to make a replica.
    package var sourceRole: String?
    package var sourceRoleSince: String?
    package var targetRole: String?
    package var targetRoleSince: String?
    /// Is everybody but the pipeline kept from writing to the target's tables? Nil where it is no replica.
    package var isTargetGuarded: Bool?
    /// By the source's clock: when the snapshot that the target has was taken, and when the target last heard of the
    /// source, with the highest change id drawn then.
    package var snapshotTakenAt: String?
    package var sourceSeenAt: String?
    package var sourceSeenID: Int64?
    /// Transactions that are set aside, the changes of them and behind them, and the tables that are not exact because of such.
    package var parkedTransactions = Int64(0)
    package var parkedChanges = Int64(0)
    package var notExactTables: [String] = []
    /// Why it is not well, with what to type.
    package var problem: String?
    /// How far each table is copied, and when it was last proven equal.
    package var tables: [Table] = []
    /// The tables whose rows others change at the target, too, that had conflicts; absent where the pipeline has no rules for such.
    package var conflicts: [ConflictTally]?
    /// Those that are read instead of their log; absent where the pipeline has none.
    package var polledTables: [PolledTable]?

    package struct Table: Codable, Sendable {
        package var table: String
        /// waiting, copying or done
        package var copy: String
        package var copiedRows: Int64
        package var copiedBytes: Int64
        /// An estimate.
        package var expectedRows: Int64
        /// What the target calls it, where that differs from the source, and what of it travels, a line each: where, columns, omit, set,
        /// rename, to. As it was when it was copied.
        package var targetTable: String?
        package var shape: String?
        /// The last comparison that came to its end; what is absent has not been.
        package var verifiedAt: String?
        package var verifiedSnapshot: String?
        package var verifiedRows: Int64?
        package var differences: Int64?
    }

    /// The conflicts of a table that the target keeps.
    package struct ConflictTally: Codable, Sendable, Equatable {
        /// As the target calls it.
        package var table: String
        package var conflicts: Int64
        package var lastAt: String

        package init(table: String, conflicts: Int64, lastAt: String) { (self.table, self.conflicts, self.lastAt) = (table, conflicts, lastAt) }
    }

    /// Older pending changes than this make a pipeline be behind.
    static func behindAfterSeconds(_ definition: PipelineDefinition) -> Double {
        let limit = StreamLimit(delaySeconds: definition.delaySeconds)
        // A delayed target goes from mark to mark.
        return limit.isNone ? 10 : 10 + Double(limit.delaySeconds) + Double(limit.markEveryMs) / 500
    }
}

extension StatusReport {
    /// Looks at both sides; a side that does not answer is part of the report.
    package init(of definition: PipelineDefinition) throws { try self.init(of: definition, using: StatusConnections()) }

    /// - Parameter connections: where they are kept for the next report.
    package init(of definition: PipelineDefinition, using connections: StatusConnections) throws {
        let (sourceEngine, targetEngine) = (
            try Engines.accepting(definition.source, of: "source"), try Engines.accepting(definition.target, of: "target"))
        self.init(
            pipeline: definition.name, state: .current, source: sourceEngine.shown(definition.source),
            target: targetEngine.shown(definition.target))
        delaySeconds = definition.delaySeconds > 0 ? definition.delaySeconds : nil
        do {
            let target = try connections.target(of: definition)
            let found = try target.cursor(of: definition.name)
            let copies = found == nil ? [] : try target.copies(of: definition.name)
            appliedID = found?.cursor.lastID
            (appliedAt, worker) = (found?.appliedAt, found?.worker)
            (snapshotTakenAt, sourceSeenAt, sourceSeenID) = (found?.heartbeat?.appliedAt, found?.heartbeat?.seenAt, found?.heartbeat?.seenID)
            let isStoppedByTable = try found.map { try addPolled(definition, found: $0, connections) } ?? false
            guard !definition.isPolledOnly, found?.cursor.isPolled != true else {
                concludePolled(definition, found, isStoppedByTable)
                return
            }
            let targetRoles = definition.isArchive ? nil : try connections.targetRoles(of: definition)
            let standings = (source: try connections.sourceRoles(of: definition).standing(of: definition.name), target: try targetRoles?.standing(of: definition.name))
            if let standing = standings.target {
                (targetRole, targetRoleSince) = (standing.role.rawValue, standing.since)
                if standing.role == .replica { isTargetGuarded = try targetRoles?.unguarded(copies.map(\.table), of: definition.name).isEmpty }
            }
            if let standing = standings.source {
                (sourceRole, sourceRoleSince) = (standing.role.rawValue, standing.since)
            }
            let log = try connections.source(of: definition).status(
                of: definition.name, at: found?.cursor,
                settledThrough: Dictionary(uniqueKeysWithValues: copies.map { ($0.table, $0.settledThrough) }))
            (sourceID, logBytes, logRows, heldBackBy) = (log.lastID, log.logBytes, log.logRows, log.holdsBackPruning)
            (logMaxBytes, atMaxLogSize, logFullInSeconds) = (log.limit?.maxBytes, log.limit?.policy.rawValue, log.fullInSeconds)
            (retainSeconds, retainBytes) = (log.retention.seconds, log.retention.bytes)
            let waiting = log.waiting ?? definition.waiting
            (wait, waitTables) = (waiting?.mode.rawValue, waiting?.mode == .hybrid ? waiting?.tables.map(\.text) : nil)
            (lostAt, captureStoppedAt) = (log.loss?.at, log.captureStop?.at)
            guard found != nil else {
                state = .notSetUp
                problem = "The target holds no cursor for it. Type: tidemark run --pipeline \(definition.name) …, or first tidemark setup --plan …"
                return
            }
            (pendingChanges, pendingSeconds) = (log.pendingChanges, log.pendingSeconds)
            (pendingBytes, pendingTransactions) = (log.pendingBytes, log.pendingTransactions)
            let parked = try target.parked(of: definition.name)
            (parkedTransactions, parkedChanges) = (Int64(parked.transactions.count), parked.transactions.reduce(0) { $0 + $1.changes })
            notExactTables = parked.notExact.map(\.description)
            if definition.rules.isShared {
                conflicts = try target.conflictCounts(of: definition.name).map {
                    ConflictTally(table: $0.table.description, conflicts: $0.conflicts, lastAt: $0.lastAt)
                }
            }
            let proofs = try target.proofs(of: definition.name)
            tables = copies.map { copy in Table(copy, proofs.first { $0.table == copy.table && $0.finishedAt != nil }) }
            if let obstacle = Orientation(source: standings.source, target: standings.target).obstacle ?? log.obstacle ?? found?.failure {
                (state, problem) = (.blocked, obstacle)
            } else if let hold = found?.hold, hold.reason == .paused {
                (state, pausedAt, pausedBy) = (.paused, hold.at, hold.by)
            } else if log.pendingChanges > 0, (log.pendingSeconds ?? 0) > Self.behindAfterSeconds(definition) {
                state = .behind
                problem = "Changes wait. If no worker runs, type: tidemark run …; its log says what it does."
            } else if isStoppedByTable {
                state = .blocked
            } else if isPollingFirst || copies.contains(where: { $0.state != .done }) {
                state = .copying
            }
            if problem == nil, let limit = log.limit, log.logBytes >= limit.maxBytes {
                problem = "The change log has reached max-log-size. tidemark check … says what to do."
            }
            if problem == nil { problem = parkingProblem ?? polledProblem }
        } catch let failure as TidemarkError {
            connections.forget(definition)
            (state, problem) = (.unreachable, failure.description)
        }
    }

    private mutating func addPolled(_ definition: PipelineDefinition, found: StoredCursor, _ connections: StatusConnections) throws -> Bool {
        guard definition.rules.isPolling || found.cursor.isPolled else { return false }
        return addPolled(definition, try connections.polledTarget(of: definition).units(), isWhole: found.cursor.isPolled, now: Clock.time)
    }

    /// Of a pipeline that reads all of its tables: its source has nothing to tell.
    private mutating func concludePolled(_ definition: PipelineDefinition, _ found: StoredCursor?, _ isStopped: Bool) {
        guard let found else {
            (state, problem) = (.notSetUp, "The target holds no cursor for it. Type: tidemark run --pipeline \(definition.name) …, or first tidemark setup --plan …")
            return
        }
        (appliedID, problem) = (nil, found.failure ?? polledProblem)
        if isStopped || found.failure != nil {
            state = .blocked
        } else if let hold = found.hold, hold.reason == .paused {
            (state, pausedAt, pausedBy) = (.paused, hold.at, hold.by)
        } else if isPollingFirst {
            state = .copying
        }
    }

    /// What is set aside, or was given up, with what to type.
    private var parkingProblem: String? {
        guard !notExactTables.isEmpty || parkedTransactions > 0 else { return nil }
        let names = notExactTables.joined(separator: ", ")
        guard parkedTransactions > 0 else { return "Not exact: \(names). Parked changes of them were skipped. Type: tidemark verify --repair …" }
        let what = parkedTransactions == 1 ? "One transaction is" : "\(parkedTransactions) transactions are"
        return "\(what) set aside, with \(Amount.text(parkedChanges, "change")) in all. Not exact: \(names). Type: tidemark parked list …"
    }

    /// Of all tables.
    package var conflictsTotal: Int64? { conflicts.map { $0.reduce(0) { $0 + $1.conflicts } } }

    /// What mends rows that differ, for whoever is to do it.
    package var mending: String { Self.mending(isShared: conflicts != nil) }

    static func mending(isShared: Bool) -> String { isShared ? "to mend it, \(PipelineDefinition.rewriting)" : "tidemark verify --repair mends it" }

    /// Tables that differ from their source, as far as anybody has looked and nobody repaired.
    package var differing: [Table] { tables.filter { ($0.differences ?? 0) > 0 } }

    init(pipeline: String, state: State, source: String, target: String) {
        (self.pipeline, self.state, self.source, self.target) = (pipeline, state, source, target)
    }
}

extension StatusReport.Table {
    init(_ copy: TableCopy, _ proof: TableProof?) {
        (table, self.copy) = (copy.table.description, copy.existing == .keep ? "done" : copy.state.rawValue)
        (copiedRows, copiedBytes, expectedRows) = (copy.rows, copy.bytes, copy.expectedRows)
        targetTable = copy.shape?.split(separator: "\n").last { $0.hasPrefix("to: ") }.map { String($0.dropFirst(4)) }
        shape = copy.shape
        (verifiedAt, verifiedSnapshot, verifiedRows) = (proof?.finishedAt, proof?.snapshot, proof?.rows)
        differences = proof.map { $0.differences - $0.repaired }
    }
}
