import TidemarkCore

/// The end of a window: removes the rows that staged changes touch, then puts their final images in.
struct StagedReplay {
    private let database: SQLiteDatabase
    private let staging: WindowStaging
    private let tables: TargetTables
    private let scratch: ScratchBytes
    private let pipeline: String
    /// Below it, looking for each row by itself is cheaper than joining them all.
    private let singlyMax = Int64(12)

    init(
        _ database: SQLiteDatabase, staging: WindowStaging, tables: TargetTables, scratch: ScratchBytes, pipeline: String
    ) {
        self.database = database
        self.staging = staging
        self.tables = tables
        self.scratch = scratch
        self.pipeline = pipeline
    }

    func run() throws {
        try eachStaged("1") { (table: TargetTable, row: SQLiteStatement) throws in
            let delete = try table.statement(.delete)
            try self.run(delete, row.bytes(0), table.key, table, row)
        }
        try deleteWholeRows()
        try eachStaged("operation <> \(Operation.delete.rawValue)") { (table: TargetTable, row: SQLiteStatement) throws in
            let insert = try table.statement(.insert)
            try self.run(insert, row.bytes(3), table.image, table, row)
        }
        try insertWholeRows()
    }

    private func eachStaged(_ condition: String, _ body: (TargetTable, SQLiteStatement) throws -> Void) throws {
        // By slot and place, so that one table's pages stay in the cache.
        let rows = try database.prepare(
            "SELECT key, capture, change, image FROM temp.tidemark_staged WHERE \(condition) ORDER BY slot, rowid")
        defer { rows.reset() }
        while try rows.step() { try body(try tables.table(Int32(rows.int64(1))), rows) }
    }

    private func run(
        _ statement: SQLiteStatement, _ json: UnsafeRawBufferPointer?, _ binder: ImageBinder, _ table: TargetTable,
        _ row: SQLiteStatement
    ) throws {
        do {
            let bytes = json?.bindMemory(to: UInt8.self) ?? UnsafeBufferPointer<UInt8>(start: nil, count: 0)
            try binder.bind(bytes, to: statement, scratch)
            try statement.run()
        } catch {
            let key = row.bytes(0).map { String(decoding: $0, as: UTF8.self) }
            throw ApplyFault(pipeline: pipeline, table: table.captured.name, key: key, changeID: row.int64(2))
                .error(for: error, order: .staged)
        }
    }

    private func insertWholeRows() throws {
        let rows = try database.prepare(
            "SELECT NULL, capture, change, image, times FROM temp.tidemark_counted WHERE times > 0 ORDER BY slot, change")
        defer { rows.reset() }
        while try rows.step() {
            let table = try tables.table(Int32(rows.int64(1)))
            for _ in 0..<rows.int64(4) {
                try run(table.statement(.insert), rows.bytes(3), table.image, table, rows)
            }
        }
    }

    private func deleteWholeRows() throws {
        let captures = try database.rows(
            "SELECT capture, count(*) FROM temp.tidemark_counted WHERE times < 0 GROUP BY slot, capture ORDER BY slot, capture")
        for row in captures {
            guard let capture = row[0].integer, let count = row[1].integer else { continue }
            let table = try tables.table(Int32(capture))
            if count <= singlyMax {
                try deleteSingly(capture, table)
            } else {
                try deleteTogether(capture, table)
            }
        }
    }

    private func gone(_ capture: Int64) throws(SQLiteFailure) -> SQLiteStatement {
        try database.prepare(
            "SELECT NULL, capture, change, image, -times FROM temp.tidemark_counted WHERE times < 0 AND capture = \(capture)")
    }

    private func deleteSingly(_ capture: Int64, _ table: TargetTable) throws {
        let rows = try gone(capture)
        defer { rows.reset() }
        let delete = try table.statement(.deleteWholeRows)
        while try rows.step() {
            delete.bind(rows.int64(4), at: table.countPlace)
            try run(delete, rows.bytes(3), table.image, table, rows)
            guard database.changes == rows.int64(4) else { throw absent(table, rows.int64(2)) }
        }
    }

    /// One pass over the table, each row looked up among those that go.
    private func deleteTogether(_ capture: Int64, _ table: TargetTable) throws {
        let name = "tidemark_gone"
        let sql = table.wholeRowsTable(name)
        try database.execute(sql.create)
        let fill = try database.prepare(sql.insert)
        let rows = try gone(capture)
        while try rows.step() {
            fill.bind(rows.int64(4), at: table.countPlace)
            fill.bind(rows.int64(2), at: table.countPlace + 1)
            try run(fill, rows.bytes(3), table.image, table, rows)
        }
        rows.reset()
        try database.execute(sql.index)
        let expected = try database.rows("SELECT sum(times) FROM temp.\(name)").first?.first
        try database.execute(sql.delete)
        guard .integer(database.changes) == expected else {
            throw absent(table, try database.rows("SELECT min(change) FROM temp.\(name)").first?.first?.integer)
        }
        try database.execute("DROP TABLE temp.\(name)")
    }

    private func absent(_ table: TargetTable, _ changeID: Int64?) -> TidemarkError {
        TidemarkError(
            "a row that the source deleted is not on the target", pipeline: pipeline, table: table.captured.name,
            changeID: changeID, why: "the table has no key, and no row, or too few, hold exactly these values",
            remedy: "The target was changed by someone else: type tidemark copy --table … --existing empty …, or give it a key on both sides.",
            isAboutData: true)
    }
}
