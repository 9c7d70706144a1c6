import TidemarkCore

/// The triggers that keep what is deleted from a table that several ends write: otherwise an older change that comes later would bring
/// a row back. tidemark's own connections do not fire them; what they delete is kept in the statements that do.
///
/// They run inside the application's SQLite: core functions only. Rows that a REPLACE removes to make room for one with another key fire no
/// trigger, unless `PRAGMA recursive_triggers` is on. So what could be removed like that is kept before each write. What stays after all,
/// as the write was ignored or became an UPDATE, is kept in vain: only of a row that is gone is asked what it was, and whatever removes it
/// keeps it anew.
struct TombstoneTriggers {
    private let database: SQLiteDatabase
    private let pipeline: String

    /// The names of them, as a GLOB.
    static let names = "tidemark_tombstone_*"

    init(_ database: SQLiteDatabase, pipeline: String) { (self.database, self.pipeline) = (database, pipeline) }

    /// The statements that make them on these tables, and take them off those that no pipeline shares any more.
    func statements(for tables: [CapturedTable]) throws -> [String] {
        let isInstalled = try database.hasTable(SQLiteCatalog.tombstones)
        guard isInstalled || !tables.isEmpty else { return [] }
        let standing = try triggers()
        var (wanted, statements): ([String], [String]) = ([], [])
        for captured in tables {
            let target = try TargetTable(captured, slot: 0, in: database, pipeline: pipeline)
            wanted.append(target.table.name)
            for (name, creation) in creations(target) where !standing.contains(where: { $0.name == name && $0.sql == creation }) {
                statements += ["DROP TRIGGER IF EXISTS main.\(SQLiteIdentifier.quoted(name))", creation]
            }
        }
        let known = isInstalled ? try shared(by: pipeline) : []
        statements += wanted.filter { !known.contains($0) }.map {
            "INSERT INTO tidemark_shared_table (pipeline, table_name) VALUES (\(literal(pipeline)), \(literal($0)))"
        }
        return statements + (try removal(of: known.filter { !wanted.contains($0) }, standing))
    }

    /// The statements that take the pipeline's away.
    func removal() throws(SQLiteFailure) -> [String] {
        guard try database.hasTable(SQLiteCatalog.tombstones) else { return [] }
        return try removal(of: shared(by: pipeline), triggers())
    }

    /// And all of them, whoever they are for.
    func wholeRemoval() throws(SQLiteFailure) -> [String] { try triggers().map { Self.drop($0.name) } }

    private func removal(of tables: [String], _ standing: [(name: String, table: String, sql: String)]) throws(SQLiteFailure) -> [String] {
        var statements: [String] = []
        for table in tables {
            statements.append("DELETE FROM tidemark_shared_table WHERE pipeline = \(literal(pipeline)) AND table_name = \(literal(table))")
            let others = try database.rows(
                "SELECT 1 FROM main.tidemark_shared_table WHERE table_name = ? AND pipeline <> ? LIMIT 1", [.string(table), .string(pipeline)])
            guard others.isEmpty else { continue }
            let own = creationNames(table)
            statements += standing.filter { own.contains($0.name) }.map { Self.drop($0.name) }
            statements.append("DELETE FROM tidemark_tombstone WHERE table_name = \(literal(table))")
        }
        return statements
    }

    private func shared(by pipeline: String) throws(SQLiteFailure) -> [String] {
        try database.rows("SELECT table_name FROM main.tidemark_shared_table WHERE pipeline = ? ORDER BY 1", [.string(pipeline)]).compactMap { $0[0].string }
    }

    private func triggers() throws(SQLiteFailure) -> [(name: String, table: String, sql: String)] {
        try database.rows(
            "SELECT name, tbl_name, sql FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB '\(Self.names)' ORDER BY name"
        ).map { ($0[0].string ?? "", $0[1].string ?? "", $0[2].string ?? "") }
    }

    private func creationNames(_ table: String) -> [String] {
        ["delete", "update", "before_insert", "before_update"].map { "tidemark_tombstone_\(table)_\($0)" }
    }
    private func literal(_ text: String) -> String { SQLiteIdentifier.literal(text) }
    private static func drop(_ name: String) -> String { "DROP TRIGGER IF EXISTS main.\(SQLiteIdentifier.quoted(name))" }

    /// A row whose key is changed is gone from its old one. By WHEN, as UPDATE OF does not see a rowid that is set by that name.
    private func creations(_ target: TargetTable) -> [(name: String, sql: String)] {
        let keys = target.keyTerms.compactMap(\.column)
        let isAnother = keys.map { key in
            let (old, new) = ("OLD.\(SQLiteIdentifier.quoted(key))", "NEW.\(SQLiteIdentifier.quoted(key))")
            return "\(old) IS NOT \(new) COLLATE BINARY OR typeof(\(old)) <> typeof(\(new))"
        }.joined(separator: " OR ")
        let keepOld = keep(target, key: SQLiteEncoding.object(keys.sorted(), of: "OLD"), row: "OLD", from: "")
        let (insertion, update) = (replaceable(target, keys, besides: ["NEW"]), replaceable(target, keys, besides: ["NEW", "OLD"]))
        let (names, table) = (creationNames(target.table.name), SQLiteIdentifier.quoted(target.table.name))
        let triggers = [
            (names[0], "AFTER DELETE", "", keepOld), (names[1], "AFTER UPDATE", " WHEN \(isAnother)", keepOld),
            (names[2], "BEFORE INSERT", "", insertion), (names[3], "BEFORE UPDATE", "", update),
        ]
        return triggers.filter { !$0.3.isEmpty }.map { name, event, condition, body in
            (name,
                "CREATE TRIGGER \(SQLiteIdentifier.quoted(name)) \(event) ON \(table) FOR EACH ROW\(condition) BEGIN\n"
                    + body.map { "  \($0);\n" }.joined() + "END")
        }
    }

    /// Keeps the rows that NEW could replace, which have other keys than these.
    private func replaceable(_ target: TargetTable, _ keys: [String], besides others: [String]) -> [String] {
        let notes = SQLiteNotes(table: target.table, capture: 0)
        let key = SQLiteEncoding.object(keys.sorted(), of: notes.row)
        return notes.slots.flatMap { slot in
            let conditions = notes.conflicts(with: slot) + others.map { "\(key) <> \(SQLiteEncoding.object(keys.sorted(), of: $0))" }
            return keep(target, key: key, row: notes.row, from: " FROM \(notes.from) WHERE \(conditions.joined(separator: " AND "))")
        }
    }

    private func keep(_ target: TargetTable, key: String, row: String, from: String) -> [String] {
        let name = literal(target.table.name)
        return [
            "DELETE FROM tidemark_tombstone WHERE table_name = \(name) AND key IN (SELECT \(key)\(from))",
            "INSERT INTO tidemark_tombstone (schema_name, table_name, key, image, deleted_at) "
                + "SELECT '', \(name), \(key), \(SQLiteEncoding.object(target.columnNames, of: row)), strftime('%Y-%m-%dT%H:%M:%fZ', 'now')\(from)",
        ]
    }
}
