/// The old end of the log.
struct PrunedLog {
    private let database: SQLiteDatabase
    private let stepRows: Int64
    /// Rows from this one on are kept on purpose.
    let retainedID: Int64
    private let bounds: SQLiteStatement
    private let deletion: SQLiteStatement

    static let lowestConfirmed = "(SELECT min(coalesce(confirmed_id, 0)) FROM main.tidemark_pipeline WHERE lost_at IS NULL)"

    init(_ database: SQLiteDatabase, stepRows: Int64) throws(SQLiteFailure) {
        self.database = database
        self.stepRows = stepRows
        retainedID = try RetainedLog(database: database).firstID() ?? .max
        // Never the last row of the log, or its ids would return, and never one that some cursor names as its witness:
        // what every pipeline has confirmed lies below all of these.
        bounds = try database.prepare(
            """
            SELECT (SELECT min(id) FROM main.data_changes),
                min(\(Self.lowestConfirmed), (SELECT max(id) FROM main.data_changes))
            """)
        deletion = try database.prepare("DELETE FROM main.data_changes WHERE id >= ? AND id < ?")
    }

    /// Removes the oldest few rows that no pipeline needs any more, in the caller's transaction.
    /// - Returns: false where there are none.
    func step() throws(SQLiteFailure) -> Bool {
        defer { bounds.reset() }
        guard try bounds.step(), !bounds.isNull(1) else { return false }
        let (first, end) = (bounds.int64(0), min(bounds.int64(1), retainedID))
        guard first < end else { return false }
        deletion.bind(first, at: 1)
        deletion.bind(min(first + stepRows, end), at: 2)
        try deletion.run()
        return true
    }
}
