import Logging
import TidemarkBlocking
import TidemarkCore

extension Pipeline {
    /// Copies for a few seconds: everything read in a round is from one position, at which the cursor
    /// stands until the round is over. Then the stream goes on, and the next round is at the next position.
    ///
    /// So no snapshot is held for long, and what is killed goes on at the last round.
    func copyRound(after start: Cursor) async throws -> Cursor {
        guard copiesLeft.contains(where: { $0.state != .done }) else { return try await finishCopies(copiesLeft, at: start) }
        let names = copiesLeft.filter { $0.state != .done }.prefix(Self.tablesPerRound).map(\.table)
        let cursor = try await atStandstill(on: Array(names), after: start) { standstill in
            // Capture may have left some of them, and another process may have copied some, meanwhile.
            try await self.learnCopies(of: standstill.position.tables)
            try await self.advanceSequences()
            return try await self.copy(self.copiesLeft.filter { $0.state != .done && names.contains($0.table) }, at: standstill)
        }
        progress.cursor = cursor
        return cursor
    }

    /// Before the rows that are copied, which have drawn from them: there may be no window that does it.
    private func advanceSequences() async throws {
        guard !settings.rules.isShared else { return }
        let selection = selection
        let sequences = try await sourceThread.run { try $0?.sequences(selection) ?? [] }
        try await targetThread.run { try $0?.advance(sequences) }
    }

    private func copy(_ left: [TableCopy], at standstill: Standstill) async throws -> Cursor {
        let held = left.compactMap { standstill.table($0.table) }
        let (groups, whole) = try await lane(0).load { try $0.loadingOrder(held) }
        guard let group = groups.first(where: { !$0.isEmpty }), let leading = group.first else { return standstill.cursor }
        func isAtOneMoment(_ table: CapturedTable) -> Bool { table.keyColumns.isEmpty || whole.contains(table.name) }
        // Alone, since it changes what the stream takes in the middle of the round.
        if let alone = group.first(where: isAtOneMoment), group.allSatisfy(isAtOneMoment) || alone == leading {
            return try await copyAtOneMoment(alone, at: standstill)
        }
        return try await copyParts(of: group.filter { !isAtOneMoment($0) }, at: standstill)
    }

    /// A table whose rows have no key, or refer to each other: in one transaction, and left out of the stream until then.
    private func copyAtOneMoment(_ table: CapturedTable, at standstill: Standstill) async throws -> Cursor {
        guard var copy = copies[table.name] else { return standstill.cursor }
        guard copy.existing != .merge || !table.keyColumns.isEmpty else { throw Self.cannotMerge(table.name, settings.name) }
        let size = try await lane(0).read { try $0.size(of: table) }
        (copy.rows, copy.bytes, copy.expectedRows) = (0, 0, size.rows)
        meter.begin(table.name, rows: 0, bytes: 0, expectedRows: size.rows)
        copy.state = .done
        copy.capture = Self.completeFrom(table, copy)
        copy.shape = settings.rules.shape(of: table.name)
        let loaded = try await load(TablePart(table), through: lane(0), at: standstill.cursor, saving: copy)
        copy.rows += loaded.rows
        copy.bytes += loaded.bytes
        know(copy)
        if copy.existing != .merge { parked.release(table.name) }
        end(copy)
        var cursor = standstill.cursor
        cursor.revision += 1
        return cursor
    }

    /// The generation of capture from which on nothing passes the copy unseen. What is merged may keep rows that
    /// the source has not.
    private static func completeFrom(_ table: CapturedTable, _ copy: TableCopy) -> Int32 {
        copy.existing == .merge ? 0 : table.capture
    }

    /// Parts of several tables, on as many lanes as there may be.
    private func copyParts(of tables: [CapturedTable], at standstill: Standstill) async throws -> Cursor {
        var cursor = standstill.cursor
        var dispenser = PartDispenser<LoadedRows>()
        let (readersMax, holdMaxMs) = try await lane(0).read { ($0.readersMax, $0.holdMaxMs) }
        for table in tables {
            guard var copy = copies[table.name] else { continue }
            let size = try await lane(0).read { try $0.size(of: table) }
            copy.expectedRows = max(size.rows, copy.rows)
            if copy.state == .waiting {
                copy.state = .copying
                copy.capture = Self.completeFrom(table, copy)
                copy.shape = settings.rules.shape(of: table.name)
                let beginning = copy
                try await lane(0).load { [cursor] in try $0.begin(beginning, of: table, at: cursor) }
                cursor.revision += 1
                if beginning.existing != .merge { parked.release(table.name) }
            }
            know(copy)
            meter.begin(table.name, rows: copy.rows, bytes: copy.bytes, expectedRows: copy.expectedRows)
            dispenser.add(TablePart(table, after: copy.copiedThrough), rowsPerPart: rowsPerPart(of: size, holdMaxMs: holdMaxMs))
        }
        let loadersMax = try await lane(0).load { $0.loadersMax }
        let lanes = try await joined(max(1, min(settings.jobs, readersMax, loadersMax)), to: standstill.position)
        let (fixed, before) = (cursor, copies)
        let (_, failure) = await work(on: dispenser, lanes: lanes, forMs: holdMaxMs, { part, lane, _ in
            try await self.load(part, through: lane, at: fixed, saving: nil)
        }, noting: { reached, lane in
            try await self.save(reached, since: before, through: lane, at: fixed)
        })
        if let failure { throw failure }
        return cursor
    }

    /// Notes how far a table has come without a hole: what is killed goes on there.
    private func save(
        _ reached: PartDispenser<LoadedRows>.Reached, since before: [TableName: TableCopy], through lane: RowLane, at cursor: Cursor
    ) async throws {
        guard !reached.outcomes.isEmpty, var copy = before[reached.table.name] else { return }
        for loaded in reached.outcomes {
            copy.rows += loaded.rows
            copy.bytes += loaded.bytes
        }
        copy.copiedThrough = reached.through
        if reached.isDone { copy.state = .done }
        // Another lane may have come further meanwhile.
        guard let known = copies[copy.table], known.state != .done, known.rows <= copy.rows else { return }
        know(copy)
        let saved = copy
        try await lane.load { try $0.save(saved, at: cursor, changesStream: false) }
        if reached.isDone { end(copy) }
    }

    /// Where writers of the source wait for readers, parts are so small that they hardly feel one.
    static func shrinking(forMs holdMaxMs: Int) -> Int64 { holdMaxMs < 1000 ? 32 : 1 }

    /// The first lane, which holds the position, and others that see the same.
    func joined(_ count: Int, to position: HeldPosition) async throws -> [RowLane] {
        for index in 1..<max(1, count) { try await lane(index).read { try $0.join(position) } }
        return (0..<count).map { lane($0) }
    }

    /// Is a table, or what is left of it, so small that it is not worth looking for an end within it?
    static func fitsOnePart(_ size: TableSize, of rowsPerPart: Int64) -> Bool { size.rows < rowsPerPart * 3 / 2 }

    /// Nil for a table that is taken at once.
    func rowsPerPart(of size: TableSize, holdMaxMs: Int) -> Int? {
        let perRow = max(1, size.bytes / max(1, size.rows))
        let bytes = settings.partBytes / Self.shrinking(forMs: holdMaxMs)
        let rows = min(settings.partRows.upperBound, max(settings.partRows.lowerBound, bytes / perRow))
        return Self.fitsOnePart(size, of: rows) ? nil : Int(rows)
    }

    /// Moves the rows of a part: in the engine's own form where both sides speak it and nothing is in the
    /// way, else as the stream's changes.
    func load(
        _ part: TablePart, through lane: RowLane, at cursor: Cursor, saving copy: TableCopy?, asChanges: Bool = false
    ) async throws -> LoadedRows {
        let engine = connections.sourceEngine
        let form = asChanges ? .changes : try await lane.load { try $0.form(of: part.table, from: engine) }
        do {
            return try await load(part, as: form, order: .paged, through: lane, at: cursor, saving: copy)
        } catch is RowsExist {
            return try await load(part, through: lane, at: cursor, saving: copy, asChanges: true)
        } catch let failure as TidemarkError where failure.retry == .staged {
            return try await load(part, as: .changes, order: .staged, through: lane, at: cursor, saving: copy)
        }
    }

    private func load(
        _ part: TablePart, as form: RowForm, order: ApplyOrder, through lane: RowLane, at cursor: Cursor,
        saving copy: TableCopy?
    ) async throws -> LoadedRows {
        let slots = lane.startReading(part, as: form)
        let (meter, stopFlag, table, start) = (meter, stopFlag, part.table, progress.cursor ?? cursor)
        return try await lane.load { target in
            var loaded = LoadedRows()
            defer { slots.abandon() }
            do {
                _ = try target.load(table, as: form, order: order, at: cursor, saving: copy) {
                    if stopFlag.isRaised { throw Self.wasStopped(at: start) }
                    guard let page = try slots.next() else { return nil }
                    loaded.rows += Int64(page.rowCount)
                    loaded.bytes += Int64(page.byteCount)
                    meter.add(table.name, rows: Int64(page.rowCount), bytes: Int64(page.byteCount))
                    return page
                }
            } catch {
                meter.add(table.name, rows: -loaded.rows, bytes: -loaded.bytes)
                guard var failure = error as? TidemarkError else { throw error }
                // It was read from the table: no change of the log is about it.
                failure.changeID = nil
                throw failure
            }
            return loaded
        }
    }

    // MARK: The end

    private func end(_ copy: TableCopy) {
        meter.finish(copy.table)
        justCopied.insert(copy.table)
        log.info("copied table \(copy.table): \(Amount.text(copy.rows, "row"))")
        settings.onEvent?(.copied(copy.table, rows: copy.rows))
    }

    /// Runs what waited for the rows: each table's indexes, then foreign keys, which want all tables.
    private func finishCopies(_ left: [TableCopy], at cursor: Cursor) async throws -> Cursor {
        for part in [\TableCopy.statementsAfter, \TableCopy.statementsLast] {
            for table in left.map(\.table) {
                guard var copy = copies[table], !copy[keyPath: part].isEmpty else { continue }
                let statements = copy[keyPath: part]
                for statement in statements { log.info("after the copy: \(statement)") }
                try await lane(0).load { try $0.finish(table, running: statements, at: cursor) }
                copy[keyPath: part] = []
                let finished = copy
                try await lane(0).load { try $0.save(finished, at: cursor, changesStream: false) }
                know(copy)
            }
        }
        return cursor
    }
}

/// What one load has moved.
struct LoadedRows: Sendable {
    var rows = Int64(0)
    var bytes = Int64(0)
}
