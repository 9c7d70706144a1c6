import TidemarkCore

/// The triggers that keep others from writing to a pipeline's tables. tidemark's own connections, on which triggers do
/// not fire, pass.
///
/// BEFORE each row: so a REPLACE is refused before it removes a row, and an UPSERT before it becomes an update. RAISE
/// (ABORT) ends the statement whatever its OR says.
struct TableGuard {
    private let database: SQLiteDatabase
    private let pipeline: String

    init(_ database: SQLiteDatabase, pipeline: String) { (self.database, self.pipeline) = (database, pipeline) }

    /// The names of guards' triggers, as a GLOB.
    static let names = "tidemark_guard_*"
    private static let events = ["insert", "update", "delete"]

    /// What would raise it on those of the tables that are there, in the words of a role.
    /// - Throws: where another pipeline guards one of them.
    /// - Parameter made: those of the tables that are not there yet, and will be.
    func raising(on tables: [TableName], made: [TableName] = [], as role: Standing.Role) throws -> [String] {
        let standing = try triggers()
        return try (there(tables) + made.map(\.name)).flatMap { table in
            let own = standing.filter { SQLiteIdentifier.folded($0.table) == SQLiteIdentifier.folded(table) }
            if let other = own.first(where: { !$0.sql.hasSuffix(mark) }) { throw isGuarded(table, other.name) }
            return Self.events.flatMap { event in
                let name = "tidemark_guard_\(table)_\(event)"
                let creation = creation(name, event, on: table, as: role)
                guard !own.contains(where: { $0.sql == creation }) else { return [String]() }
                return ["DROP TRIGGER IF EXISTS main.\(SQLiteIdentifier.quoted(name))", creation]
            }
        }
    }

    /// The statements that take it off all tables of the pipeline.
    func removal() throws(SQLiteFailure) -> [String] {
        try triggers().filter { $0.sql.hasSuffix(mark) }.map { "DROP TRIGGER main.\(SQLiteIdentifier.quoted($0.name))" }
    }

    /// The tables on which it is up.
    func tables() throws(SQLiteFailure) -> Set<TableName> {
        let own = Dictionary(grouping: try triggers().filter { $0.sql.hasSuffix(mark) }, by: \.table)
        return Set(own.filter { $0.value.count == Self.events.count }.keys.map { TableName(schema: nil, name: $0) })
    }

    func missing(on tables: [TableName]) throws(SQLiteFailure) -> [TableName] {
        let up = Set(try self.tables().map { SQLiteIdentifier.folded($0.name) })
        let known = Set(try SQLiteCatalog(database).tables().map { SQLiteIdentifier.folded($0.name) })
        return tables.filter { known.contains(SQLiteIdentifier.folded($0.name)) && !up.contains(SQLiteIdentifier.folded($0.name)) }
    }

    private func there(_ tables: [TableName]) throws(SQLiteFailure) -> [String] {
        let wanted = Set(tables.map { SQLiteIdentifier.folded($0.name) })
        return try SQLiteCatalog(database).tables().map(\.name).filter { wanted.contains(SQLiteIdentifier.folded($0)) }
    }

    private func triggers() throws(SQLiteFailure) -> [(name: String, table: String, sql: String)] {
        try database.rows(
            "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB '\(Self.names)' ORDER BY name"
        ).map { ($0[0].string ?? "", $0[1].string ?? "", $0[2].string ?? "") }
    }

    /// By what the text of a trigger ends with, it is known whose it is.
    private var mark: String { ", \(SQLiteIdentifier.literal(pipeline)); END" }

    private func creation(_ name: String, _ event: String, on table: String, as role: Standing.Role) -> String {
        """
        CREATE TRIGGER \(SQLiteIdentifier.quoted(name)) BEFORE \(event.uppercased()) ON \(SQLiteIdentifier.quoted(table)) \
        BEGIN SELECT RAISE(ABORT, \(SQLiteIdentifier.literal(message(table, role))))\(mark)
        """
    }

    private func message(_ table: String, _ role: Standing.Role) -> String {
        let (what, next) = switch role {
        case .replica:
            (
                "this database is a replica of pipeline \(pipeline)",
                "write to the database that it follows, or type: tidemark switchover --pipeline \(pipeline) …"
                    + " (tidemark failover … if the primary is lost)"
            )
        case .fenced:
            (
                "this database is fenced by a change of roles of pipeline \(pipeline)",
                "write to the database that was promoted: tidemark status --pipeline \(pipeline) … names it"
            )
        case .primary: ("it is guarded by pipeline \(pipeline)", "type: tidemark status --pipeline \(pipeline) …")
        }
        return "tidemark: table \(table) cannot be written: \(what); \(next)"
    }

    private func isGuarded(_ table: String, _ trigger: String) -> TidemarkError {
        TidemarkError(
            "a table is guarded by another pipeline", pipeline: pipeline, table: TableName(schema: nil, name: table),
            why: "its trigger \(trigger) is that one's",
            remedy: "One pipeline only can keep others from writing to a table: leave the table out with --exclude, or take the"
                + " other one down with tidemark teardown.")
    }
}
