import CSQLite

/// What shaping needs of SQLite besides its SQL.
extension SQLiteDatabase {
    /// The collation of a column; nil where there is no such column. No pragma tells.
    func collation(of column: String, in table: String) -> String? {
        var name: UnsafePointer<CChar>?
        guard sqlite3_table_column_metadata(handle, "main", table, column, nil, &name, nil, nil, nil) == SQLITE_OK else { return nil }
        return name.map { String(cString: $0) }
    }

    /// Has a name in double quotes that names nothing be an error, instead of a text.
    func refuseQuotedTexts() throws(SQLiteFailure) {
        let code = tidemark_sqlite_refuse_quoted_texts(handle)
        guard code == SQLITE_OK else { throw failure(code, sql: nil) }
    }

    /// `tidemark_stored(value, affinity)`: what a column with that affinity holds when it is given the value. CAST makes more of it.
    /// And `md5(value)` and `sha256(value)`, in hexadecimal digits.
    func addShapingFunctions() throws(SQLiteFailure) {
        try add(StoredFunction.name, 2) { context, _, values in StoredFunction.run(context, values) }
        try add("md5", 1) { context, _, values in StoredFunction.digest(context, values, MessageDigest.md5) }
        try add("sha256", 1) { context, _, values in StoredFunction.digest(context, values, MessageDigest.sha256) }
    }

    func add(
        _ name: String, _ count: Int32, _ body: @convention(c) (OpaquePointer?, Int32, UnsafeMutablePointer<OpaquePointer?>?) -> Void
    ) throws(SQLiteFailure) {
        let flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS
        let code = sqlite3_create_function_v2(handle, name, count, flags, nil, body, nil, nil, nil)
        guard code == SQLITE_OK else { throw failure(code, sql: nil) }
    }
}

enum StoredFunction {
    static let name = "tidemark_stored"

    /// A call, for values of a column with an affinity of its own.
    static func call(_ sql: String, _ affinity: SQLiteTable.Affinity) -> String {
        switch affinity {
        case .blob: sql
        case .text: "\(name)(\(sql), 't')"
        case .real: "\(name)(\(sql), 'r')"
        case .integer, .numeric: "\(name)(\(sql), 'n')"
        }
    }

    /// Of a text's or a blob's bytes, and of a number's text; of NULL, NULL.
    fileprivate static func digest(
        _ context: OpaquePointer?, _ values: UnsafeMutablePointer<OpaquePointer?>?, _ digest: (UnsafeRawBufferPointer) -> [UInt8]
    ) {
        guard let value = values?[0], sqlite3_value_type(value) != SQLITE_NULL else { return sqlite3_result_null(context) }
        let start = sqlite3_value_blob(value)
        let text = RowText.hex(digest(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_value_bytes(value)))))
        sqlite3_result_text(context, text, Int32(text.utf8.count), tidemark_sqlite_transient())
    }

    fileprivate static func run(_ context: OpaquePointer?, _ values: UnsafeMutablePointer<OpaquePointer?>?) {
        guard let values, let value = values[0], let affinity = sqlite3_value_text(values[1]) else { return sqlite3_result_null(context) }
        let isNumber = [SQLITE_INTEGER, SQLITE_FLOAT].contains(sqlite3_value_type(value))
        switch affinity[0] {
        case UInt8(ascii: "t"):
            guard isNumber, let text = sqlite3_value_text(value) else { break }
            let count = sqlite3_value_bytes(value)
            return text.withMemoryRebound(to: CChar.self, capacity: Int(count)) { sqlite3_result_text(context, $0, count, tidemark_sqlite_transient()) }
        case UInt8(ascii: "r"):
            // Makes a number of a text that is one, and of nothing else. A column has no -0.0.
            guard [SQLITE_INTEGER, SQLITE_FLOAT].contains(sqlite3_value_numeric_type(value)) else { break }
            return sqlite3_result_double(context, sqlite3_value_double(value) + 0.0)
        default:
            guard sqlite3_value_numeric_type(value) == SQLITE_FLOAT else { break }
            // As SQLite has it, the lowest and the highest stay reals.
            guard let whole = Int64(exactly: sqlite3_value_double(value)), whole > .min, whole < .max else { break }
            return sqlite3_result_int64(context, whole)
        }
        sqlite3_result_value(context, value)
    }
}
