package import TidemarkCore

/// Reads the rows of one SQLite database. Confined to one thread.
///
/// It never writes; a file in WAL mode has to be opened for writing all the same, as readers keep their place in it.
package final class SQLiteRowSource: RowSource {
    package let readersMax = 1
    package let holdMaxMs: Int

    private let database: SQLiteDatabase
    private let path: String
    private let place: FilePlace?
    private let moment: RowMoment
    private let shaping: SourceShaping

    package init(path: String) throws {
        self.path = path
        place = FilePlace(path)
        let database = try SQLiteFile(path, role: "source").open()
        self.database = database
        shaping = SourceShaping(database)
        moment = RowMoment(database, role: .source, shaping: shaping)
        holdMaxMs = try saying("the source cannot be read", path: path) {
            // In the other modes a reader keeps the application from committing.
            try database.rows("PRAGMA main.journal_mode").first?.first?.string == "wal" ? 2_000 : 100
        }
    }

    package func shape(_ rules: TableRules) throws {
        try saying("the tables cannot be shaped", path: path) { try shaping.begin(rules) }
    }

    /// A transaction that has read is the moment, and in it no table can be altered under the reader.
    package func hold(_ tables: [TableName]) throws -> HeldPosition {
        try place?.check(path, role: "source")
        return try saying("the source cannot be held", path: path) {
            try moment.begin {
                let log = ChangeLog(database: database)
                guard try log.isInstalled() else {
                    throw TidemarkError(
                        "the source is not set up", why: "\(path) has no tidemark_installation",
                        remedy: "Type: tidemark setup --source sqlite:\(path) --target …")
                }
                return HeldPosition(
                    snapshot: .change(try log.last()?.id ?? 0), share: nil, tables: try shaping.tables(CaptureRegistry(database).capturedTables()))
            }
        }
    }

    package func join(_ position: HeldPosition) throws {
        throw TidemarkError(
            "a position cannot be shared", why: "SQLite hands no snapshot to a second connection",
            remedy: "This is a mistake of tidemark's: report it.")
    }

    package func release() { moment.end() }

    /// In WAL mode nobody waits for a reader; in the others it cannot be seen whether somebody does, and `holdMaxMs`
    /// is short instead.
    package func isInTheWay() throws -> Bool { false }

    package func size(of table: CapturedTable) throws -> TableSize {
        try reading(table) { try TableEstimate(database, $0).size() }
    }

    package func keyOrder(of table: CapturedTable) throws -> [String] { try reading(table) { $0.order } }

    package func key(in part: TablePart, afterRows rows: Int) throws -> String? {
        try reading(part.table) { try PartKeys(database, $0).key(in: part, afterRows: rows) }
    }

    package func check(condition: String, of table: CapturedTable) throws {
        try reading(table) { try TypedCondition(condition, of: $0).check(in: database) }
    }

    package func read(_ part: TablePart, as form: RowForm, _ receive: (RowPage) throws -> Void) throws {
        try reading(part.table) { table in
            let pages = RowPages(database, table)
            switch form {
            case .changes: try pages.readChanges(part, receive)
            case .native(let columns): try pages.readNative(part, columns: columns, receive)
            }
        }
    }

    package func digests(of part: TablePart, buckets: Int) throws -> [Int: RowDigest] {
        try reading(part.table) { try RowDigests(database, $0).digests(of: part, buckets: buckets) }
    }

    package func list(
        _ part: TablePart, buckets: Int, chosen: Set<Int>, _ receive: (RowFingerprint) throws -> Void
    ) throws {
        try reading(part.table) {
            try RowDigests(database, $0).list(part, buckets: buckets, chosen: chosen, receive)
        }
    }

    package func columnHashes(of table: CapturedTable, keys: [String]) throws -> [String: [Int64]] {
        try reading(table) { try RowDigests(database, $0).columnHashes(keys: keys) }
    }

    private func reading<Result>(_ table: CapturedTable, _ body: (TableRows) throws -> Result) throws -> Result {
        try saying("the rows of a table cannot be read", table: table.name, path: path) {
            try body(try moment.rows(of: table))
        }
    }
}
