import TidemarkCore

/// Why rows cannot be taken back to a place.
struct HistoryObstacles {
    let database: SQLiteDatabase
    let place: HistoryPlace
    let end: Int64

    func refuse(_ table: CapturedTable) throws {
        func refusal(_ why: String) -> TidemarkError {
            TidemarkError(
                "a table cannot be taken back", table: table.name, why: why,
                remedy: "Name a later place, or leave the target as it is and mend the source.")
        }
        let all = try database.rows(
            """
            SELECT capture, installed_at, installed_at <= ?2, gap, images, retired_at FROM main.tidemark_capture
            WHERE table_name = ?1 COLLATE NOCASE ORDER BY capture
            """, [.string(table.name.name), .string(place.time)])
        guard let standing = all.lastIndex(where: { $0[2] == .integer(1) }) else {
            throw refusal("it is captured since \(all.first?[1].string ?? "?") only")
        }
        let since = all[standing...]
        if since.dropFirst().contains(where: { $0[3] != .null }) { throw refusal("rows of it may have changed since without a trace in the log") }
        // A generation follows the one before it in one transaction, which takes milliseconds.
        for (one, next) in zip(since, since.dropFirst()) where try !follow(one[5], next[1]) { throw refusal("it was not captured all the time since") }
        if since.last?[5] != .null { throw refusal("it is captured no longer") }
        for generation in since where try columns(generation[0]) != columns(since.last?[0] ?? .null) {
            throw refusal("its columns or its key were altered since")
        }
        guard !table.keyColumns.isEmpty else { return }
        for generation in since where generation[4] != .string("both") {
            let row = try database.rows(
                "SELECT id, key FROM main.data_changes WHERE id > ? AND id <= ? AND capture = ? LIMIT 1",
                [.integer(place.lastID), .integer(end), generation[0]]).first
            guard let row else { continue }
            let both = since.first { $0[4] == .string("both") }?[1].string
            var error = refusal("the log holds its rows as they were before \(both.map { "since \($0) only" } ?? "not at all (setup --image both)")")
            (error.changeID, error.key) = (row[0].integer, row[1].string)
            throw error
        }
    }

    private func follow(_ retired: SQLiteValue, _ installed: SQLiteValue) throws(SQLiteFailure) -> Bool {
        try database.rows("SELECT (julianday(?2) - julianday(?1)) * 86400.0 < 5.0", [retired, installed]).first?.first == .integer(1)
    }

    private func columns(_ capture: SQLiteValue) throws(SQLiteFailure) -> [[SQLiteValue]] {
        try database.rows(
            "SELECT name, type, is_generated, key_position FROM main.tidemark_column WHERE capture = ? ORDER BY position", [capture])
    }
}
