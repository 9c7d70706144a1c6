import CSQLite

/// The current row as it is stored, for work on whole tables: nothing is made of a value.
extension SQLiteStatement {
    /// Binds a column of another statement's current row, whatever it holds.
    func bind(column: Int32, of row: SQLiteStatement, at place: Int32) throws(SQLiteFailure) {
        let code = sqlite3_bind_value(handle, place, sqlite3_column_value(row.handle, column))
        guard code == SQLITE_OK else { throw failure(code) }
    }

    /// Is a column, bit for bit, what a column of another statement's current row is?
    func isSame(_ column: Int32, as other: Int32, of row: SQLiteStatement) -> Bool {
        let type = sqlite3_column_type(handle, column)
        guard type == sqlite3_column_type(row.handle, other) else { return false }
        switch type {
        case SQLITE_INTEGER:
            return sqlite3_column_int64(handle, column) == sqlite3_column_int64(row.handle, other)
        case SQLITE_FLOAT:
            return sqlite3_column_double(handle, column).bitPattern == sqlite3_column_double(row.handle, other).bitPattern
        case SQLITE_TEXT, SQLITE_BLOB:
            guard let one = bytes(column), let two = row.bytes(other) else { return false }
            return one.count == two.count && one.elementsEqual(two)
        default:
            return true
        }
    }

    /// Folds a column into a hash: its storage class, and its bits.
    @inline(__always)
    func fold(_ column: Int32, into hash: inout ValueHash) {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: hash.fold(1, UInt64(bitPattern: sqlite3_column_int64(handle, column)))
        case SQLITE_FLOAT: hash.fold(2, sqlite3_column_double(handle, column).bitPattern)
        case SQLITE_TEXT: hash.fold(3, storedBytes(column))
        case SQLITE_BLOB: hash.fold(4, storedBytes(column))
        default: hash.fold(0, 0)
        }
    }

    /// Appends the columns of the current row in the native form that `bindNative` reads.
    @inline(__always)
    func appendNative(_ count: Int32, to buffer: RowBuffer) {
        for column in 0..<count {
            switch sqlite3_column_type(handle, column) {
            case SQLITE_INTEGER:
                let number = sqlite3_column_int64(handle, column)
                if let short = Int32(exactly: number) {
                    buffer.append(NativeTag.shortInteger, UInt32(bitPattern: short))
                } else {
                    buffer.append(NativeTag.integer, UInt64(bitPattern: number))
                }
            case SQLITE_FLOAT: buffer.append(NativeTag.real, sqlite3_column_double(handle, column).bitPattern)
            case SQLITE_TEXT: buffer.append(NativeTag.text, storedBytes(column))
            case SQLITE_BLOB: buffer.append(NativeTag.blob, storedBytes(column))
            default: buffer.append(NativeTag.null)
            }
        }
    }

    /// Appends a column as images of `.storageClasses` write it.
    @inline(__always)
    func appendImage(_ column: Int32, to buffer: RowBuffer) {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: buffer.appendImage(sqlite3_column_int64(handle, column))
        case SQLITE_FLOAT: buffer.appendImage(sqlite3_column_double(handle, column))
        case SQLITE_TEXT: buffer.appendImage(text: storedBytes(column))
        case SQLITE_BLOB: buffer.appendImage(blob: storedBytes(column))
        default: buffer.append(word: "null")
        }
    }

    /// Binds values in native form where they lie; they must stay there until the statement has run.
    /// - Returns: where the next value begins; nil where the bytes are not of that form, or a value is too long.
    @inline(__always)
    func bindNative(_ bytes: UnsafeRawBufferPointer, from start: Int, at first: Int32, count: Int32) -> Int? {
        var place = start
        for parameter in first..<(first + count) {
            guard place < bytes.count else { return nil }
            let tag = bytes[place]
            place += 1
            let size = NativeTag.size(tag)
            guard size <= bytes.count - place else { return nil }
            switch tag {
            case NativeTag.null: sqlite3_bind_null(handle, parameter)
            case NativeTag.shortInteger:
                let number = Int32(bitPattern: bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                sqlite3_bind_int64(handle, parameter, Int64(number))
            case NativeTag.integer:
                sqlite3_bind_int64(handle, parameter, bytes.loadUnaligned(fromByteOffset: place, as: Int64.self))
            case NativeTag.real:
                let bits = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                sqlite3_bind_double(handle, parameter, Double(bitPattern: bits))
            case NativeTag.text, NativeTag.blob:
                let length = Int(bytes.loadUnaligned(fromByteOffset: place, as: UInt32.self))
                guard length <= bytes.count - place - size, let base = bytes.baseAddress else { return nil }
                let value = base + place + size
                let code =
                    tag == NativeTag.text
                    ? sqlite3_bind_text64(
                        handle, parameter, value.assumingMemoryBound(to: CChar.self), sqlite3_uint64(length),
                        tidemark_sqlite_static(), UInt8(SQLITE_UTF8))
                    : length == 0
                        ? sqlite3_bind_zeroblob(handle, parameter, 0)
                        : sqlite3_bind_blob64(handle, parameter, value, sqlite3_uint64(length), tidemark_sqlite_static())
                guard code == SQLITE_OK else { return nil }
                place += length
            default: return nil
            }
            place += size
        }
        return place
    }

    /// Does the statement leave the database as it is?
    var isReadOnly: Bool { sqlite3_stmt_readonly(handle) != 0 }

    var parameterCount: Int { Int(sqlite3_bind_parameter_count(handle)) }

    /// The bytes of a column that is known to be a text or a blob.
    @inline(__always)
    private func storedBytes(_ column: Int32) -> UnsafeRawBufferPointer {
        // Asked for as a blob, a text is handed over as it lies; the pointer comes before the length.
        let start = sqlite3_column_blob(handle, column)
        return UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : Int(sqlite3_column_bytes(handle, column)))
    }
}

extension RowBuffer {
    /// A real as SQLite's printf writes it for capture. Only the sign of -0.0 is kept besides, which no core function sees.
    func appendImage(_ number: Double) {
        guard number.isFinite else { return append(word: number > 0 ? "1e999" : "-1e999") }
        if number == 0 { return append(word: number.sign == .minus ? "-0.0e+00" : "0.0e+00") }
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { text in
            _ = withVaList([number]) { sqlite3_vsnprintf(64, text.baseAddress, "%!.20e", $0) }
            append(UnsafeRawBufferPointer(start: text.baseAddress, count: text.firstIndex(of: 0) ?? 0))
        }
    }
}

extension SQLiteDatabase {
    /// Prepares a text that has to be one statement.
    /// - Returns: the statement, and whether anything follows it.
    func prepareOnly(_ sql: String) throws(SQLiteFailure) -> (statement: SQLiteStatement, isFollowed: Bool) {
        var prepared: OpaquePointer?
        var rest = 0
        let code = sql.withCString { text in
            var tail: UnsafePointer<CChar>?
            let code = sqlite3_prepare_v3(handle, text, -1, 0, &prepared, &tail)
            rest = tail.map { String(cString: $0).filter { !$0.isWhitespace && $0 != ";" }.count } ?? 0
            return code
        }
        guard code == SQLITE_OK else { throw failure(code, sql: sql) }
        guard let prepared else { throw SQLiteFailure(code: SQLITE_MISUSE, message: "the statement is empty", sql: sql) }
        return (SQLiteStatement(handle: prepared, database: self, sql: sql), rest > 0)
    }
}
