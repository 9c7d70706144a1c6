import TidemarkCore

/// Makes a table without a key hold exactly the rows that were read, as often as they were: rows are counted in a temporary
/// table, those that stand here counted off, and only what does not come out even is written.
final class WholeRowReplacement {
    private(set) var written = Int64(0)
    private(set) var deleted = Int64(0)

    private let database: SQLiteDatabase
    private let pipeline: String
    private let rows: TableRows
    private let tables: TargetTables
    private let staging: WindowStaging
    private let image: ImageBinder
    /// Columns that the target writes, by their place among all.
    private let places: [Int]
    private let given: SQLiteStatement
    private let adding: SQLiteStatement
    private let counting: SQLiteStatement
    private let labels: ImageLabels
    private let buffer = RowBuffer(capacity: 4096)
    private let scratch = ScratchBytes()

    private static let name = "tidemark_rows_read"

    init(_ database: SQLiteDatabase, pipeline: String, _ rows: TableRows, tables: TargetTables, staging: WindowStaging) throws {
        self.database = database
        self.pipeline = pipeline
        self.rows = rows
        self.tables = tables
        self.staging = staging
        image = try TargetTable(rows.captured, slot: 0, in: database, pipeline: pipeline).image
        places = rows.columns.indices.filter { !rows.columns[$0].isGenerated }
        given = try database.prepare(GivenRow.sql(columns: places.count))
        labels = ImageLabels(places.map { rows.captured.columns[$0].name })
        // By a hash, as an index of whole rows would be as large as they are; rows with one hash are told apart.
        try database.execute(
            """
            DROP TABLE IF EXISTS temp.\(Self.name);
            CREATE TEMP TABLE \(Self.name) (hash INTEGER, times INTEGER, image BLOB);
            CREATE INDEX temp.\(Self.name)_hash ON \(Self.name) (hash)
            """)
        counting = try database.prepare("UPDATE temp.\(Self.name) SET times = times + ?3 WHERE hash = ?1 AND image = ?2")
        adding = try database.prepare("INSERT INTO temp.\(Self.name) VALUES (?1, ?3, ?2)")
    }

    func take(_ page: ChangePage) throws {
        try page.bytes.withUnsafeBufferPointer { bytes in
            let applied = AppliedPage(page: page, bytes: bytes)
            for index in page.changes.indices where page.changes[index].operation != .delete {
                do {
                    try image.bind(applied.image(index), to: given, scratch)
                    defer { given.reset() }
                    _ = try given.step()
                    try count(given, 1)
                } catch {
                    throw ApplyFault(pipeline: pipeline, table: rows.captured.name).error(for: error, order: .staged)
                }
            }
        }
    }

    func finish() throws {
        let list = places.isEmpty ? "NULL" : places.map { rows.reference(rows.columns[$0]) }.joined(separator: ", ")
        let standing = try database.prepare("SELECT \(list) FROM \(rows.quotedName)")
        while try standing.step() { try count(standing, -1) }
        standing.reset()
        try write()
        try database.execute("DROP TABLE temp.\(Self.name)")
    }

    /// Every row in one form, whatever the source's encoding: bit for bit what is, or would be, in the table.
    private func count(_ row: SQLiteStatement, _ times: Int64) throws {
        buffer.clear()
        labels.write(to: buffer) { row.appendImage(Int32($0), to: buffer) }
        let hash = row.rowHash(Int32(places.count))
        let bytes = buffer.bytes.bindMemory(to: UInt8.self)
        for statement in [counting, adding] {
            statement.bind(hash, at: 1)
            _ = statement.bindBlob(borrowing: bytes, at: 2)
            statement.bind(times, at: 3)
            try statement.run()
            if statement === counting, database.changes > 0 { return }
        }
    }

    /// As the stream writes rows without a key: all that go first.
    private func write() throws {
        var table = rows.captured
        table.columns = places.map { rows.captured.columns[$0] }
        table.encoding = .storageClasses
        try tables.begin([table.capture: table])
        let application = try WindowApplication(database, pipeline: pipeline, order: .staged, tables: tables, staging: staging)
        let uneven = try database.prepare("SELECT image, times FROM temp.\(Self.name) WHERE times <> 0 ORDER BY rowid")
        defer { uneven.reset() }
        var page = ChangePage()
        do {
            while try uneven.step() {
                let times = uneven.int64(1)
                if times > 0 { written += times } else { deleted -= times }
                for _ in 0..<abs(times) {
                    page.append(
                        id: Int64(page.changes.count + 1), capture: table.capture, operation: times > 0 ? .insert : .delete, key: nil,
                        image: uneven.bytes(0))
                    guard page.changes.count >= RowPages.rowsMax || page.bytes.count >= RowPages.bytesMax else { continue }
                    try application.take(page)
                    page = ChangePage()
                }
            }
            if !page.changes.isEmpty { try application.take(page) }
            try application.finish()
        } catch {
            throw PolledFault.error(for: error)
        }
    }
}
