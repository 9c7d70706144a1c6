package import TidemarkCore

/// Writes changes to a SQLite primary as an application would.
package final class SQLiteReplayTarget: ReplayTarget {
    private let database: SQLiteDatabase
    private let path: String
    private let pipeline: String
    private let tables: TargetTables
    private let staging: WindowStaging

    package init(path: String, pipeline: String) throws {
        (self.path, self.pipeline) = (path, pipeline)
        (database, staging) = try TargetConnection.open(path, pipeline: pipeline)
        try saying("the new primary cannot be used", pipeline: pipeline, path: path) { [database] in
            try database.setTriggersEnabled(true)
            try database.execute("PRAGMA foreign_keys = ON")
        }
        tables = TargetTables(database, pipeline: pipeline)
    }

    package func replay(tables captured: [Int32: CapturedTable], pages: (_ receive: (ChangePage) throws -> Void) throws -> Void) throws {
        try saying("lost changes cannot be replayed", pipeline: pipeline, path: path) {
            try database.execute("BEGIN IMMEDIATE")
            do {
                // Rows come in the order of the log, which a foreign key between them may not have been written in.
                try database.execute("PRAGMA defer_foreign_keys = ON")
                _ = try database.rows(
                    "UPDATE main.tidemark_role SET replayed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE pipeline = ?", [.string(pipeline)])
                try tables.begin(captured)
                let application = try WindowApplication(database, pipeline: pipeline, order: .paged, tables: tables, staging: staging)
                try pages { try application.take($0) }
                try application.finish()
                try database.execute("COMMIT")
            } catch {
                if database.isInTransaction { try? database.execute("ROLLBACK") }
                throw error
            }
        }
    }
}
