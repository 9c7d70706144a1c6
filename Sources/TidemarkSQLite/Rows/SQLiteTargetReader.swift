package import TidemarkCore

/// Reads the rows of a target where its pipeline's cursor stands. Confined to one thread.
///
/// It writes nothing but temporary tables of its own.
package final class SQLiteTargetReader: TargetReader {
    private let database: SQLiteDatabase
    private let path: String
    private let place: FilePlace?
    private let pipeline: String
    private let moment: RowMoment
    private var compared: [CapturedTable: ComparedRows] = [:]
    private var counted: [CapturedTable: WholeRowCounts] = [:]

    package init(path: String, pipeline: String) throws {
        self.path = path
        self.pipeline = pipeline
        place = FilePlace(path)
        database = try SQLiteFile(path, role: "target").open()
        moment = RowMoment(database, role: .target, pipeline: pipeline)
    }

    package func hold(_ tables: [CapturedTable], at cursor: Cursor) throws {
        release()
        try place?.check(path, role: "target")
        try saying("the target cannot be held", pipeline: pipeline, path: path) {
            try moment.begin {
                let cursors = CursorTable(database)
                guard try cursors.exists() else { throw TargetConnection.notSetUp(path, pipeline: pipeline) }
                try cursors.require(cursor, of: pipeline)
            }
        }
    }

    package func release() {
        (compared, counted) = ([:], [:])
        moment.end()
    }

    package func keyOrder(of table: CapturedTable) throws -> [String] { try reading(table) { $0.order } }

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

    package func count(_ part: TablePart) throws -> Int64 {
        try reading(part.table) { rows in
            let (condition, values) = try rows.condition(of: part)
            return try database.rows("SELECT count(*) FROM \(rows.quotedName) WHERE \(condition)", values).first?.first?.integer ?? 0
        }
    }

    /// Where the table has no key, the rows are only counted here: `extras` says then what is missing as well.
    package func compare(_ page: ChangePage, of table: CapturedTable) throws -> [RowDifference] {
        try reading(table) { rows in
            guard rows.isKeyed else {
                try counts(rows).take(page)
                return []
            }
            if let known = compared[table] { return try known.differences(page) }
            let made = try ComparedRows(database, rows, pipeline: pipeline)
            compared[table] = made
            return try made.differences(page)
        }
    }

    /// Where the table has no key, this says also what the target lacks; the pages are looked at only if `compare` was
    /// not given them.
    package func extras(
        _ part: TablePart, besides nextPage: () throws -> ChangePage?, _ receive: (RowDifference) throws -> Void
    ) throws {
        try reading(part.table) { rows in
            guard !rows.isKeyed else {
                return try ExtraRows(database, rows, pipeline: pipeline).find(part, besides: nextPage, receive)
            }
            let isCounted = counted[part.table] != nil
            let counts = try counts(rows)
            while let page = try nextPage() { if !isCounted { try counts.take(page) } }
            counted[part.table] = nil
            try counts.finish(part, receive)
        }
    }

    private func counts(_ rows: TableRows) throws -> WholeRowCounts {
        if let known = counted[rows.captured] { return known }
        let made = try WholeRowCounts(database, rows, pipeline: pipeline)
        counted = [rows.captured: made]
        return made
    }

    private func reading<Result>(_ table: CapturedTable, _ body: (TableRows) throws -> Result) throws -> Result {
        try saying("the rows of a table cannot be read", pipeline: pipeline, table: table.name, path: path) {
            try body(try moment.rows(of: table))
        }
    }
}
