import CSQLite

/// An error reported by SQLite. It never holds bound values, only the SQL with its placeholders.
package struct SQLiteFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// The extended result code.
    package let code: Int32
    /// SQLite's own words.
    package let message: String
    /// The statement, if there was one; without values.
    package let sql: String?

    package init(code: Int32, message: String, sql: String? = nil) {
        self.code = code
        self.message = message
        self.sql = sql
    }

    /// The result code without its extension.
    package var primaryCode: Int32 { code & 0xff }

    static let constraint = SQLITE_CONSTRAINT
    static let mismatch = SQLITE_MISMATCH
    static let readOnly = SQLITE_READONLY
    static let permission = SQLITE_PERM

    /// Whether the same work may succeed later without anyone's help, or with that of somebody who frees a disk without
    /// knowing of tidemark. A full disk also shows as a failed write, of the file or of what SQLite keeps beside it.
    package var isRetryable: Bool {
        switch primaryCode {
        case SQLITE_BUSY, SQLITE_LOCKED, SQLITE_INTERRUPT, SQLITE_PROTOCOL, SQLITE_FULL, SQLITE_IOERR: true
        default: false
        }
    }

    /// Is the disk full, or does it fail?
    var isLack: Bool { primaryCode == SQLITE_FULL || primaryCode == SQLITE_IOERR }

    /// What a person can do about it.
    package var hint: String {
        switch primaryCode {
        case SQLITE_BUSY, SQLITE_LOCKED: "another connection holds the lock; try again, or shorten its transaction"
        case SQLITE_CANTOPEN: "check that the file exists and that this user may open it and its directory"
        case SQLITE_READONLY, SQLITE_PERM: "this user may not write the file or its directory"
        case SQLITE_CORRUPT, SQLITE_NOTADB: "run PRAGMA integrity_check; restore the file from a backup"
        case SQLITE_FULL: "the disk is full: free space, or raise PRAGMA max_page_count"
        case SQLITE_IOERR: "the disk or file system failed; look into the system log"
        case SQLITE_CONSTRAINT: "the row breaks a constraint of the table"
        case SQLITE_TOOBIG: "the value exceeds SQLite's length limit"
        default: "see the message; the SQL may not fit the schema"
        }
    }

    package var description: String {
        let place = sql.map { " in: \($0)" } ?? ""
        return "SQLite error \(code): \(message)\(place) (\(hint))"
    }
}
