import TidemarkCore

/// `tidemark_cursor`: the place of each pipeline in a target.
struct CursorTable {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    func exists() throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM main.sqlite_schema WHERE type = 'table' AND name = 'tidemark_cursor'").isEmpty
    }

    /// Reads source, snapshot, witness, last_id, epoch.
    static func cursor(_ row: [SQLiteValue], pipeline: String) throws -> Cursor {
        guard let snapshot = row[1].string.flatMap({ Snapshot($0) }), let source = row[0].string,
            let witness = row[2].string, let lastID = row[3].integer, let epoch = row[4].integer
        else {
            throw TidemarkError(
                "the cursor cannot be read", pipeline: pipeline, why: "its snapshot is “\(row[1].string ?? "?")”",
                remedy: "The row of tidemark_cursor was altered by hand: restore it, or set the pipeline up again.")
        }
        return Cursor(source: source, snapshot: snapshot, witness: witness, lastID: lastID, epoch: epoch)
    }
}
