import TidemarkCore

/// Which part of which table is next, and how far each table has come without a hole. Pure.
///
/// Where a part ends is not known before it is asked for, so that each table is split by one lane at a
/// time, and worked on by all.
struct PartDispenser<Outcome: Sendable>: Sendable {
    /// A part that somebody works on.
    struct Assignment: Sendable {
        var part: TablePart
        var place: Int
    }

    /// What a table has come to: its parts from the first on, up to the first that is missing.
    struct Reached: Sendable {
        var table: CapturedTable
        var outcomes: [Outcome]
        /// The key up to which it is done; nil before the first part, and at the end.
        var through: String?
        var isDone: Bool
    }

    private struct Progress {
        var all: TablePart
        /// Nil takes all in one part.
        var rowsPerPart: Int?
        var after: String?
        var isHandedOut = false
        var isBeingSplit = false
        var parts: [(through: String?, outcome: Outcome?)] = []
    }

    private var tables: [Progress] = []

    mutating func add(_ all: TablePart, rowsPerPart: Int?) {
        tables.append(Progress(all: all, rowsPerPart: rowsPerPart, after: all.after))
    }

    var isSplitting: Bool { tables.contains(where: \.isBeingSplit) }

    /// The rest of a table, of which the next part is to be split off, with about so many rows.
    mutating func rest() -> (part: TablePart, rows: Int?)? {
        guard let index = tables.firstIndex(where: { !$0.isHandedOut && !$0.isBeingSplit }) else { return nil }
        tables[index].isBeingSplit = true
        var rest = tables[index].all
        rest.after = tables[index].after
        return (rest, tables[index].rowsPerPart)
    }

    /// - Parameter end: where the part ends; nil takes all that is left.
    mutating func split(_ rest: TablePart, at end: String?) -> Assignment? {
        guard let index = index(of: rest) else { return nil }
        var part = rest
        if let end { part.through = end }
        tables[index].isBeingSplit = false
        tables[index].isHandedOut = end == nil
        tables[index].after = end
        tables[index].parts.append((end, nil))
        return Assignment(part: part, place: tables[index].parts.count - 1)
    }

    mutating func finish(_ assignment: Assignment, _ outcome: Outcome) {
        guard let index = index(of: assignment.part) else { return }
        tables[index].parts[assignment.place].outcome = outcome
    }

    var reached: [Reached] {
        tables.map { table in
            let done = table.parts.prefix { $0.outcome != nil }
            return Reached(
                table: table.all.table, outcomes: done.compactMap(\.outcome),
                through: done.isEmpty ? table.all.after : done.last?.through,
                isDone: table.isHandedOut && done.count == table.parts.count)
        }
    }

    private func index(of part: TablePart) -> Int? { tables.firstIndex { $0.all.table.name == part.table.name } }
}

/// Hands the parts of a round out to its lanes.
actor PartRound<Outcome: Sendable> {
    private var dispenser: PartDispenser<Outcome>
    private var isClosed = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    init(_ dispenser: PartDispenser<Outcome>) { self.dispenser = dispenser }

    var reached: [PartDispenser<Outcome>.Reached] { dispenser.reached }

    /// - Parameter splitting: finds the key so many rows into a part.
    func next(
        splitting: @Sendable (TablePart, Int) async throws -> String?
    ) async throws -> PartDispenser<Outcome>.Assignment? {
        while !isClosed {
            if let (rest, rows) = dispenser.rest() {
                var end: String?
                if let rows { end = try await splitting(rest, rows) }
                defer { wake() }
                return dispenser.split(rest, at: end)
            }
            guard dispenser.isSplitting else { return nil }
            // Another lane is looking for the end of its part: behind it there may be one for this lane.
            await withCheckedContinuation { waiting.append($0) }
        }
        return nil
    }

    /// - Returns: what the part's table has come to.
    func finish(_ assignment: PartDispenser<Outcome>.Assignment, _ outcome: Outcome) -> PartDispenser<Outcome>.Reached? {
        dispenser.finish(assignment, outcome)
        return dispenser.reached.first { $0.table.name == assignment.part.table.name }
    }

    /// No more parts are handed out.
    func close() {
        isClosed = true
        wake()
    }

    private func wake() {
        waiting.forEach { $0.resume() }
        waiting = []
    }
}

extension Pipeline {
    /// Works on the parts of a round, on several lanes, until there are none left, time is over, or somebody
    /// on the source waits for what is held.
    /// - Parameter note: called after each part, with what its table has come to.
    /// - Returns: what each table has come to, and what went wrong; what was done before that is done.
    func work<Outcome: Sendable>(
        on dispenser: PartDispenser<Outcome>, lanes: [RowLane], forMs timeMs: Int,
        _ body: @escaping @Sendable (TablePart, RowLane, PartRound<Outcome>) async throws -> Outcome,
        noting note: @escaping @Sendable (PartDispenser<Outcome>.Reached, RowLane) async throws -> Void = { _, _ in }
    ) async -> (reached: [PartDispenser<Outcome>.Reached], failure: (any Error)?) {
        let round = PartRound(dispenser)
        let deadline = ContinuousClock.now + .milliseconds(timeMs)
        let stopFlag = stopFlag
        var failure: (any Error)?
        await withTaskGroup(of: (any Error)?.self) { group in
            for lane in lanes {
                group.addTask {
                    do {
                        while !stopFlag.isRaised, ContinuousClock.now < deadline {
                            if try await lane.read({ try $0.isInTheWay() }) { break }
                            let assignment = try await round.next { part, rows in
                                try await lane.read { try $0.key(in: part, afterRows: rows) }
                            }
                            guard let assignment else { return nil }
                            let reached = await round.finish(assignment, try await body(assignment.part, lane, round))
                            if let reached { try await note(reached, lane) }
                        }
                        await round.close()
                        return nil
                    } catch {
                        await round.close()
                        return error
                    }
                }
            }
            for await ended in group { failure = failure ?? ended }
        }
        return (await round.reached, failure)
    }
}
