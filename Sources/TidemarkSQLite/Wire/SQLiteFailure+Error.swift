import CSQLite
import TidemarkCore

extension SQLiteFailure {
    /// The failure as it leaves the engine.
    func error(_ what: String, pipeline: String? = nil, table: TableName? = nil, path: String? = nil) -> TidemarkError {
        TidemarkError(
            what, pipeline: pipeline, table: table, why: path.map { "\($0): \(message)" } ?? message,
            remedy: "SQLite's error \(code): \(hint). Then type the command again.",
            retry: isRetryable ? .later : .never)
    }

    /// Did the statement meet a unique value that another row holds?
    var isUniqueClash: Bool {
        [uniqueClash, primaryKeyClash, rowIDClash].contains(code)
    }

    /// Was something to be made that is there? SQLite has no code of its own for it.
    var saysAlreadyThere: Bool { primaryCode == SQLITE_ERROR && message.hasSuffix("already exists") }

    var isConstraint: Bool { primaryCode == SQLITE_CONSTRAINT || primaryCode == SQLITE_MISMATCH }
    /// Is a value longer than SQLite holds?
    var isTooBig: Bool { primaryCode == SQLITE_TOOBIG }
}

// The importer leaves out macros that are computed from others.
private let primaryKeyClash = SQLITE_CONSTRAINT | (6 << 8)
private let uniqueClash = SQLITE_CONSTRAINT | (8 << 8)
private let rowIDClash = SQLITE_CONSTRAINT | (10 << 8)

/// Runs a piece of the port: what SQLite says leaves it as a `TidemarkError`.
func saying<Result>(
    _ what: @autoclosure () -> String, pipeline: String? = nil, table: TableName? = nil, path: String? = nil,
    _ body: () throws -> Result
) throws -> Result {
    do {
        return try body()
    } catch {
        guard let failure = error as? SQLiteFailure else { throw error }
        throw failure.error(what(), pipeline: pipeline, table: table, path: path)
    }
}
