import TidemarkCore

/// Changes put aside at the target until their window has been read to its end: in temporary tables, so that the
/// memory stays bounded whatever the window.
final class WindowStaging {
    let database: SQLiteDatabase
    private(set) var isUsed = false
    private lazy var putting = Result<SQLiteStatement, SQLiteFailure> { () throws(SQLiteFailure) in
        try database.prepare(
            """
            INSERT INTO temp.tidemark_staged (slot, key, capture, change, operation, image) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (slot, key) DO UPDATE SET capture = excluded.capture, change = excluded.change,
                operation = excluded.operation, image = excluded.image
            """)
    }
    private lazy var withdrawing = Result<SQLiteStatement, SQLiteFailure> { () throws(SQLiteFailure) in
        try database.prepare("DELETE FROM temp.tidemark_staged WHERE slot = ?1 AND key = ?2")
    }
    private lazy var counting = Result<SQLiteStatement, SQLiteFailure> { () throws(SQLiteFailure) in
        try database.prepare(
            """
            INSERT INTO temp.tidemark_counted (slot, capture, image, times, change) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (slot, capture, image) DO UPDATE SET times = times + excluded.times, change = excluded.change
            """)
    }

    /// Outside of any transaction: a rollback would take the tables with it.
    init(_ database: SQLiteDatabase) throws(SQLiteFailure) {
        self.database = database
        try database.execute(
            """
            CREATE TEMP TABLE tidemark_staged (
                slot INTEGER, key BLOB, capture INTEGER, change INTEGER, operation INTEGER, image BLOB,
                PRIMARY KEY (slot, key));
            CREATE TEMP TABLE tidemark_counted (
                slot INTEGER, capture INTEGER, image BLOB, times INTEGER, change INTEGER,
                PRIMARY KEY (slot, capture, image));
            """)
    }

    func begin() throws(SQLiteFailure) {
        isUsed = false
        try database.execute("DELETE FROM temp.tidemark_staged; DELETE FROM temp.tidemark_counted")
    }

    /// Keeps the latest change of a row with a key.
    func put(_ page: AppliedPage, _ index: Int, _ table: TargetTable) throws {
        let change = page.page.changes[index]
        let statement = try putting.get()
        isUsed = true
        statement.bind(table.slot, at: 1)
        _ = statement.bindBlob(borrowing: page.key(index), at: 2)
        statement.bind(Int64(change.capture), at: 3)
        statement.bind(change.id, at: 4)
        statement.bind(Int64(change.operation.rawValue), at: 5)
        if change.operation == .delete {
            statement.bindNull(at: 6)
        } else {
            _ = statement.bindBlob(borrowing: page.image(index), at: 6)
        }
        try statement.run()
    }

    /// Forgets what was put for a row that needs no change after all.
    func withdraw(_ page: AppliedPage, _ index: Int, _ table: TargetTable) throws {
        guard isUsed else { return }
        let statement = try withdrawing.get()
        statement.bind(table.slot, at: 1)
        _ = statement.bindBlob(borrowing: page.key(index), at: 2)
        try statement.run()
    }

    /// Adds to the net count of a whole row.
    func count(_ page: AppliedPage, _ index: Int, _ table: TargetTable, times: Int64) throws {
        let change = page.page.changes[index]
        let statement = try counting.get()
        isUsed = true
        statement.bind(table.slot, at: 1)
        statement.bind(Int64(change.capture), at: 2)
        _ = statement.bindBlob(borrowing: page.image(index), at: 3)
        statement.bind(times, at: 4)
        statement.bind(change.id, at: 5)
        try statement.run()
    }

    /// A truncation voids what came before it.
    func forget(_ slot: Int64) throws(SQLiteFailure) {
        guard isUsed else { return }
        _ = try database.rows("DELETE FROM temp.tidemark_staged WHERE slot = ?", [.integer(slot)])
        _ = try database.rows("DELETE FROM temp.tidemark_counted WHERE slot = ?", [.integer(slot)])
    }
}
