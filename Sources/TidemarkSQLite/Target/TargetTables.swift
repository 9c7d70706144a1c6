import TidemarkCore

/// The target's tables by the generations that write them, as long as the target's schema stays as it is.
final class TargetTables {
    private let database: SQLiteDatabase
    private let pipeline: String
    private var captured: [Int32: CapturedTable] = [:]
    private var known: [Int32: TargetTable] = [:]
    private var slots: [String: Int64] = [:]
    private var schemaVersion: SQLiteValue?

    init(_ database: SQLiteDatabase, pipeline: String) {
        self.database = database
        self.pipeline = pipeline
    }

    /// Inside the window's transaction, in which the schema cannot change.
    func begin(_ tables: [Int32: CapturedTable]) throws(SQLiteFailure) {
        let version = try database.rows("PRAGMA main.schema_version").first?.first
        if version != schemaVersion || tables != captured { known = [:] }
        (schemaVersion, captured) = (version, tables)
    }

    func table(_ capture: Int32) throws -> TargetTable {
        if let table = known[capture] { return table }
        guard let found = captured[capture] else {
            throw TidemarkError(
                "a change belongs to no known table", pipeline: pipeline,
                why: "the source's registry has no capture \(capture)",
                remedy: "The registry was altered by hand: type tidemark teardown … and tidemark setup …, then tidemark run --existing empty …")
        }
        let name = SQLiteIdentifier.folded(found.atTarget.name)
        if let other = captured.values.first(where: { SQLiteIdentifier.folded($0.atTarget.name) == name && !$0.isSameTable(as: found) }) {
            throw Self.sameName(found.name, other.name, pipeline: pipeline)
        }
        let slot = slots[name] ?? Int64(slots.count)
        slots[name] = slot
        let table = try TargetTable(found, slot: slot, in: database, pipeline: pipeline)
        known[capture] = table
        return table
    }

    /// SQLite knows no schemas: two tables of one name would be mixed into one.
    static func sameName(_ one: TableName, _ other: TableName, pipeline: String?) -> TidemarkError {
        TidemarkError(
            "two tables of the source are one on the target", pipeline: pipeline, table: one,
            why: "\(other) has the same name there, and SQLite has no schemas",
            remedy: "Leave one of them out with --exclude \(max(one, other)), or give one another name with to: in the pipeline's tables;"
                + " then type: tidemark setup …")
    }
}

extension CapturedTable {
    /// Is it another generation of the same table? SQLite's own names have no case.
    fileprivate func isSameTable(as other: CapturedTable) -> Bool {
        if encoding == .typedText { return name == other.name }
        return SQLiteIdentifier.folded(name.name) == SQLiteIdentifier.folded(other.name.name)
    }
}
