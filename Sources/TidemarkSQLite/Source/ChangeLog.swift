import TidemarkCore

/// Reads of the change log that belong to one moment.
struct ChangeLog {
    let database: SQLiteDatabase

    struct Row: Equatable {
        var id: Int64
        var token: String
        /// The clock when it was the last row, where that was noted.
        var markedAt: SourceTime?
    }

    /// The last row; its id is the end of every committed transaction, as SQLite has one writer at a time.
    func last() throws(SQLiteFailure) -> Row? {
        try row("SELECT id, token FROM main.data_changes ORDER BY id DESC LIMIT 1", [])
    }

    func row(_ id: Int64) throws(SQLiteFailure) -> Row? {
        try row("SELECT id, token FROM main.data_changes WHERE id = ?", [.integer(id)])
    }

    private func row(_ sql: String, _ values: [SQLiteValue]) throws(SQLiteFailure) -> Row? {
        guard let row = try database.rows(sql, values).first, let id = row[0].integer else { return nil }
        return Row(id: id, token: row[1].string ?? "")
    }

    func installID() throws(SQLiteFailure) -> String? {
        guard try isInstalled() else { return nil }
        return try database.rows("SELECT install_id FROM main.tidemark_installation").first?.first?.string
    }

    func isInstalled() throws(SQLiteFailure) -> Bool {
        try database.hasTable("tidemark_installation")
    }

    /// Why the log does not continue the cursor, or nil where it does. The row that was applied last must stand there
    /// with the token that the cursor names: the ids alone would return after a restore.
    func obstacle(to cursor: Cursor, lastID: Int64, installID: String) throws(SQLiteFailure) -> String? {
        guard case .change(let id) = cursor.snapshot else { return "the cursor holds \(cursor.snapshot), which is no place in SQLite" }
        if id == 0 { return cursor.witness == installID ? nil : "the cursor is for another installation of tidemark in it" }
        guard let row = try row(id) else {
            return id > lastID
                ? "its log ends at change \(lastID), and change \(id) was applied: it was restored from a backup, or replaced"
                : "change \(id), the last that was applied, is no longer in its log: the target was restored from a backup, or the log was altered"
        }
        return row.token == cursor.witness
            ? nil : "its change \(id) is not the one that was applied: it was restored from a backup, and written since"
    }
}
