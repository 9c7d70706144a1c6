package import TidemarkCore

/// Ticks as places at which a stream may be held back.
struct StreamMarks {
    let database: SQLiteDatabase
    let log: ChangeLog

    static let clock = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

    func now() throws(SQLiteFailure) -> SourceTime {
        let text = try database.rows("SELECT \(Self.clock)").first?.first?.string
        return text.flatMap { SourceTime($0) } ?? SourceTime(microseconds: 0)
    }

    func isMarked() throws(SQLiteFailure) -> Bool {
        let last = try log.last()?.id ?? 0
        return try last == database.rows("SELECT coalesce(max(last_id), 0) FROM main.tidemark_tick").first?.first?.integer ?? 0
    }

    /// All in one moment of the database.
    func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach {
        let (now, last) = (try now(), try log.last()?.id ?? 0)
        let young = now.earlier(bySeconds: limit.delaySeconds)
        switch limit.until {
        case .time(let time):
            try refuseBeyond(time, cursor, limit)
            let place = try place(after: cursor, before: .max, upTo: min(time, young))
            return StreamReach(end: place.map { .change($0.id) }, markedAt: place?.time, isFinal: young > time)
        case .change(let id):
            if cursor.lastApplied >= id { throw limit.isBehindTarget(.change(id), why: "everything up to change \(cursor.lastApplied) is applied") }
            let place = try place(after: cursor, before: id, upTo: young)
            // What comes from now on has higher ids.
            let target = try self.place(after: cursor, before: id, upTo: now)
            return StreamReach(end: place.map { .change($0.id) }, markedAt: place?.time, isFinal: last >= id && place?.id == target?.id)
        case .ago, nil:
            let place = try place(after: cursor, before: .max, upTo: young)
            return StreamReach(end: place.map { .change($0.id) }, markedAt: place?.time, isFinal: false)
        }
    }

    /// The youngest tick after the cursor that qualifies. Its row is in the log: ends of windows are read there.
    private func place(after cursor: Cursor, before id: Int64, upTo time: SourceTime) throws -> (id: Int64, time: SourceTime)? {
        let rows = try database.rows(
            """
            SELECT t.last_id, t.ticked_at FROM main.tidemark_tick AS t JOIN main.data_changes AS c ON c.id = t.last_id AND c.token = t.token
            WHERE t.last_id > ? AND t.last_id < ? AND t.ticked_at <= ? ORDER BY t.last_id DESC LIMIT 1
            """, [.integer(cursor.lastApplied), .integer(id), .string(time.description)])
        guard let row = rows.first, let id = row[0].integer, let time = row[1].string.flatMap({ SourceTime($0) }) else { return nil }
        return (id, time)
    }

    private func refuseBeyond(_ time: SourceTime, _ cursor: Cursor, _ limit: StreamLimit) throws {
        let rows = try database.rows(
            "SELECT changed_at FROM main.data_changes WHERE id = ? AND changed_at > ?", [.integer(cursor.lastApplied), .string(time.description)])
        guard let applied = rows.first?.first?.string else { return }
        throw limit.isBehindTarget(.time(time), why: "it has what was changed at \(applied)")
    }
}

extension SQLiteSource {
    package func now() throws -> SourceTime { try saying("the source's clock cannot be read", path: path) { try marks.now() } }

    /// Left out where the application is writing, for the next time.
    package func mark() throws {
        try saying("a tick cannot be written", path: path) {
            guard try !marks.isMarked() else { return }
            try BriefWrite(database: database, waitMs: limits.rareWriteWaitMs).attempt { () throws(SQLiteFailure) in
                try database.execute(Self.tick)
            }
        }
    }

    package func reach(after cursor: Cursor, within limit: StreamLimit) throws -> StreamReach {
        try place?.check(path, role: "source")
        return try saying("the ticks cannot be read", path: path) {
            try database.transaction("BEGIN") { try marks.reach(after: cursor, within: limit) }
        }
    }
}
