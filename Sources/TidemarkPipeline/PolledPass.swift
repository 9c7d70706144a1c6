import TidemarkBlocking
import TidemarkCore

/// One pass over one table, on one lane.
struct PolledPass: Sendable {
    let table: CapturedTable
    let reading: PolledReading
    let lane: PolledLane
    let epoch: Int64
    let clock: SyncClock
    let stopFlag: StopFlag
    let meter: CopyMeter
    /// As it was begun, and as it is now: what is in the target is in it.
    private(set) var unit: SyncUnit
    private let isResumed: Bool
    /// For so long a pass by marks waits for transactions that are open at the source, before it reads beside them.
    private static let settleMs = 1_000
    private static let settleLookMs = 50

    init(
        _ unit: SyncUnit, of table: CapturedTable, _ reading: PolledReading, on lane: PolledLane, epoch: Int64, clock: SyncClock,
        stopFlag: StopFlag, meter: CopyMeter
    ) {
        (self.table, self.reading, self.lane, self.epoch) = (table, reading, lane, epoch)
        (self.clock, self.stopFlag, self.meter) = (clock, stopFlag, meter)
        isResumed = unit.state == .running
        self.unit = unit.beginning(at: clock.now())
    }

    /// Comes to the table's end. What is thrown leaves behind what `unit` says.
    mutating func carryOut() async throws {
        let clock = clock
        do {
            switch reading.mode {
            case .full, .realtime: try await readWhole()
            case .skipCompleted: try await readByKey { $0.finished(at: clock.now()) }
            case .incremental: try await readByMark()
            }
            await lane.release()
        } catch {
            await lane.release()
            throw error
        }
        if unit.state != .done { try await save(unit.finished(at: clock.now())) }
        meter.finish(table.name)
    }

    private func checkStop() throws {
        if stopFlag.isRaised { throw PassStopped() }
    }

    private mutating func save(_ next: SyncUnit) async throws {
        let epoch = epoch
        try await lane.write { try $0.save(next, epoch: epoch) }
        unit = next
    }

    /// What is read from now on is of one moment.
    private func hold() async throws {
        let name = table.name
        try await lane.read { source in
            source.release()
            try source.hold([name])
        }
    }

    /// Says that the pass is under way, and how much there is to do.
    private mutating func begin(counting: Bool) async throws {
        if counting {
            let table = table
            unit.rowsTotal = max(try await lane.read { try $0.size(of: table) }.rows, unit.rowsDone)
        } else {
            unit.rowsTotal = 0
        }
        meter.begin(table.name, rows: unit.rowsDone, bytes: 0, expectedRows: unit.rowsTotal)
        try await save(unit)
    }

    // MARK: Whole tables

    /// In one transaction of each side.
    private mutating func readWhole() async throws {
        try await hold()
        try await begin(counting: true)
        try await replaceAll()
    }

    private mutating func replaceAll() async throws {
        let table = table
        let slots = lane.startReading { source, receive in try source.read(TablePart(table), receive) }
        try await write(unit, slots.next, abandoning: slots.abandon) { target, unit, epoch, next in
            try target.replace(unit, of: table, epoch: epoch, nextPage: next)
        }
    }

    // MARK: By key

    /// In parts, each of a moment of its own; one that is in the target is not read again, whatever happens.
    /// - Parameter ending: the unit with the last part.
    private mutating func readByKey(_ ending: @Sendable (SyncUnit) -> SyncUnit) async throws {
        try await begin(counting: true)
        // Rows without a key would come twice.
        guard !table.keyColumns.isEmpty else {
            try await hold()
            try await replaceAll()
            return try await save(ending(unit))
        }
        let (table, rows) = (table, reading.batchRows)
        var isAtEnd = false
        while !isAtEnd {
            try checkStop()
            try await hold()
            let rest = TablePart(table, after: unit.doneThrough)
            let end = try await lane.read { try $0.key(in: rest, afterRows: rows) }
            let part = TablePart(table, after: rest.after, through: end)
            var next = unit
            next.doneThrough = end
            isAtEnd = end == nil
            let slots = lane.startReading { source, receive in try source.read(part, receive) }
            try await write(isAtEnd ? ending(next) : next, slots.next, abandoning: slots.abandon) { target, unit, epoch, next in
                try target.apply(unit, of: table, epoch: epoch, nextPage: next)
            }
        }
    }

    // MARK: By mark

    private mutating func readByMark() async throws {
        guard let incremental = reading.incremental else { throw Self.needsColumn(table.name) }
        guard !table.keyColumns.isEmpty else { throw Self.needsKey(table.name) }
        // What was read before the pass was interrupted is as old as that: it is read to its end, and then looked at once more.
        if isResumed, unit.doneThrough != nil {
            var marks = MarkKeeping(unit)
            marks.resume()
            try await readByKey(noting: marks)
        }
        unit.doneThrough = nil
        var marks = MarkKeeping(unit)
        try await settle(&marks, incremental)
        unit = marks.noted(in: unit)
        if unit.mark == nil, incremental.start == nil, incremental.condition == nil {
            try await readByKey(noting: marks)
        } else {
            try await begin(counting: false)
            for range in marks.ranges { try await read(range, incremental) }
            marks.finish()
            unit = marks.noted(in: unit)
        }
        if unit.deletesAreDue(incremental, now: clock.now()) { try await removeDeleted() }
    }

    /// All rows, whatever their marks; at their end those count.
    private mutating func readByKey(noting marks: MarkKeeping) async throws {
        try await readByKey { unit in
            var marks = marks
            marks.finish()
            return marks.noted(in: unit)
        }
    }

    /// Finds up to where the pass reads, and waits a little for what is open at the source.
    private func settle(_ marks: inout MarkKeeping, _ incremental: IncrementalReading) async throws {
        let table = table
        let seen = try await lane.read { try $0.reach(of: table, by: incremental) }
        marks.begin(seen.mark, horizon: seen.horizon)
        guard let awaited = marks.awaited else { return marks.settle(true) }
        var waitedMs = 0
        while true {
            try checkStop()
            let isPast = try await lane.read { try $0.isPast(awaited) }
            guard !isPast, waitedMs < Self.settleMs else { return marks.settle(isPast) }
            await clock.wait(Self.settleLookMs)
            waitedMs += Self.settleLookMs
        }
    }

    private mutating func read(_ range: (after: ChangeMark?, through: ChangeMark), _ incremental: IncrementalReading) async throws {
        try await hold()
        let (table, after, through) = (table, range.after, range.through)
        let slots = lane.startReading { source, receive in try source.read(table, by: incremental, after: after, through: through, receive) }
        let batches = PageBatches(slots, of: reading.batchRows)
        defer { batches.abandon() }
        while try await lane.write({ _ in try batches.begin() }) {
            try checkStop()
            try await write(unit, batches.next, abandoning: {}) { target, unit, epoch, next in
                try target.apply(unit, of: table, epoch: epoch, nextPage: next)
            }
        }
    }

    /// Keys are compared in ranges, each of a moment that is younger than all that was written; at once where the two sides do not agree
    /// on which rows lie between two keys.
    private mutating func removeDeleted() async throws {
        let (table, rows) = (table, reading.batchRows)
        let order = try await lane.read { try $0.keyOrder(of: table) }
        let theirs = try await lane.write { try $0.keyOrder(of: table) }
        let isRanged = !order.isEmpty && theirs == order
        let begun = clock.now()
        var (after, isAtEnd) = (String?.none, false)
        while !isAtEnd {
            try checkStop()
            try await hold()
            let rest = TablePart(table, after: after)
            let end = isRanged ? try await lane.read { try $0.key(in: rest, afterRows: rows) } : nil
            let part = TablePart(table, after: after, through: end)
            let slots = lane.startReading { source, receive in try source.keys(of: part, receive) }
            try await write(unit, slots.next, abandoning: slots.abandon, counting: false) { target, unit, epoch, next in
                try target.deleteOthers(unit, in: part, epoch: epoch, keys: next)
            }
            (after, isAtEnd) = (end, end == nil)
        }
        unit.deletesAt = begun.description
    }

    private static func needsColumn(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "the table cannot be read incrementally", table: table, why: "nothing says by which column",
            remedy: "Give it mode: incremental and by: COLUMN in the --config file.")
    }

    private static func needsKey(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "the table cannot be read incrementally", table: table, why: "it has no key by which a row could be told from another",
            remedy: "Give it a key on both sides, or mode: full.")
    }

    // MARK: Writing

    /// Gives pages to the target, in one transaction of it.
    private mutating func write(
        _ next: SyncUnit, _ nextPage: @escaping @Sendable () throws -> ChangePage?, abandoning abandon: @escaping @Sendable () -> Void,
        counting: Bool = true,
        _ body: @escaping @Sendable (any PolledTarget, SyncUnit, Int64, () throws -> ChangePage?) throws -> SyncUnit
    ) async throws {
        let (epoch, stopFlag, meter, name, isWhole) = (epoch, stopFlag, meter, table.name, reading.mode == .full)
        let written = try await lane.write { target in
            defer { abandon() }
            var (rows, bytes) = (Int64(0), Int64(0))
            do {
                var saved = try body(target, next, epoch) {
                    // A batch comes to its end; a whole table would take too long.
                    if isWhole, stopFlag.isRaised { throw PassStopped() }
                    guard let page = try nextPage() else { return nil }
                    if counting {
                        rows += Int64(page.changes.count)
                        bytes += Int64(page.bytes.count)
                        meter.add(name, rows: Int64(page.changes.count), bytes: Int64(page.bytes.count))
                    }
                    return page
                }
                saved.rowsDone = max(saved.rowsDone, next.rowsDone + rows)
                return saved
            } catch {
                meter.add(name, rows: -rows, bytes: -bytes)
                throw error
            }
        }
        unit = written
    }
}

/// A pass was left where it is, since its process is to end.
struct PassStopped: Error {}
