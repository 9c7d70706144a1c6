import CSQLite
import Glibc

/// One connection. It belongs to one thread, which is why it is not `Sendable`.
package final class SQLiteDatabase {
    /// How a file is opened.
    package enum Mode: Sendable {
        case readOnly
        case readWrite
        case create
    }

    /// Long enough for an ordinary transaction of the application.
    static let busyTimeoutDefaultMs: Int32 = 5000

    let handle: OpaquePointer

    /// Settings of SQLite in this process, made before its first connection.
    ///
    /// A statement that writes several rows keeps the pages it changes, to take them back if it fails: in a temporary
    /// file from 64 KiB on, which for rows that lie far apart costs twice what the rows do. Twice as much is the most: SQLite
    /// hands what it kept to the file in one piece, its writes cut a piece to its lower 17 bits, and what is missing is a full
    /// disk to it. And every allocation would take a mutex, to count memory that nobody asks for.
    private static let isConfigured: Bool = tidemark_sqlite_set_statement_journal(0x1ffff) == SQLITE_OK
        && tidemark_sqlite_count_memory(0) == SQLITE_OK

    /// Opens a file. Pragmas that outlive the connection are left as they are.
    package init(path: String, mode: Mode, busyTimeoutMilliseconds: Int32 = busyTimeoutDefaultMs) throws(SQLiteFailure) {
        // `open` would cut the path there and open a different file.
        guard !path.utf8.contains(0) else {
            throw SQLiteFailure(code: SQLITE_CANTOPEN, message: "the path contains a NUL")
        }
        let access =
            switch mode {
            case .readOnly: SQLITE_OPEN_READONLY
            case .readWrite: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        // Where somebody else has used SQLite in this process before, it stays as it is.
        _ = Self.isConfigured
        var opened: OpaquePointer?
        let code = sqlite3_open_v2(path, &opened, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nil)
        guard code == SQLITE_OK, let opened else {
            let message = String(cString: sqlite3_errstr(code))
            sqlite3_close_v2(opened)
            throw SQLiteFailure(code: code, message: "cannot open \(path): \(message)")
        }
        handle = opened
        setBusyTimeout(milliseconds: busyTimeoutMilliseconds)
    }

    deinit {
        // v2 waits for statements that outlive the connection.
        sqlite3_close_v2(handle)
    }

    /// Runs one or several statements and drops their rows.
    package func execute(_ sql: String) throws(SQLiteFailure) {
        try check(text: sql)
        let code = sqlite3_exec(handle, sql, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql: sql) }
    }

    /// Prepares the first statement of a text.
    package func prepare(_ sql: String) throws(SQLiteFailure) -> SQLiteStatement {
        try check(text: sql)
        var prepared: OpaquePointer?
        let code = sqlite3_prepare_v3(handle, sql, -1, 0, &prepared, nil)
        guard code == SQLITE_OK else { throw failure(code, sql: sql) }
        guard let prepared else {
            throw SQLiteFailure(code: SQLITE_MISUSE, message: "the statement is empty", sql: sql)
        }
        return SQLiteStatement(handle: prepared, database: self, sql: sql)
    }

    /// Prepares, binds, and reads all rows. Only for results known to be small.
    package func rows(_ sql: String, _ values: [SQLiteValue] = []) throws(SQLiteFailure) -> [[SQLiteValue]] {
        let statement = try prepare(sql)
        try statement.bind(values)
        var rows: [[SQLiteValue]] = []
        while try statement.step() { rows.append(statement.row()) }
        return rows
    }

    /// Is there a table of that name? By what the connection knows of the schema: `sqlite_schema` would be read whole, and holds
    /// the text of all triggers.
    package func hasTable(_ name: String) throws(SQLiteFailure) -> Bool {
        try !rows("SELECT 1 FROM pragma_table_info(?, 'main') LIMIT 1", [.string(name)]).isEmpty
    }

    /// Switches all triggers for this connection only.
    package func setTriggersEnabled(_ enabled: Bool) throws(SQLiteFailure) {
        let code = tidemark_sqlite_enable_triggers(handle, enabled ? 1 : 0)
        guard code == SQLITE_OK else { throw failure(code, sql: nil) }
    }

    /// How long a statement waits for another connection's lock.
    ///
    /// SQLite's own waiting looks again after longer and longer pauses, and can miss the short gaps of an application
    /// that writes without end for minutes: a page of a log in a rollback journal is not read then, nor is one pruned.
    func setBusyTimeout(milliseconds: Int32) {
        let looks = Int(milliseconds) * 1000 / Int(Self.lookAgainMicroseconds)
        sqlite3_busy_handler(
            handle,
            { looks, before in
                guard Int(before) < Int(bitPattern: looks) else { return 0 }
                usleep(SQLiteDatabase.lookAgainMicroseconds)
                return 1
            }, UnsafeMutableRawPointer(bitPattern: looks))
    }

    private static let lookAgainMicroseconds: UInt32 = 500

    /// Runs a transaction that begins as given; what the body or the commit throws rolls it back.
    package func transaction<Result>(_ begin: String, _ body: () throws -> Result) throws -> Result {
        try execute(begin)
        do {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            if isInTransaction { try? execute("ROLLBACK") }
            throw error
        }
    }

    /// Whether a transaction is open.
    package var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    /// Rows changed by the last statement, triggers not counted.
    package var changes: Int64 { sqlite3_changes64(handle) }

    func failure(_ code: Int32, sql: String?) -> SQLiteFailure {
        let extended = sqlite3_extended_errcode(handle)
        return SQLiteFailure(
            code: extended == SQLITE_OK ? code : extended,
            message: String(cString: sqlite3_errmsg(handle)), sql: sql)
    }

    /// A NUL would end the statement early, and the rest would silently not run.
    private func check(text sql: String) throws(SQLiteFailure) {
        if sql.utf8.contains(0) {
            throw SQLiteFailure(code: SQLITE_MISUSE, message: "the SQL text contains a NUL")
        }
    }
}
