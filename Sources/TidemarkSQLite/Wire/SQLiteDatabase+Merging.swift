import CSQLite

/// What settling conflicts needs of SQLite besides its SQL.
extension SQLiteDatabase {
    /// `tidemark_merged_json(before, target, source)`.
    func addMergingFunctions() throws(SQLiteFailure) {
        try add(JSONMerge.name, 3) { context, _, values in
            guard let values else { return sqlite3_result_null(context) }
            let texts = (0..<3).map { text(values[$0]) }
            guard let merged = JSONMerge.merged(before: texts[0], target: texts[1], source: texts[2]) else { return sqlite3_result_null(context) }
            merged.withUnsafeBytes { bytes in
                sqlite3_result_text64(
                    context, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), sqlite3_uint64(bytes.count), tidemark_sqlite_transient(),
                    UInt8(SQLITE_UTF8))
            }
        }
    }
}

private func text(_ value: OpaquePointer?) -> [UInt8]? {
    // The pointer first: asking for the length may convert the value.
    guard let value, sqlite3_value_type(value) != SQLITE_NULL, let start = sqlite3_value_text(value) else { return nil }
    return Array(UnsafeBufferPointer(start: start, count: Int(sqlite3_value_bytes(value))))
}
