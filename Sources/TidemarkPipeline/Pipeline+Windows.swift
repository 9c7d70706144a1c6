import Logging
import TidemarkBlocking
import TidemarkCore

extension Pipeline {
    /// Applies windows until there are no more, or up to a snapshot that somebody holds.
    /// - Parameters:
    ///   - isWaiting: looks for a while where there is nothing yet, and for the next windows while the last one is applied.
    ///   - isStoppable: may it end after any window once the pipeline is stopped? Not where somebody waits for that snapshot.
    func applyBacklog(
        after start: Cursor, upTo end: Snapshot? = nil, isWaiting: Bool = false, isStoppable: Bool? = nil
    ) async throws -> Cursor {
        let isStoppable = isStoppable ?? (end == nil)
        var cursor = start
        let idle = Backoff(
            fromMs: settings.idleWaitMinMs, toMs: settings.idleWaitMaxMs, totalMs: isWaiting ? settings.idleLooksMs : 0)
        let look = takeLook(after: start, taking: taken, upTo: end) ?? Look(at: self, after: start, taking: taken, upTo: end, idle: idle)
        let (windows, tables, selection) = try await look.found()
        self.selection = selection
        if !windows.isEmpty { try await learnCopies(of: tables) }
        let streamed = tables.filter { table in
            selection.takes(table.name) && copies[table.name]?.isStreamed(keyed: !table.keyColumns.isEmpty) ?? true
        }
        let byCapture = Dictionary(uniqueKeysWithValues: streamed.map { ($0.capture, shared($0)) })
        // The next window is read while this one is applied and committed, one page of it at a time.
        var ahead: PageSlots<ChangePage>?
        for (place, window) in windows.map(ownNumbers).enumerated() where !stopping || !isStoppable {
            let pages = ahead ?? startReading(window, byCapture)
            ahead = place + 1 < windows.count ? startReading(windows[place + 1], byCapture) : nil
            if isWaiting, place + 1 == windows.count {
                keepLook(Look(at: self, after: cursor.moved(over: window), taking: taken, upTo: end, idle: idle))
            }
            do {
                cursor = try await applyInSomeOrder(window, pages, tables: byCapture, moving: cursor, abandoning: &ahead)
            } catch let failure as TidemarkError where maySetAside(failure) {
                ahead?.abandon()
                ahead = nil
                cursor = try await applySettingAside(window, tables: byCapture, moving: cursor, after: failure)
            } catch {
                ahead?.abandon()
                throw error
            }
            progress.windows += 1
            progress.cursor = cursor
            acknowledgeIfAwaited(cursor)
            await confirmBeside(cursor)
        }
        ahead?.abandon()
        return cursor
    }

    /// Page by page; or as a whole, where a page does not fit by itself.
    private func applyInSomeOrder(
        _ window: Window, _ pages: PageSlots<ChangePage>, tables: [Int32: CapturedTable], moving cursor: Cursor,
        abandoning ahead: inout PageSlots<ChangePage>?
    ) async throws -> Cursor {
        do {
            return try await apply(window, pages, tables: tables, moving: cursor, order: .paged)
        } catch let failure as TidemarkError where failure.retry == .staged {
            log.debug("staging a window: \(failure.why)")
            ahead?.abandon()
            ahead = nil
            return try await apply(window, startReading(window, tables), tables: tables, moving: cursor, order: .staged)
        }
    }

    /// - Parameter keepingEveryChange: with the transaction of each.
    func startReading(_ window: Window, _ tables: [Int32: CapturedTable], keepingEveryChange: Bool = false) -> PageSlots<ChangePage> {
        let slots = PageSlots<ChangePage>()
        let captures = tables.keys.sorted()
        let shared = Set(tables.values.filter { $0.conflicts != nil }.map(\.capture))
        sourceThread.submit { source in
            do {
                try source?.keepBefore(of: shared)
                if keepingEveryChange { source?.keepEveryChange(true) }
                defer { if keepingEveryChange { source?.keepEveryChange(false) } }
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

    func apply(
        _ window: Window, _ pages: PageSlots<ChangePage>, tables: [Int32: CapturedTable], moving cursor: Cursor,
        order: ApplyOrder, parking plan: ParkingPlan = ParkingPlan()
    ) async throws -> Cursor {
        let begun = clock.now
        let (scope, awaited) = (parked, awaited(tables))
        let (moved, changes, bytes, held, isAwaited) = try await targetThread.run { target in
            defer { pages.abandon() }
            guard let target else { throw CancellationError() }
            var (changes, bytes, isAwaited) = (0, 0, false)
            var split = WindowSplit(scope, plan, tables: tables)
            let moved = try target.apply(window, tables: tables, moving: cursor, order: order, parking: plan.faults) {
                guard let page = try pages.next() else { return nil }
                isAwaited = isAwaited || !awaited.isEmpty && page.changes.contains { awaited.contains($0.capture) }
                let part = split.split(page)
                changes += part.applied.changes.count
                bytes += part.applied.bytes.count
                return part
            }
            return (moved, changes, bytes, split.holdsMore ? try target.parkedScope() : nil, isAwaited)
        }
        heldAwaited = heldAwaited || isAwaited
        if let held { parked = held }
        figures.apply(to: moved, changes: changes, bytes: bytes, seconds: (clock.now - begun) / .seconds(1))
        progress.changes += changes
        settings.onEvent?(.applied(changes: changes, through: moved.lastID))
        return moved
    }
}
