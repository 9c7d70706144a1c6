/// A small write into a source, which no writer of the application shall feel.
struct BriefWrite {
    let database: SQLiteDatabase
    /// How long it tries to begin.
    let waitMs: Int32

    /// In rollback-journal mode nobody can begin to read while a commit waits for those who do.
    private static let commitWaitMs: Int32 = 10

    /// - Returns: nil where the application was at work all the while: another time will do.
    @discardableResult
    func attempt<Result>(_ body: () throws(SQLiteFailure) -> Result) throws(SQLiteFailure) -> Result? {
        database.setBusyTimeout(milliseconds: waitMs)
        defer { database.setBusyTimeout(milliseconds: SQLiteDatabase.busyTimeoutDefaultMs) }
        do {
            try database.execute("BEGIN IMMEDIATE")
            let result = try body()
            database.setBusyTimeout(milliseconds: Self.commitWaitMs)
            try database.execute("COMMIT")
            return result
        } catch {
            if database.isInTransaction { try? database.execute("ROLLBACK") }
            guard error.isRetryable else { throw error }
            return nil
        }
    }
}
