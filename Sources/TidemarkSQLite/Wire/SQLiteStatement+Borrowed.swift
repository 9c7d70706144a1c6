import CSQLite

/// Binds and columns without a copy: for the one path on which every row of every window goes.
extension SQLiteStatement {
    func bindNull(at place: Int32) { sqlite3_bind_null(handle, place) }

    func bind(_ number: Int64, at place: Int32) { sqlite3_bind_int64(handle, place, number) }

    func bind(_ number: Double, at place: Int32) { sqlite3_bind_double(handle, place, number) }

    /// Binds text where it lies; the bytes must stay there until the statement has run.
    /// - Returns: false where SQLite refuses it, which is only for its length.
    func bindText(borrowing bytes: UnsafeBufferPointer<UInt8>, at place: Int32) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else {
            return sqlite3_bind_text(handle, place, "", 0, tidemark_sqlite_transient()) == SQLITE_OK
        }
        let code = start.withMemoryRebound(to: CChar.self, capacity: bytes.count) { text in
            sqlite3_bind_text64(
                handle, place, text, sqlite3_uint64(bytes.count), tidemark_sqlite_static(), UInt8(SQLITE_UTF8))
        }
        return code == SQLITE_OK
    }

    /// Binds a blob where it lies; the bytes must stay there until the statement has run.
    func bindBlob(borrowing bytes: UnsafeBufferPointer<UInt8>, at place: Int32) -> Bool {
        guard let start = bytes.baseAddress, !bytes.isEmpty else {
            return sqlite3_bind_zeroblob(handle, place, 0) == SQLITE_OK
        }
        return sqlite3_bind_blob64(handle, place, start, sqlite3_uint64(bytes.count), tidemark_sqlite_static())
            == SQLITE_OK
    }

    func isNull(_ index: Int32) -> Bool { sqlite3_column_type(handle, index) == SQLITE_NULL }

    func int64(_ index: Int32) -> Int64 { sqlite3_column_int64(handle, index) }

    /// The bytes of a text or blob of the current row, valid until the statement moves on; nil for NULL.
    func bytes(_ index: Int32) -> UnsafeRawBufferPointer? {
        guard let start = sqlite3_column_blob(handle, index) else {
            return isNull(index) ? nil : UnsafeRawBufferPointer(start: nil, count: 0)
        }
        return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, index)))
    }
}
