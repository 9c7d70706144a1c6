import CSQLite

/// A prepared statement. It keeps its connection alive.
package final class SQLiteStatement {
    let handle: OpaquePointer
    private let database: SQLiteDatabase
    let sql: String
    private var hasRow = false

    init(handle: OpaquePointer, database: SQLiteDatabase, sql: String) {
        self.handle = handle
        self.database = database
        self.sql = sql
    }

    deinit { sqlite3_finalize(handle) }

    /// Number of columns of a result row.
    package var columnCount: Int { Int(sqlite3_column_count(handle)) }

    /// Binds all parameters in order; there must be exactly as many.
    package func bind(_ values: [SQLiteValue]) throws(SQLiteFailure) {
        let expected = Int(sqlite3_bind_parameter_count(handle))
        guard values.count == expected else {
            throw SQLiteFailure(
                code: SQLITE_RANGE, message: "\(values.count) values for \(expected) parameters", sql: sql)
        }
        for (offset, value) in values.enumerated() { try bind(value, at: offset + 1) }
    }

    /// Binds one parameter; the first is 1. Bytes are bound by length, so that a NUL is data.
    package func bind(_ value: SQLiteValue, at index: Int) throws(SQLiteFailure) {
        guard let place = Int32(exactly: index) else {
            throw SQLiteFailure(code: SQLITE_RANGE, message: "no parameter \(index)", sql: sql)
        }
        let code =
            switch value {
            case .null: sqlite3_bind_null(handle, place)
            case .integer(let number): sqlite3_bind_int64(handle, place, number)
            case .real(let number): sqlite3_bind_double(handle, place, number)
            case .text(let bytes): bindText(bytes, at: place)
            case .blob(let bytes): bindBlob(bytes, at: place)
            }
        guard code == SQLITE_OK else { throw database.failure(code, sql: sql) }
    }

    /// Moves to the next row; false at the end.
    package func step() throws(SQLiteFailure) -> Bool {
        let code = sqlite3_step(handle)
        hasRow = code == SQLITE_ROW
        if code == SQLITE_ROW || code == SQLITE_DONE { return hasRow }
        let failure = database.failure(code, sql: sql)
        sqlite3_reset(handle)
        throw failure
    }

    /// Runs a statement that returns no rows, and makes it ready to run again.
    func run() throws(SQLiteFailure) {
        let code = sqlite3_step(handle)
        guard code == SQLITE_DONE || code == SQLITE_ROW else {
            let failure = database.failure(code, sql: sql)
            sqlite3_reset(handle)
            throw failure
        }
        sqlite3_reset(handle)
    }

    /// Makes the statement ready to run again; bindings stay.
    package func reset() {
        hasRow = false
        sqlite3_reset(handle)
    }

    /// One column of the current row; null where there is no row or no such column.
    package func column(_ index: Int) -> SQLiteValue {
        guard hasRow, index >= 0, index < columnCount else { return .null }
        let place = Int32(index)
        return switch sqlite3_column_type(handle, place) {
        case SQLITE_INTEGER: .integer(sqlite3_column_int64(handle, place))
        case SQLITE_FLOAT: .real(sqlite3_column_double(handle, place))
        case SQLITE_TEXT: .text(text(place))
        case SQLITE_BLOB: .blob(blob(place))
        default: .null
        }
    }

    func failure(_ code: Int32) -> SQLiteFailure { database.failure(code, sql: sql) }

    /// All columns of the current row.
    package func row() -> [SQLiteValue] { (0..<columnCount).map { column($0) } }

    private func bindText(_ bytes: [UInt8], at place: Int32) -> Int32 {
        // An empty array has no address, and a null pointer would bind NULL.
        guard !bytes.isEmpty else { return sqlite3_bind_text(handle, place, "", 0, tidemark_sqlite_transient()) }
        return bytes.withUnsafeBytes { raw in
            sqlite3_bind_text64(
                handle, place, raw.baseAddress?.assumingMemoryBound(to: CChar.self), sqlite3_uint64(raw.count),
                tidemark_sqlite_transient(), UInt8(SQLITE_UTF8))
        }
    }

    private func bindBlob(_ bytes: [UInt8], at place: Int32) -> Int32 {
        guard !bytes.isEmpty else { return sqlite3_bind_zeroblob(handle, place, 0) }
        return bytes.withUnsafeBytes { raw in
            sqlite3_bind_blob64(
                handle, place, raw.baseAddress, sqlite3_uint64(raw.count), tidemark_sqlite_transient())
        }
    }

    private func text(_ place: Int32) -> [UInt8] {
        // The pointer first: asking for the length may convert the value.
        guard let start = sqlite3_column_text(handle, place) else { return [] }
        let count = Int(sqlite3_column_bytes(handle, place))
        return Array(UnsafeBufferPointer(start: start, count: count))
    }

    private func blob(_ place: Int32) -> [UInt8] {
        guard let start = sqlite3_column_blob(handle, place) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, place))))
    }
}
