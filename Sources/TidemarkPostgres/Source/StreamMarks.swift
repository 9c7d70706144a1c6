package import TidemarkCore

/// Ticks as places at which a stream may be held back. Every look is one statement, and holds nothing.
struct StreamMarks {
    let session: PostgresSession
    let log: LogReading

    /// A tick with the time at which it was written: everything that its cut sees had been committed by then.
    private struct Mark {
        let id: Int64
        let cut: TransactionSnapshot
        let highID: Int64?
        let time: SourceTime
        let isOldEnough: Bool
    }

    /// So many of the youngest that qualify are looked at: ticks get their ids in the order of their moments, give or take
    /// those that are written at once.
    private static let neighbours = 64
    private static let chunk = 1024
    /// Sees no transaction at all.
    private static let nothing = TransactionSnapshot(xmin: 3, xmax: 3, inProgress: [])

    func now() throws -> SourceTime {
        let rows = try session.query("select \(Self.microseconds("clock_timestamp()"))")
        return SourceTime(microseconds: Int64(rows[0, 0] ?? "") ?? 0)
    }

    private static func microseconds(_ time: String) -> String { "(extract(epoch from \(time)) * 1000000)::int8" }

    /// Writes a tick where a transaction that the last one does not see has logged something and ended. No cursor names
    /// it, so nobody waits for the disk.
    func mark() throws {
        let (now, lastID) = try log.position()
        let rows = try session.query("select snapshot, xid from tidemark.tick where low_id is not null order by id desc limit 1")
        if rows.count == 1 {
            let last = try TransactionSnapshot.parsed(rows[0, 0]).countingAsOpen(UInt64(rows[0, 1] ?? "") ?? 0)
            let floor = try log.lowestID(notSeenBy: last, endedIn: now)
            guard last != now, try log.firstID(in: floor..<max(floor, lastID), notSeenBy: last, seenBy: now) != nil else { return }
        }
        try session.query(
            """
            insert into tidemark.tick (token, snapshot, xid, last_id, low_id, high_id, written_at)
            select gen_random_uuid(), pg_current_snapshot(), pg_current_xact_id(), $1, $1, \(ChangeIDs.last), clock_timestamp()
            """, [.text(String(lastID))])
    }

    func reach(after cursor: Cursor, at start: TransactionSnapshot, within limit: StreamLimit) throws -> StreamReach {
        switch limit.until {
        case nil:
            return reach(try youngest(limit), from: start, isFinal: false)
        case .time(let time):
            try refuseBeyond(time, start, limit)
            let isOver = try now().earlier(bySeconds: limit.delaySeconds) > time
            return reach(try youngest(limit, upTo: time), from: start, isFinal: isOver)
        case .change(let id):
            try refuseBeyond(id, cursor, start, limit)
            return try reach(before: id, from: start, limit)
        case .ago:
            return StreamReach(end: nil, markedAt: nil, isFinal: false)
        }
    }

    private func reach(_ marks: [Mark], from start: TransactionSnapshot, isFinal: Bool) -> StreamReach {
        let last = Self.ordered(marks, from: start).last
        return StreamReach(end: last.map { .transactions($0.cut) }, markedAt: last?.time, isFinal: isFinal)
    }

    /// Those at which a window may end that begins there, in the order of their moments: of two snapshots of one server
    /// one contains the other.
    private static func ordered(_ marks: [Mark], from start: TransactionSnapshot) -> [Mark] {
        marks.filter { $0.cut != start && start.isContained(in: $0.cut) }
            .sorted { ($0.cut.xmax, $1.cut.inProgress.count) < ($1.cut.xmax, $0.cut.inProgress.count) }
    }

    private func youngest(_ limit: StreamLimit, upTo time: SourceTime? = nil) throws -> [Mark] {
        try marks(
            """
            written_at <= clock_timestamp() - make_interval(secs => $1) and ($2::int8 is null or \(Self.microseconds("written_at")) <= $2)
            order by id desc limit \(Self.neighbours)
            """, limit, time.map { String($0.microseconds) })
    }

    /// The last moment at which no transaction is seen that has drawn this id or a higher one, whether or not the log
    /// holds that very row. Moments that lie so far back that the id was not drawn are certain; of the next ones the log
    /// has to be asked, and once one sees such a transaction all later ones do.
    private func reach(before id: Int64, from start: TransactionSnapshot, _ limit: StreamLimit) throws -> StreamReach {
        let certain = try marks("high_id < $2::int8 order by id desc limit \(Self.neighbours)", limit, String(id))
        var usable = certain
        var after = certain.map(\.id).max() ?? 0
        var isFinal = false
        while !isFinal {
            let chunk = try marks("id > $2::int8 order by id limit \(Self.chunk)", limit, String(after))
            let next = Self.ordered(chunk, from: start)
            var (low, high) = (0, next.count)
            while low < high {
                let middle = (low + high) / 2
                if try sees(next[middle], changesFrom: id, notSeenBy: start) { high = middle } else { low = middle + 1 }
            }
            usable += next[..<low]
            isFinal = low < next.count
            guard chunk.count == Self.chunk, let last = chunk.map(\.id).max() else { break }
            after = last
        }
        let moments = Self.ordered(usable, from: start)
        let reach = reach(moments.filter(\.isOldEnough), from: start, isFinal: false)
        // Also final only once the last moment before the change is old enough itself.
        let isThere = moments.last.map { reach.end == .transactions($0.cut) } ?? true
        return StreamReach(end: reach.end, markedAt: reach.markedAt, isFinal: isFinal && isThere)
    }

    private func sees(_ mark: Mark, changesFrom id: Int64, notSeenBy start: TransactionSnapshot) throws -> Bool {
        let through = try mark.highID ?? log.position().lastID
        return try log.firstID(in: id - 1..<max(id - 1, through), notSeenBy: start, seenBy: mark.cut) != nil
    }

    private func refuseBeyond(_ id: Int64, _ cursor: Cursor, _ start: TransactionSnapshot, _ limit: StreamLimit) throws {
        let (_, lastID) = try log.position()
        guard let nothing = Self.nothing else { return }
        var applied = try id - 1 < lastID ? log.firstID(in: id - 1..<lastID, notSeenBy: nothing, seenBy: start) : nil
        // The log may have been rid of it.
        if applied == nil, cursor.lastID >= id { applied = cursor.lastID }
        if let applied {
            throw limit.isBehindTarget(.change(id), why: "change \(applied) is applied: its transaction ended before one with a lower id, or is the one that was meant")
        }
    }

    private func refuseBeyond(_ time: SourceTime, _ start: TransactionSnapshot, _ limit: StreamLimit) throws {
        let later = try marks(
            "\(Self.microseconds("written_at")) > $2::int8 order by id limit \(Self.neighbours)", limit, String(time.microseconds))
        guard let mark = later.first(where: { $0.cut.isContained(in: start) }) else { return }
        throw limit.isBehindTarget(.time(time), why: "it has everything that was committed up to \(mark.time)")
    }

    /// - Parameter condition: $1 are the delay's seconds, $2 is the value.
    private func marks(_ condition: String, _ limit: StreamLimit, _ value: String?) throws -> [Mark] {
        // Without last_id, its writer's snapshot was older than its time.
        let rows = try session.query(
            """
            select id, snapshot, xid, high_id, \(Self.microseconds("written_at")),
                   written_at <= clock_timestamp() - make_interval(secs => $1::float8)
            from tidemark.tick where last_id is not null and \(condition)
            """, [.text(String(limit.delaySeconds)), .optional(value)])
        return try (0..<rows.count).map { row in
            Mark(
                id: Int64(rows[row, 0] ?? "") ?? 0,
                cut: try TransactionSnapshot.parsed(rows[row, 1]).countingAsOpen(UInt64(rows[row, 2] ?? "") ?? 0),
                highID: rows[row, 3].flatMap { Int64($0) }, time: SourceTime(microseconds: Int64(rows[row, 4] ?? "") ?? 0),
                isOldEnough: rows[row, 5] == "t")
        }
    }
}

extension PostgresSource {
    package func now() throws -> SourceTime { try reporting("the source's clock cannot be read") { try marks.now() } }

    package func mark() throws { try reporting("a tick cannot be written") { try marks.mark() } }

    package func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach {
        guard case .transactions(let start) = cursor.snapshot else { throw Self.isNoPlace(cursor) }
        return try reporting("the ticks cannot be read") { try marks.reach(after: cursor, at: start, within: limit) }
    }
}
