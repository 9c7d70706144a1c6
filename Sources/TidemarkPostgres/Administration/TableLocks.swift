import TidemarkCore

/// Work that locks a table: one table a transaction, with a short lock timeout and a few tries. A
/// writer that stays open must not make every other writer queue behind the installation. The timeout is shorter than a server
/// waits before it looks for a deadlock and ends one of those in it, which so is none of the application's.
struct TableLocks {
    static let timeoutMs = 500
    static let attempts = 10
    static let begin = "begin; set local lock_timeout = '\(timeoutMs)ms'"
    let session: PostgresSession

    /// - Parameter table: nil for tidemark's own.
    func holding(_ table: TableName?, doing what: String, _ work: () throws -> Void) throws {
        for attempt in 1...Self.attempts {
            do {
                try session.run(Self.begin)
                try work()
                try session.run("commit")
                return
            } catch {
                _ = try? session.run("rollback")
                guard let failure = error as? PostgresFailure else { throw error }
                if failure.sqlState == "55P03" || failure.sqlState == "40P01", attempt < Self.attempts { continue }
                var reported = failure.reported(what)
                reported.table = table
                throw reported
            }
        }
    }
}
