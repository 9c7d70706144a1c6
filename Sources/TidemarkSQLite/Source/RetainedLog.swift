import TidemarkCore

/// What is kept of the log on purpose, behind what every pipeline has confirmed.
struct RetainedLog {
    let database: SQLiteDatabase

    /// Rows from this one on are kept; nil where none are.
    func firstID() throws(SQLiteFailure) -> Int64? {
        let wanted = try database.rows(
            "SELECT max(retain_seconds), max(retain_bytes) FROM main.tidemark_pipeline WHERE lost_at IS NULL").first ?? []
        let (seconds, bytes) = (wanted.first?.integer, wanted.last?.integer)
        guard seconds != nil || bytes != nil, let size = try LogSize(database) else { return nil }
        // Before anything is done at the cap, nothing is kept on purpose.
        if let limit = try LogLimitRecord(database: database).read(), limit.policy != .warn, size.bytes >= limit.warningBytes { return nil }
        let byTime = try seconds.map { (seconds: Int64) throws(SQLiteFailure) in try first(within: seconds, of: size) }
        let bySize = bytes.map { size.lastID - $0 / size.averageRowBytes }
        return [byTime, bySize].compactMap(\.self).min()
    }

    /// Times grow with the ids, as there is one writer at a time: a few looks find the place.
    func first(within seconds: Int64, of size: LogSize) throws(SQLiteFailure) -> Int64 {
        let isYoung = try database.prepare(
            "SELECT changed_at >= strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?) FROM main.data_changes WHERE id >= ? ORDER BY id LIMIT 1")
        var (low, high) = (size.firstID, size.lastID + 1)
        while low < high {
            let middle = low + (high - low) / 2
            try isYoung.bind([.string("-\(seconds) seconds"), .integer(middle)])
            defer { isYoung.reset() }
            if try isYoung.step(), isYoung.int64(0) == 1 { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
