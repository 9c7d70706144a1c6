import Glibc
package import TidemarkCore

/// Reads the tables of one SQLite database as they are, with nothing of tidemark's in it. Confined to one thread.
///
/// The file is opened for reading only, and may be read-only itself. In WAL mode what is held is one moment. In the other modes
/// a reader keeps the application from committing: there each reading is a moment of its own, over within about a second for a
/// million rows. A pass over a whole table is one reading; one in parts is repeated, or compares keys, and finds out then what
/// moved between its parts.
package final class SQLitePolledSource: PolledSource {
    private let database: SQLiteDatabase
    private let path: String
    private let place: FilePlace?
    private let isWAL: Bool
    private var known: [CapturedTable: Known] = [:]

    private struct Known {
        var standing: CapturedTable
        /// Nil where the rows travel as they are.
        var shape: RowShape?
    }

    package init(path: String) throws {
        self.path = path
        place = FilePlace(path)
        let database = try SQLiteFile(path, role: "source").open(.readOnly)
        self.database = database
        isWAL = try saying("the source cannot be read", path: path) {
            try database.addShapingFunctions()
            return try database.rows("PRAGMA main.journal_mode").first?.first?.string == "wal"
        }
    }

    /// The path, as nothing in a file is its own: an id would have to be written, and the two numbers that an application may
    /// write change with its versions. A link in it is not followed, so that a file delivered anew behind one stays the same
    /// source; so does a restored copy that is put in its place.
    package func identity() throws -> String {
        var steps: [Substring] = []
        let start = path.hasPrefix("/") ? "" : getcwd(nil, 0).map { directory in
            defer { free(directory) }
            return String(cString: directory) + "/"
        } ?? ""
        for step in (start + path).split(separator: "/") where step != "." {
            if step == ".." { _ = steps.popLast() } else { steps.append(step) }
        }
        return "file:/" + steps.joined(separator: "/")
    }

    package func tables(_ selection: TableSelection, _ rules: TableRules) throws -> [CapturedTable] {
        let found = try reading("the tables cannot be read", nil) {
            let shapes = TableShapes(database: database, rules: rules)
            return try SQLiteCatalog(database).tables().map(CapturedTable.init(read:)).filter { selection.takes($0.name) }.map { table in
                switch try shapes.shape(of: table) {
                case .success(let shape): return Known(standing: table, shape: shape)
                case .failure(let faults): throw faults.first(of: table.name)
                }
            }
        }
        let tables = found.map { $0.shape?.shaped ?? $0.standing }
        known = Dictionary(zip(tables, found), uniquingKeysWith: { one, _ in one })
        return tables
    }

    package func hold(_ tables: [TableName]) throws {
        release()
        guard isWAL else { return }
        try reading("the source cannot be held", nil, keeping: true) { _ = try database.rows("SELECT count(*) FROM main.sqlite_schema") }
    }

    package func release() { if database.isInTransaction { try? database.execute("ROLLBACK") } }

    package func size(of table: CapturedTable) throws -> TableSize {
        try reading(table) { try TableEstimate(database, $0).size() }
    }

    package func key(in part: TablePart, afterRows rows: Int) throws -> String? {
        try reading(part.table) { try PartKeys(database, $0).key(in: part, afterRows: rows) }
    }

    package func read(_ part: TablePart, _ receive: (ChangePage) throws -> Void) throws {
        try reading(part.table) { rows in
            let (condition, values) = try rows.condition(of: part)
            let query = "SELECT \(rows.columnList.isEmpty ? "1" : rows.columnList) FROM \(rows.quotedName) WHERE \(condition)"
            try pages(rows, [(query, values)], columns: max(rows.values.count, 1), receive) { $0.append($1) }
        }
    }

    package func keys(of part: TablePart, _ receive: (ChangePage) throws -> Void) throws {
        try reading(part.table) { rows in
            guard rows.isKeyed else { return }
            let (condition, values) = try rows.condition(of: part)
            let list = rows.keyColumns.map(rows.reference).joined(separator: ", ")
            try pages(rows, [("SELECT \(list) FROM \(rows.quotedName) WHERE \(condition)", values)], columns: rows.keyColumns.count, receive) {
                $0.appendKey($1)
            }
        }
    }

    // MARK: By what has changed

    package func reach(of table: CapturedTable, by incremental: IncrementalReading) throws -> IncrementalReach {
        try reading(table) { rows in
            let marks = try MarkColumns(incremental, of: rows)
            try check(incremental, of: rows)
            guard let highest = try database.rows(marks.highest).first else {
                // Rows without a value are read all the same, each time.
                let isEmpty = try database.rows("SELECT 1 FROM \(rows.quotedName) LIMIT 1").isEmpty
                return IncrementalReach(mark: isEmpty ? nil : marks.none, horizon: nil)
            }
            let mark = marks.mark(highest)
            try marks.check(mark)
            // One writer at a time: what may still be committed was not written yet when this was.
            return IncrementalReach(mark: mark, horizon: nil)
        }
    }

    package func isPast(_ horizon: String) throws -> Bool { true }

    package func read(
        _ table: CapturedTable, by incremental: IncrementalReading, after mark: ChangeMark?, through end: ChangeMark,
        _ receive: (ChangePage) throws -> Void
    ) throws {
        try reading(table) { rows in
            let marks = try MarkColumns(incremental, of: rows)
            try check(incremental, of: rows)
            // On a line of its own, so that a comment in it does not hide what follows.
            let looked = incremental.condition.map { " AND (\($0)\n)" } ?? ""
            let from = "SELECT \((rows.values + [rows.travels]).joined(separator: ", ")) FROM \(rows.quotedName) WHERE "
            var queries: [(sql: String, values: [SQLiteValue])] = [(from + marks.isWithout + looked, [])]
            if let range = try marks.range(after: mark, through: end) {
                queries.append((from + range.sql + looked + " ORDER BY \(marks.order)", range.values))
            }
            let flag = Int32(rows.values.count)
            try pages(rows, queries, columns: rows.values.count + 1, receive) { page, row in
                if row.int64(flag) == 1 { page.append(row) } else { page.appendDelete(row) }
            }
        }
    }

    private func check(_ incremental: IncrementalReading, of rows: TableRows) throws {
        guard let condition = incremental.condition else { return }
        try TypedCondition(
            condition, of: rows, remedy: "condition: takes what would stand behind WHERE in SQLite's SQL, such as: region = 'north'"
        ).check(in: database)
    }

    // MARK: Parts

    private func pages(
        _ rows: TableRows, _ queries: [(sql: String, values: [SQLiteValue])], columns: Int, _ receive: (ChangePage) throws -> Void,
        _ take: (inout FilledPage, SQLiteStatement) -> Void
    ) throws {
        var page = FilledPage(rows)
        try BriefReading(database: database, isWAL: isWAL).each(queries, columns: columns) { row in
            take(&page, row)
            if page.isFull { try receive(page.take()) }
        }
        if !page.isEmpty { try receive(page.take()) }
    }

    private func reading<Result>(_ table: CapturedTable, _ body: (TableRows) throws -> Result) throws -> Result {
        try reading("the rows of a table cannot be read", table.name) {
            guard let known = known[table], let found = try SQLiteCatalog(database).table(table.name.name),
                CapturedTable(read: found) == known.standing
            else { throw altered(table.name) }
            return try body(try TableRows(table, in: database, role: .source, shape: known.shape))
        }
    }

    /// In a transaction of its own, unless a moment is held.
    private func reading<Result>(
        _ what: String, _ table: TableName?, keeping isKept: Bool = false, _ body: () throws -> Result
    ) throws -> Result {
        let isHeld = database.isInTransaction
        do {
            try place?.check(path, role: "source")
            if !isHeld { try database.execute("BEGIN") }
            let result = try body()
            if !isHeld, !isKept { release() }
            return result
        } catch {
            if !isHeld { release() }
            guard let failure = error as? SQLiteFailure else { throw error }
            throw failure.readOnlyObstacle(path, table) ?? failure.error(what, table: table, path: path)
        }
    }

    private func altered(_ table: TableName) -> TidemarkError {
        TidemarkError(
            "a table was altered", table: table, why: "its columns or its key are not those with which it was looked at",
            remedy: "It is looked at again, and read as it is then.", retry: .later)
    }
}

extension CapturedTable {
    /// A table that is read itself.
    init(read table: SQLiteTable) {
        self.init(
            capture: 0, name: TableName(schema: nil, name: table.name),
            columns: table.columns.map { CapturedColumn(name: $0.name, type: $0.declaredType, isGenerated: $0.isGenerated) },
            keyColumns: table.key?.columns ?? [], encoding: .storageClasses)
    }
}
