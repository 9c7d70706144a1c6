import TidemarkCore

/// A read transaction that is held: everything read on the connection is from its moment.
final class RowMoment {
    let database: SQLiteDatabase
    private let role: TableRows.Role
    private let pipeline: String?
    /// Of a source.
    private let shaping: SourceShaping?
    private var known: [CapturedTable: TableRows] = [:]

    init(_ database: SQLiteDatabase, role: TableRows.Role, pipeline: String? = nil, shaping: SourceShaping? = nil) {
        self.database = database
        self.role = role
        self.pipeline = pipeline
        self.shaping = shaping
    }

    /// - Parameter first: reads something, which takes the snapshot.
    func begin<Result>(_ first: () throws -> Result) throws -> Result {
        end()
        try database.execute("BEGIN")
        do {
            return try first()
        } catch {
            end()
            throw error
        }
    }

    /// Also takes back what was put into temporary tables meanwhile.
    func end() {
        known = [:]
        if database.isInTransaction { try? database.execute("ROLLBACK") }
    }

    /// As it is at the moment, in which the schema cannot change.
    func rows(of table: CapturedTable) throws -> TableRows {
        if database.isInTransaction, let rows = known[table] { return rows }
        let rows = try TableRows(table, in: database, role: role, pipeline: pipeline, shape: try shaping?.shape(of: table.capture))
        if database.isInTransaction { known[table] = rows }
        return rows
    }
}
