import TidemarkCore

/// How tidemark opens a target that it writes.
enum TargetConnection {
    static func open(_ path: String, pipeline: String) throws -> (SQLiteDatabase, WindowStaging) {
        let database = try SQLiteFile(path, role: "target").open()
        return try saying("the target cannot be opened", pipeline: pipeline, path: path) {
            try database.setTriggersEnabled(false)
            // Of this connection only, like the cache: rows that come in the order of their keys gain nothing by a
            // larger one, and tidemark is to run beside others.
            try database.execute("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -4000")
            return (database, try WindowStaging(database))
        }
    }

    static func notSetUp(_ path: String, pipeline: String) -> TidemarkError {
        TidemarkError(
            "the pipeline is not set up", pipeline: pipeline, why: "the target \(path) holds no cursor for it",
            remedy: "Type: tidemark setup --pipeline \(pipeline) --source … --target sqlite:\(path)")
    }
}
