import TidemarkCore

/// Both sides at one place: the source is held, and the target has everything that is visible there, and
/// nothing else.
struct Standstill: Sendable {
    let position: HeldPosition
    let cursor: Cursor

    /// The generation of capture that a table has there; nil where it is not captured any more.
    func table(_ name: TableName) -> CapturedTable? {
        position.tables.last { $0.name == name && !$0.isRetired }
    }
}

extension Pipeline {
    /// How often another process may be faster before it is said to be in the way.
    private static let attemptsMax = 200

    /// As many tables as one round locks.
    static let tablesPerRound = 64

    /// Holds the source, brings the target to that place, and lets both go when `body` is done with them.
    func atStandstill<T>(
        on tables: [TableName], after start: Cursor, _ body: (Standstill) async throws -> T
    ) async throws -> T {
        let standstill = try await standStill(on: tables, after: start)
        return try await releasing { try await body(standstill) }
    }

    /// The same with the target's rows held there, too, on as many lanes as can see both.
    func atStandstillOnBothSides<T>(
        on tables: [TableName], after start: Cursor, _ body: (Standstill, [RowLane]) async throws -> T
    ) async throws -> T {
        let (standstill, lanes) = try await standStillOnBothSides(tables, after: start)
        return try await releasing { try await body(standstill, lanes) }
    }

    private func releasing<T>(_ body: () async throws -> T) async throws -> T {
        do {
            let result = try await body()
            await releaseLanes()
            return result
        } catch {
            await releaseLanes()
            throw error
        }
    }

    private func releaseLanes() async { for lane in lanes { await lane.release() } }

    /// Beside a worker that runs, both processes move one cursor, whoever comes first. The first lane's reader holds.
    private func standStill(on tables: [TableName], after start: Cursor) async throws -> Standstill {
        var cursor = holdsPipeline ? start : try await reload()
        for _ in 0..<Self.attemptsMax where !stopping {
            let position = try await lane(0).read { try $0.hold(tables) }
            if cursor.snapshot.isContained(in: position.snapshot) {
                let known = cursor
                let reached = try await besideOthers(at: known) { try await self.applyBacklog(after: known, upTo: position.snapshot) }
                if let reached, reached.snapshot == position.snapshot {
                    return Standstill(position: position, cursor: reached)
                }
            }
            await lane(0).release()
            cursor = try await reload()
        }
        throw stopping ? Self.wasStopped(at: cursor) : TidemarkError(
            "source and target cannot be brought to one place", pipeline: settings.name,
            why: "another worker moved the cursor \(Self.attemptsMax) times meanwhile",
            remedy: "Type the command again when less is written, or stop the worker for as long as it takes.")
    }

    /// Both sides at one place, on as many lanes as can see it.
    private func standStillOnBothSides(_ names: [TableName], after start: Cursor) async throws -> (Standstill, [RowLane]) {
        var cursor = start
        while true {
            let standstill = try await standStill(on: names, after: cursor)
            let tables = names.compactMap { standstill.table($0) }
            do {
                let readersMax = try await lane(0).read { $0.readersMax }
                var lanes: [RowLane] = []
                for index in 0..<max(1, min(settings.jobs, readersMax)) {
                    let held: Void? = try await catchingUp {
                        if index > 0 { try await self.lane(index).read { try $0.join(standstill.position) } }
                        try await self.lane(index).compare { try $0.hold(tables, at: standstill.cursor) }
                    }
                    // Another process may move on before the last lane has looked: then it goes with fewer.
                    guard held != nil else { break }
                    lanes.append(lane(index))
                }
                if !lanes.isEmpty { return (standstill, lanes) }
            } catch {
                await lane(0).release()
                throw error
            }
            await lane(0).release()
            cursor = try await reload()
        }
    }

    /// Where another process has moved on and the log behind it is pruned, this one finds that gone which it looks for.
    /// - Returns: nil where the cursor has moved meanwhile.
    func besideOthers<T>(at cursor: Cursor, _ body: () async throws -> T) async throws -> T? {
        do {
            return try await catchingUp(body)
        } catch let failure as TidemarkError where failure.retry == .unlessMoved {
            let own = progress.cursor ?? cursor
            guard let now = try? await reload(), !now.isAt(own), now.epoch == own.epoch || !holdsPipeline else { throw failure }
            return nil
        }
    }

    /// A step from one place of the cursor to another; where another process was faster, the place that it has come to.
    func advancing(from known: Cursor, _ step: () async throws -> Cursor) async throws -> Cursor {
        if let reached = try await besideOthers(at: known, step) { return reached }
        return try await reload()
    }

    /// Writes something that wants the cursor's epoch, whoever holds the pipeline meanwhile.
    func retrying(at start: Cursor, _ body: @escaping @Sendable (Cursor, any RowTarget) throws -> Void) async throws {
        var cursor = start
        while true {
            let known = cursor
            let done: Void? = try await catchingUp { try await self.lane(0).load { try body(known, $0) } }
            if done != nil { return }
            cursor = try await reload()
        }
    }

    func lane(_ index: Int) -> RowLane {
        while lanes.count <= index { lanes.append(RowLane(connections)) }
        return lanes[index]
    }
}
