import CSQLite
import TidemarkCore

extension SQLiteFailure {
    /// The failure as it leaves the engine.
    func error(_ what: String, pipeline: String? = nil, table: TableName? = nil, path: String? = nil) -> TidemarkError {
        if let gone = missingOwnTable { return TornDown.error(pipeline, why: "\(path ?? "the database") has no table \(gone)") }
        return TidemarkError(
            what, pipeline: pipeline, table: table, why: path.map { "\($0): \(message)" } ?? message,
            remedy: "SQLite's error \(code): \(hint). Then type the command again.",
            retry: isRetryable ? .later : .never)
    }

    /// What keeps who may only read a file from reading it; nil for anything else.
    ///
    /// The file could be read as one that never changes, but somebody may write it.
    func readOnlyObstacle(_ path: String, _ table: TableName? = nil) -> TidemarkError? {
        let again = "It goes on by itself once the file can be read."
        if code == readOnlyRollback {
            return TidemarkError(
                "the source cannot be read", table: table, why: "\(path): a write was cut off in the middle, and only who may write the file can take it back",
                remedy: "Start the application, or have the file's owner type: sqlite3 \(path) 'SELECT 1 FROM sqlite_schema'. \(again)", retry: .later)
        }
        guard primaryCode == SQLITE_CANTOPEN || [readOnlyRecovery, readOnlyLock, readOnlyDirectory].contains(code) else { return nil }
        return TidemarkError(
            "the source cannot be read", table: table,
            why: "\(path): in WAL mode readers keep their place in \(path)-shm, which is not there, as nobody has the file open, and this user cannot make it",
            remedy: "Start the application, or let this user write to the file's directory, or have the file's owner type: sqlite3 \(path)"
                + " 'PRAGMA journal_mode = DELETE'. \(again)", retry: .later)
    }

    /// Did the statement meet a unique value that another row holds?
    var isUniqueClash: Bool {
        [uniqueClash, primaryKeyClash, rowIDClash].contains(code)
    }

    /// A table that setup makes, where it is not there. SQLite has no code of its own for it.
    private var missingOwnTable: String? {
        let words = "no such table: "
        guard primaryCode == SQLITE_ERROR, message.hasPrefix(words) else { return nil }
        let name = message.dropFirst(words.count)
        let table = name.hasPrefix("main.") ? String(name.dropFirst("main.".count)) : String(name)
        return SQLiteCatalog.ownTables.contains(table) ? table : nil
    }

    /// Was something to be made that is there? SQLite has no code of its own for it.
    var saysAlreadyThere: Bool { primaryCode == SQLITE_ERROR && message.hasSuffix("already exists") }

    var isConstraint: Bool { primaryCode == SQLITE_CONSTRAINT || primaryCode == SQLITE_MISMATCH }
    /// Is a value longer than SQLite holds?
    var isTooBig: Bool { primaryCode == SQLITE_TOOBIG }
}

// The importer leaves out macros that are computed from others.
private let readOnlyRecovery = SQLITE_READONLY | (1 << 8)
private let readOnlyLock = SQLITE_READONLY | (2 << 8)
private let readOnlyRollback = SQLITE_READONLY | (3 << 8)
private let readOnlyDirectory = SQLITE_READONLY | (6 << 8)
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
