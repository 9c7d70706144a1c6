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
        let byCapture = Dictionary(uniqueKeysWithValues: streamed.map { ($0.capture, $0) })
        // The next window is read while this one is applied and committed, one page of it at a time.
        var ahead: PageSlots<ChangePage>?
        for (place, window) in windows.enumerated() where !stopping || !isStoppable {
            let pages = ahead ?? startReading(window, byCapture)
            ahead = place + 1 < windows.count ? startReading(windows[place + 1], byCapture) : nil
            if isWaiting, place + 1 == windows.count {
                keepLook(Look(at: self, after: cursor.moved(over: window), taking: taken, upTo: end, idle: idle))
            }
            do {
                cursor = try await apply(window, pages, tables: byCapture, moving: cursor, order: .paged)
            } catch let failure as TidemarkError where failure.retry == .staged {
                log.debug("staging a window: \(failure.why)")
                ahead?.abandon()
                ahead = nil
                cursor = try await apply(
                    window, startReading(window, byCapture), tables: byCapture, moving: cursor, order: .staged)
            } catch {
                ahead?.abandon()
                throw error
            }
            progress.windows += 1
            progress.cursor = cursor
            await confirmBeside(cursor)
        }
        ahead?.abandon()
        return cursor
    }

    private func startReading(_ window: Window, _ tables: [Int32: CapturedTable]) -> PageSlots<ChangePage> {
        let slots = PageSlots<ChangePage>()
        let captures = tables.keys.sorted()
        sourceThread.submit { source in
            do {
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

    private func apply(
        _ window: Window, _ pages: PageSlots<ChangePage>, tables: [Int32: CapturedTable], moving cursor: Cursor,
        order: ApplyOrder
    ) async throws -> Cursor {
        let begun = clock.now
        let (moved, changes, bytes) = try await targetThread.run { target in
            defer { pages.abandon() }
            guard let target else { throw CancellationError() }
            var (changes, bytes) = (0, 0)
            let moved = try target.apply(window, tables: tables, moving: cursor, order: order) {
                let page = try pages.next()
                changes += page?.changes.count ?? 0
                bytes += page?.bytes.count ?? 0
                return page
            }
            return (moved, changes, bytes)
        }
        figures.apply(to: moved, changes: changes, bytes: bytes, seconds: (clock.now - begun) / .seconds(1))
        progress.changes += changes
        settings.onEvent?(.applied(changes: changes, through: moved.lastID))
        return moved
    }
}
