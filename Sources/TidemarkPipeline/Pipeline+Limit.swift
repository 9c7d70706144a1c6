import Logging
import TidemarkBlocking
package import TidemarkCore

/// Where a pipeline with a limit has come to.
package struct LimitedPlace: Sendable {
    package let cursor: Cursor
    /// Where it was to end; nil where there was only a delay.
    package let until: LogPlace?
    /// When the source marked the moment that the target now shows; nil where nothing was applied.
    package let markedAt: SourceTime?
    /// Is there nothing more to come before that place?
    package let isFinal: Bool
}

/// Following a source no further than a limit: at a distance, or up to a place.
extension Pipeline {
    private static let sleepMs = 50

    var isAtLimit: Bool { settings.limit.until != nil && reached?.isFinal == true }

    /// Where `run` or `runOnce` has ended; nil for a pipeline without a limit.
    package var limitedPlace: LimitedPlace? {
        guard !settings.limit.isNone, let cursor = progress.cursor else { return nil }
        return LimitedPlace(cursor: cursor, until: limitPlace, markedAt: reached?.markedAt, isFinal: isAtLimit)
    }

    /// One step, or a wait until there may be one.
    func followWithinLimit(after start: Cursor) async throws -> Cursor {
        let cursor = try await applyWithinLimit(after: start)
        if cursor == start, !isAtLimit { try await pause(ms: settings.limit.markEveryMs) }
        return cursor
    }

    func followAtPace(after start: Cursor) async throws -> Cursor {
        let cursor = try await applyBacklog(after: start)
        try await pause(ms: settings.paceMs)
        return cursor
    }

    /// In small pieces, so that a stop is not kept waiting.
    func pause(ms: Int) async throws {
        for _ in 0..<max(1, ms / Self.sleepMs) where !stopping { try await Task.sleep(for: .milliseconds(Self.sleepMs)) }
    }

    func applyOnceWithinLimit(after start: Cursor) async throws -> Cursor {
        settings.limit.isNone ? try await applyBacklog(after: start) : try await applyWithinLimit(after: start)
    }

    private func applyWithinLimit(after start: Cursor) async throws -> Cursor {
        let limit = try await fixedLimit()
        let taken = taken
        let found = try await sourceThread.run { source in
            guard let source else { throw CancellationError() }
            // Nothing to apply, and yet the source has to be the one that the cursor is from.
            _ = try source.windows(after: start, taking: taken, upTo: start.snapshot)
            try source.mark()
            return try source.reach(after: start, within: limit)
        }
        var cursor = start
        if let end = found.end {
            cursor = try await applyBacklog(after: start, upTo: end, isStoppable: true)
            guard cursor.snapshot == end else { return cursor }
        }
        reached = StreamReach(end: found.end, markedAt: found.markedAt ?? reached?.markedAt, isFinal: found.isFinal)
        return cursor
    }

    private func fixedLimit() async throws -> StreamLimit {
        var limit = settings.limit
        if limitPlace == nil, let until = limit.until {
            limitPlace = until.fixed(at: try await sourceThread.run { source in
                guard let source else { throw CancellationError() }
                return try source.now()
            })
        }
        limit.until = limitPlace
        return limit
    }

    /// A copy reads its rows as they are now, and takes the whole target there.
    func checkLimitAllowsCopies() throws {
        guard let until = settings.limit.until else {
            if settings.limit.delaySeconds > 0, !hasSaidCopyIsNow {
                hasSaidCopyIsNow = true
                log.warning("tables are copied as they are now, which takes the target there: from then on it is \(TimeSpan.text(settings.limit.delaySeconds)) behind")
            }
            return
        }
        throw TidemarkError(
            "the target cannot be brought to \(until)", pipeline: settings.name,
            why: "table \(copiesLeft.first?.table.description ?? "?") is not copied yet, and a copy would bring everything to now",
            remedy: "Let tidemark run … or tidemark copy … complete the copy first.")
    }
}
