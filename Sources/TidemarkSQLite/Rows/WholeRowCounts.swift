import TidemarkCore

/// Compares a source's rows with a target's where neither has a key: as two multisets. The source's are counted in a
/// temporary table by their hash, then the target's counted off.
final class WholeRowCounts {
    private let database: SQLiteDatabase
    private let rows: TableRows
    private let pipeline: String
    private let target: TargetTable
    /// Where the columns that are written stand among all.
    private let places: [Int32]
    private let given: SQLiteStatement
    private let count: SQLiteStatement
    private let scratch = ScratchBytes()

    init(_ database: SQLiteDatabase, _ rows: TableRows, pipeline: String) throws {
        self.database = database
        self.rows = rows
        self.pipeline = pipeline
        target = try TargetTable(rows.captured, slot: 0, in: database, pipeline: pipeline)
        places = rows.columns.indices.filter { !rows.columns[$0].isGenerated }.map(Int32.init)
        given = try database.prepare(GivenRow.sql(columns: places.count))
        try database.execute(
            """
            DROP TABLE IF EXISTS temp.tidemark_rows;
            CREATE TEMP TABLE tidemark_rows (hash INTEGER PRIMARY KEY, times INTEGER, image BLOB)
            """)
        count = try database.prepare(
            """
            INSERT INTO temp.tidemark_rows VALUES (?1, ?2, ?3) ON CONFLICT (hash) DO UPDATE SET times = times + excluded.times
            """)
    }

    /// Counts a page of the source's rows in.
    func take(_ page: ChangePage) throws {
        try page.bytes.withUnsafeBufferPointer { bytes in
            let applied = AppliedPage(page: page, bytes: bytes)
            for index in page.changes.indices {
                do {
                    try target.image.bind(applied.image(index), to: given, scratch)
                    defer { given.reset() }
                    _ = try given.step()
                    let times: Int64 = page.changes[index].operation == .delete ? -1 : 1
                    try add(given.rowHash(Int32(places.count)), times, applied.image(index))
                } catch {
                    throw ApplyFault(pipeline: pipeline, table: rows.captured.name).error(for: error, order: .staged)
                }
            }
        }
    }

    /// Counts the target's rows off, and says what does not come out even.
    func finish(_ part: TablePart, _ receive: (RowDifference) throws -> Void) throws {
        try countOff(part)
        let statement = try database.prepare("SELECT times, image FROM temp.tidemark_rows WHERE times <> 0")
        defer { statement.reset() }
        while try statement.step() {
            let times = statement.int64(0)
            let image = statement.bytes(1).map { String(decoding: $0, as: UTF8.self) } ?? ""
            try receive(RowDifference(times > 0 ? .missing : .extra, key: image, count: abs(times)))
        }
    }

    private func countOff(_ part: TablePart) throws {
        let text = RowText(rows.captured.columns, encoding: rows.captured.encoding)
        let (condition, values) = try rows.condition(of: part)
        let standing = try database.prepare("SELECT \(rows.columnList) FROM \(rows.quotedName) WHERE \(condition)")
        try standing.bind(values)
        defer { standing.reset() }
        let known = try database.prepare("UPDATE temp.tidemark_rows SET times = times - 1 WHERE hash = ?1")
        while try standing.step() {
            var hash = ValueHash()
            for place in places { standing.fold(place, into: &hash) }
            known.bind(hash.value, at: 1)
            try known.run()
            guard database.changes == 0 else { continue }
            // Only what the source has not is written out.
            try Array(text.text(standing.row()).utf8).withUnsafeBufferPointer { try add(hash.value, -1, $0) }
        }
    }

    private func add(_ hash: Int64, _ times: Int64, _ image: UnsafeBufferPointer<UInt8>) throws {
        count.bind(hash, at: 1)
        count.bind(times, at: 2)
        _ = count.bindBlob(borrowing: image, at: 3)
        try count.run()
    }
}
