import SQLiteSQL
import TidemarkCore

/// Takes a pipeline, and with the last one everything of tidemark's, out of a source.
struct SourceRemoval {
    let database: SQLiteDatabase
    let log: ChangeLog
    private let batchRows = 10_000

    func plan(_ pipeline: String) throws -> [String] {
        if let steps = try stepsBesideOthers(pipeline) {
            let name = SQLiteIdentifier.literal(pipeline)
            return try roles(pipeline) + ["DELETE FROM tidemark_pipeline WHERE name = \(name)"] + steps.flatMap(\.statements)
        }
        guard try anythingIsLeft() else { return try roles(pipeline) }
        return try roles(pipeline) + triggers().map(Self.drop) + SQLScript.statements(SQLiteSQL.uninstall)
    }

    func remove(_ pipeline: String) throws {
        let lock = WriteLock(database: database)
        if try !roles(pipeline).isEmpty { try lock.hold { for statement in try roles(pipeline) { try database.execute(statement) } } }
        if let steps = try stepsBesideOthers(pipeline) {
            try lock.hold {
                _ = try database.rows("DELETE FROM main.tidemark_pipeline WHERE name = ?", [.string(pipeline)])
            }
            for step in steps { try lock.hold { try step.perform(in: database) } }
            return
        }
        guard try anythingIsLeft() else { return }
        try lock.hold { for name in try triggers() { try database.execute(Self.drop(name)) } }
        // To drop a long log at once would hold the write lock for as long as its pages take.
        if try log.isInstalled() {
            var removed = batchRows
            while removed == batchRows {
                try lock.hold {
                    try database.execute(
                        "DELETE FROM main.data_changes WHERE id IN (SELECT id FROM main.data_changes ORDER BY id LIMIT \(batchRows))")
                }
                removed = Int(database.changes)
            }
        }
        try lock.hold { try database.execute(SQLiteSQL.uninstall) }
    }

    /// What changes where other pipelines stay; nil where this is the last one.
    private func stepsBesideOthers(_ pipeline: String) throws -> [CapturePlan.Step]? {
        guard try log.isInstalled() else { return nil }
        let registry = PipelineRegistry(database: database)
        let others = try registry.names().filter { $0 != pipeline }
        guard !others.isEmpty else { return nil }
        let selections = try others.map { try registry.request(of: $0)?.selection ?? TableSelection() }
        let captured = Set(try CaptureRegistry(database).current().map(\.table))
        let wanted = try SQLiteCatalog(database).tables().filter { table in
            captured.contains(table.name) && selections.contains { $0.takes(TableName(schema: nil, name: table.name)) }
        }.map { (table: $0, images: CapturedImages.new) }
        // A table that no longer fits its capture is setup's business, and so is what is logged of it.
        return try CapturePlan(database, capturing: wanted, isInstalled: true).steps.filter { $0.made == nil }
    }

    /// The guard of the pipeline, and what the database was to it; what keeps that goes with the last of both sides.
    private func roles(_ pipeline: String) throws -> [String] {
        let isTarget = try CursorTable(database).exists()
        let hasOthers = try log.isInstalled() && PipelineRegistry(database: database).names().contains { $0 != pipeline }
        return try RoleTable(database).removal(of: pipeline, isLastSide: !isTarget && !hasOthers)
    }

    private func anythingIsLeft() throws(SQLiteFailure) -> Bool {
        if try log.isInstalled() { return true }
        return try !triggers().isEmpty
    }

    private func triggers() throws(SQLiteFailure) -> [String] {
        try database.rows(
            "SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND name GLOB 'tidemark_capture_[0-9]*' ORDER BY name"
        ).compactMap { $0[0].string }
    }

    private static func drop(_ name: String) -> String { "DROP TRIGGER \(SQLiteIdentifier.quoted(name))" }
}
