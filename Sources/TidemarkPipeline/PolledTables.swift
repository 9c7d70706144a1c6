package import Logging
import TidemarkBlocking
package import TidemarkCore

/// The tables of a pipeline that are read instead of their log: each when its schedule says so, on as many lanes as there may be.
package actor PolledTables {
    package struct Settings: Sendable {
        package var name: String
        /// Who holds the pipeline, where no stream does.
        package var worker: String
        /// Has that worker the pipeline's lease? Then it takes nothing over that another one leads.
        package var isLeader = false
        /// What the pipeline takes, whichever way.
        package var selection = TableSelection()
        package var rules = TableRules()
        /// How many tables are read at a time.
        package var jobs = 2
        /// How often tables that are new, or gone, are looked for, in seconds.
        package var listEverySeconds: Int64 = 60
        package var reconnectWaitMaxMs = 10_000

        package init(name: String, worker: String) { (self.name, self.worker) = (name, worker) }
    }

    /// By which right the tables are written.
    package enum Standing: Sendable {
        /// As the pipeline's worker: it is taken over.
        case worker
        /// Beside the stream of the same process, with whose epoch.
        case stream(Tenure)
        /// Beside the pipeline's worker, whoever that is.
        case beside
    }

    /// What one pass over a table came to.
    package struct Outcome: Sendable {
        package var table: TableName
        package var unit: SyncUnit
        /// Why it did not come to the table's end.
        package var failure: TidemarkError?
    }

    /// A table, how it is read, and how far it is.
    struct Member {
        let table: CapturedTable
        let reading: PolledReading
        var unit: SyncUnit
    }

    let settings: Settings
    let connections: PolledConnections
    let standing: Standing
    let clock: SyncClock
    package nonisolated let log: Logger
    /// What passes have read so far.
    package nonisolated let meter: CopyMeter
    nonisolated let figures: PipelineMeter
    let holderThread = DedicatedThread<(any ChangeTarget)?> { nil }
    nonisolated let stopFlag = StopFlag()
    /// Raised as well where a table fails for good: the others end after the batch at hand.
    private nonisolated let endFlag = StopFlag()
    package nonisolated var isStopping: Bool { stopFlag.isRaised }
    private nonisolated var isEnding: Bool { endFlag.isRaised }
    /// Set while the pipeline is this process's to write to; nil to find out.
    var epoch: Int64?
    /// Has this object taken the pipeline over before?
    var hasHeld = false
    private var members: [TableName: Member] = [:]
    private var working: Set<TableName> = []
    private var listedAt: SourceTime?
    private var isListing = false
    /// Tables that have had their first look since the process began.
    private var looked: Set<TableName> = []
    /// Passes that somebody asked for, whatever the schedule says; and of which tables, once that is known.
    private var asked: [TablePattern] = []
    private var wanted: Set<TableName> = []
    /// The tables of a single pass that are left; nil for passes by schedule.
    private var left: Set<TableName>?
    private var startsAnew = false
    private var outcomes: [Outcome] = []
    private var outage = Outage()
    private static let waitMaxMs = 200

    package init(
        _ settings: Settings, _ connections: PolledConnections, as standing: Standing, clock: SyncClock, log: Logger,
        meter: CopyMeter = CopyMeter(), figures: PipelineMeter = PipelineMeter()
    ) {
        (self.settings, self.connections, self.standing, self.clock) = (settings, connections, standing, clock)
        (self.meter, self.figures) = (meter, figures)
        var log = log
        log[metadataKey: LogKey.pipeline.rawValue] = "\(settings.name)"
        self.log = log
    }

    deinit { holderThread.stop() }

    /// Lets it return after the batch at hand; a table that is read whole is left as it was.
    package nonisolated func stop() {
        stopFlag.raise()
        endFlag.raise()
    }

    /// Reads tables now, whatever their schedule says: those that these patterns name.
    package func ask(for patterns: [TablePattern]) {
        asked += patterns
        // One may name a table that has just been made.
        listedAt = nil
    }

    /// Reads tables as their schedules say, until it is stopped. Survives the loss of either database.
    package func run() async throws {
        left = nil
        try await naming { try await self.serve() }
    }

    /// One pass over every polled table, or those that are named.
    /// - Parameters:
    ///   - tables: nil for all.
    ///   - anew: from the first row on, also what is done once and for all, or only reads what has changed.
    /// - Returns: what each came to; of one that stops the pipeline where it fails, the others may be missing.
    package func runOnce(_ tables: Set<TableName>? = nil, anew: Bool = false) async throws -> [Outcome] {
        (outcomes, startsAnew) = ([], anew)
        try await naming {
            try await self.connecting(PolledLane(self.connections)) { lane in
                try await self.list(lane)
                self.left = tables.map { $0.intersection(self.members.keys) } ?? Set(self.members.keys)
            }
            try await self.serve()
        }
        guard !isStopping else {
            throw TidemarkError(
                "the pass was stopped", pipeline: settings.name, why: "a signal came; what it has read is in the target",
                remedy: "Type the command again; it goes on there.", retry: .later)
        }
        return outcomes.sorted { $0.table < $1.table }
    }

    private var isBeside: Bool { if case .beside = standing { true } else { false } }

    private func naming<T>(_ body: () async throws -> T) async throws -> T {
        do {
            return try await body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? settings.name
            figures.fail(failure)
            throw failure
        }
    }

    // MARK: Lanes

    /// What a lane does next.
    private enum Step {
        case pass(Member)
        case wait(ms: Int)
        case over
    }

    private func serve() async throws {
        var failure: (any Error)?
        await withTaskGroup(of: (any Error)?.self) { group in
            for _ in 0..<max(1, settings.jobs) {
                group.addTask {
                    do {
                        try await self.serve(PolledLane(self.connections))
                        return nil
                    } catch {
                        self.endFlag.raise()
                        return error
                    }
                }
            }
            for await ended in group { failure = failure ?? ended }
        }
        if let failure { throw failure }
    }

    private func serve(_ lane: PolledLane) async throws {
        while !endFlag.isRaised {
            do {
                switch try await next(lane) {
                case .over: return
                case .wait(let ms): await clock.wait(ms)
                case .pass(let member): try await pass(over: member, on: lane)
                }
                if outage.failures > 0, outage.end() { log.info("connected again") }
            } catch let failure as TidemarkError where failure.retry == .later && left == nil {
                if outage.isNews(failure) { log.warning("\(failure.what): \(failure.why); trying again until it works") }
                listedAt = nil
                await wait(ms: min(settings.reconnectWaitMaxMs, 100 << min(outage.failures, 10)))
            }
        }
    }

    private func wait(ms: Int) async {
        var waited = 0
        while waited < ms, !stopFlag.isRaised {
            await clock.wait(min(Self.waitMaxMs, ms - waited))
            waited += Self.waitMaxMs
        }
    }

    private func next(_ lane: PolledLane) async throws -> Step {
        guard !isListing else { return .wait(ms: Self.waitMaxMs) }
        let now = clock.now()
        if listedAt.map({ now >= $0.later(bySeconds: settings.listEverySeconds) || now < $0 }) ?? true {
            try await connecting(lane) { try await self.list($0) }
            // Another lane may be at it.
            guard listedAt != nil else { return .wait(ms: Self.waitMaxMs) }
        }
        let free = members.values.filter { !working.contains($0.table.name) }.sorted { $0.table.name < $1.table.name }
        if left != nil {
            guard let member = free.first(where: { left?.contains($0.table.name) == true }) else { return .over }
            return .pass(member)
        }
        wanted.formUnion(members.keys.filter { name in asked.contains { $0.matches(name) } })
        asked = []
        if let member = free.first(where: { wanted.contains($0.table.name) }) { return .pass(member) }
        var soonest: (member: Member, at: SourceTime)?
        for member in free {
            guard let at = due(member, now: now) else { continue }
            if soonest.map({ at < $0.at }) ?? true { soonest = (member, at) }
        }
        guard let soonest else { return .wait(ms: Self.waitMaxMs) }
        guard soonest.at > now else { return .pass(soonest.member) }
        let leftMs = (soonest.at.microseconds - now.microseconds) / 1000 + 1
        return .wait(ms: Int(min(Int64(Self.waitMaxMs), leftMs)))
    }

    private func due(_ member: Member, now: SourceTime) -> SourceTime? {
        member.unit.due(member.reading, now: now, isFirstLook: !looked.contains(member.table.name))
    }

    // MARK: Tables

    /// Which tables there are, and how far they are.
    private func list(_ lane: PolledLane) async throws {
        guard !isListing else { return }
        isListing = true
        defer { isListing = false }
        let (selection, rules) = (settings.selection.named, settings.rules)
        let tables = try await lane.read { try $0.tables(selection, rules) }
        let units = try await lane.write { try $0.units() }
        let known = Dictionary(units.map { ($0.table, $0) }, uniquingKeysWith: { first, _ in first })
        var found: [TableName: Member] = [:]
        for (table, reading) in rules.polled(tables) {
            if let member = members[table.name], working.contains(table.name) {
                found[table.name] = member
            } else {
                found[table.name] = Member(table: table, reading: reading, unit: Self.unit(known[table.name], table.name, reading.mode))
            }
        }
        // For whoever asks how far they are.
        if !isBeside, let epoch {
            for name in found.keys.sorted() where known[name] == nil {
                let unit = SyncUnit(name, found[name]?.reading.mode ?? .full)
                try await lane.write { try $0.save(unit, epoch: epoch) }
            }
        }
        members = found
        // What is told otherwise now begins anew if it is ever polled again.
        let others = units.map(\.table).filter { rules.polled($0) == nil || !selection.takes($0) }
        if !isBeside, !others.isEmpty, let epoch { try await lane.write { try $0.forget(others, epoch: epoch) } }
        listedAt = clock.now()
    }

    /// A table that was read in another way begins anew.
    private static func unit(_ known: SyncUnit?, _ table: TableName, _ mode: SyncMode) -> SyncUnit {
        guard let known else { return SyncUnit(table, mode) }
        guard known.mode != mode else { return known }
        var unit = SyncUnit(table, mode)
        unit.startedAt = known.startedAt
        return unit
    }

    private func pass(over member: Member, on lane: PolledLane) async throws {
        let name = member.table.name
        working.insert(name)
        looked.insert(name)
        let isWanted = wanted.remove(name) != nil
        defer { working.remove(name) }
        do {
            try await connecting(lane) { lane in
                // Each connection has to have listed what it reads, and may find it altered.
                let (only, rules) = (TableSelection(include: [TablePattern(name.description)]), self.settings.rules)
                guard let table = try await lane.read({ try $0.tables(only, rules) }).first(where: { $0.name == name }) else {
                    return self.drop(name)
                }
                let units = try await lane.write { try $0.units() }
                var unit = Self.unit(units.first { $0.table == name }, name, member.reading.mode)
                if self.startsAnew { unit = unit.anew }
                guard self.left == nil || unit.mode != .skipCompleted || unit.state != .done else {
                    return self.end(Outcome(table: name, unit: unit))
                }
                guard let epoch = self.epoch else { return }
                var pass = PolledPass(
                    unit, of: table, member.reading, on: lane, epoch: epoch, clock: self.clock, stopFlag: self.endFlag, meter: self.meter)
                do {
                    try await pass.carryOut()
                } catch {
                    self.members[name]?.unit = pass.unit
                    throw error
                }
                self.say(pass.unit)
                self.end(Outcome(table: name, unit: pass.unit))
            }
        } catch is PassStopped {
            return
        } catch let failure as TidemarkError {
            // A database that was busy for a moment has not done what somebody asked for.
            if isWanted, failure.retry == .later || failure.retry == .moved { wanted.insert(name) }
            try await settle(failure, of: member, on: lane)
        }
    }

    /// Of a table that was dropped since it was looked for.
    private func drop(_ table: TableName) {
        (members[table], listedAt) = (nil, nil)
        left?.remove(table)
    }

    private func end(_ outcome: Outcome) {
        members[outcome.table]?.unit = outcome.unit
        guard left != nil else { return }
        left?.remove(outcome.table)
        outcomes.append(outcome)
    }

    private func say(_ unit: SyncUnit) {
        let level: Logger.Level = unit.rowsWritten + unit.rowsDeleted > 0 ? .info : .debug
        log.log(level: level, "read table \(unit.table) (\(unit.mode.rawValue)): \(Amount.text(unit.rowsDone, "row")), \(unit.rowsWritten) written, \(unit.rowsDeleted) deleted")
    }

    // MARK: Failures

    /// What becomes of a table that failed: by its own strategy, where it is not the databases that are away.
    private func settle(_ failure: TidemarkError, of member: Member, on lane: PolledLane) async throws {
        switch failure.retry {
        case .later, .takenOver, .paused:
            guard left != nil else { throw failure }
            end(Outcome(table: member.table.name, unit: members[member.table.name]?.unit ?? member.unit, failure: failure))
            return
        case .moved:
            // Somebody else reads the table now, and what that one has done is in the target.
            log.debug("\(failure.what): \(failure.why)")
            listedAt = nil
            guard left == nil else { return try await waitForOther(member, on: lane) }
            return await wait(ms: 1_000)
        case .staged, .unlessMoved, .never: break
        }
        var named = failure
        (named.table, named.pipeline) = (failure.table ?? member.table.name, failure.pipeline ?? settings.name)
        let failed = (members[member.table.name]?.unit ?? member.unit).failed(named)
        members[member.table.name]?.unit = failed
        if let epoch { try? await lane.write { try $0.save(failed, epoch: epoch) } }
        end(Outcome(table: member.table.name, unit: failed, failure: named))
        figures.fail(named)
        guard left == nil else {
            if member.reading.onError == .stop { left = [] }
            return
        }
        guard member.reading.onError != .stop else { throw named }
        log.error("\(named)")
    }
}

extension PolledTables {
    /// A pass that is not seen to get on for so long is one of a process that died.
    private static let otherWaitMs = 60_000

    /// What another process reads now is younger than what was asked for: its end is this pass's, too.
    private func waitForOther(_ member: Member, on lane: PolledLane) async throws {
        let name = member.table.name
        var (seen, waitedMs) = (SyncUnit?.none, 0)
        while !isEnding, waitedMs < Self.otherWaitMs {
            await clock.wait(Self.waitMaxMs)
            waitedMs += Self.waitMaxMs
            guard let unit = try await lane.write({ try $0.units() }).first(where: { $0.table == name }), unit.state == .running else { break }
            if unit != seen { (seen, waitedMs) = (unit, 0) }
        }
        let now = try await lane.write { try $0.units() }.first { $0.table == name }
        // Otherwise it is still left, and read again.
        if let now, now.state == .done { end(Outcome(table: name, unit: now)) }
    }
}

extension SyncUnit {
    /// From the first row on.
    fileprivate var anew: SyncUnit {
        var unit = SyncUnit(table, mode)
        (unit.startedAt, unit.finishedAt) = (startedAt, finishedAt)
        return unit
    }
}
