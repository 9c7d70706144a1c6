import TidemarkCore

/// Reads rows as pages of bounded size.
struct RowPages {
    static let rowsMax = 16_384
    static let bytesMax = 4 << 20

    private let database: SQLiteDatabase
    private let rows: TableRows

    init(_ database: SQLiteDatabase, _ rows: TableRows) {
        self.database = database
        self.rows = rows
    }

    /// As the database holds them, for another SQLite.
    func readNative(_ part: TablePart, columns: [String], _ receive: (RowPage) throws -> Void) throws {
        let list = try columns.map { name in
            guard let place = rows.captured.columns.firstIndex(where: { $0.name == name }) else {
                throw TidemarkError(
                    "rows cannot be read", table: rows.captured.name, why: "capture knows no column \(SQLiteIdentifier.quoted(name))",
                    remedy: "Type: tidemark setup …, and then the command again.")
            }
            return rows.values[place]
        }.joined(separator: ", ")
        let buffer = RowBuffer(capacity: Self.bytesMax + Self.bytesMax / 4)
        let count = Int32(columns.count)
        try each(part, list.isEmpty ? "1" : list) { statement in
            statement.appendNative(count, to: buffer)
            buffer.endRow()
            if buffer.rows >= Self.rowsMax || buffer.count >= Self.bytesMax { try receive(.native(buffer.take())) }
        }
        if buffer.rows > 0 { try receive(.native(buffer.take())) }
    }

    /// As capture writes them.
    func readChanges(_ part: TablePart, _ receive: (RowPage) throws -> Void) throws {
        var page = FilledPage(rows)
        if let keys = part.keys {
            try readKeys(keys, &page, receive)
        } else {
            try each(part, rows.columnList) { statement in
                page.append(statement)
                if page.isFull { try receive(.changes(page.take())) }
            }
        }
        if !page.isEmpty { try receive(.changes(page.take())) }
    }

    private func readKeys(_ keys: [String], _ page: inout FilledPage, _ receive: (RowPage) throws -> Void) throws {
        let row = try database.prepare(rows.rowByKey)
        let reader = RowKey(rows)
        // A key that is not there is spelled as capture would, however it was given.
        let text = RowText(keysOf: rows)
        for key in keys {
            let values = try reader.values(key)
            try row.bind(values)
            defer { row.reset() }
            if try row.step() { page.append(row) } else { page.appendDelete(text.text(values)) }
            if page.isFull { try receive(.changes(page.take())) }
        }
    }

    private func each(_ part: TablePart, _ list: String, _ body: (SQLiteStatement) throws -> Void) throws {
        let (condition, values) = try rows.condition(of: part)
        let statement = try database.prepare("SELECT \(list) FROM \(rows.quotedName) WHERE \(condition)")
        try statement.bind(values)
        defer { statement.reset() }
        while try statement.step() { try body(statement) }
    }
}
