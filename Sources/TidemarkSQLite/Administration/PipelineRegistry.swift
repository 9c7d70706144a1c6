import SQLiteSQL
import TidemarkCore

/// What the two sides' administrations share: short write transactions that wait their turn.
struct WriteLock {
    let database: SQLiteDatabase

    /// For people: SQLite has one lock for all writers of a file.
    static let inWords = "the file's write lock, for milliseconds; other writers wait for it"

    /// Runs a short transaction; tries a few times, each as long as the busy timeout.
    func hold<Result>(_ body: () throws -> Result) throws -> Result {
        for _ in 1..<3 {
            do {
                return try database.transaction("BEGIN IMMEDIATE", body)
            } catch {
                guard let failure = error as? SQLiteFailure, failure.isRetryable else { throw error }
            }
        }
        return try database.transaction("BEGIN IMMEDIATE", body)
    }
}

/// `tidemark_pipeline`: which pipelines a source knows, and what each selected.
struct PipelineRegistry {
    let database: SQLiteDatabase

    func names() throws(SQLiteFailure) -> [String] {
        try database.rows("SELECT name FROM main.tidemark_pipeline WHERE name IS NOT NULL ORDER BY name").compactMap { $0[0].string }
    }

    func request(of pipeline: String) throws(SQLiteFailure) -> CaptureRequest? {
        // Setup reads an older version's log before it renews it.
        let retention = try LogLimitRecord(database: database).isInstalled() ? "retain_seconds, retain_bytes" : "NULL, NULL"
        let upgrade = LogUpgrade(database: database)
        let image = try upgrade.hasColumn("image", of: "tidemark_pipeline") ? "image" : "NULL"
        let applied = try upgrade.hasColumn("captures_applied", of: "tidemark_pipeline") ? "captures_applied" : "NULL"
        let rows = try database.rows(
            """
            SELECT included, excluded, kind, requires_key, captures_replica_role, \(retention), \(image), \(applied)
            FROM main.tidemark_pipeline
            WHERE name = ? AND included IS NOT NULL
            """, [.string(pipeline)])
        guard let row = rows.first else { return nil }
        func patterns(_ value: SQLiteValue) -> [TablePattern] {
            (value.string ?? "").split(separator: "\n").map { TablePattern(String($0)) }
        }
        var request = CaptureRequest(
            pipeline: pipeline, selection: TableSelection(include: patterns(row[0]), exclude: patterns(row[1])),
            kind: row[2].string.flatMap(CaptureKind.init) ?? .auto, requiresKey: row[3] == .integer(1),
            capturesReplicaRole: row[4] == .integer(1), retention: Retention(seconds: row[5].integer, bytes: row[6].integer))
        request.images = row[7].string.flatMap(CapturedImages.init) ?? .new
        request.capturesApplied = row[8] == .integer(1)
        return request
    }

    /// A new pipeline has confirmed nothing, so that nothing is pruned before its first word.
    func record(_ request: CaptureRequest) throws(SQLiteFailure) {
        func lines(_ patterns: [TablePattern]) -> SQLiteValue { .string(patterns.map(\.text).joined(separator: "\n")) }
        let values: [SQLiteValue] = [
            lines(request.selection.include), lines(request.selection.exclude), .string(request.kind.rawValue),
            .integer(request.requiresKey ? 1 : 0), .integer(request.capturesReplicaRole ? 1 : 0),
            request.retention.seconds.map { .integer($0) } ?? .null, request.retention.bytes.map { .integer($0) } ?? .null,
            .string(request.images.rawValue), .integer(request.capturesApplied ? 1 : 0), .string(request.pipeline),
        ]
        _ = try database.rows(
            """
            UPDATE main.tidemark_pipeline SET included = ?, excluded = ?, kind = ?, requires_key = ?, captures_replica_role = ?,
                retain_seconds = ?, retain_bytes = ?, image = ?, captures_applied = ?
            WHERE name = ?
            """, values)
        if database.changes == 0 {
            _ = try database.rows(
                """
                INSERT INTO main.tidemark_pipeline
                    (included, excluded, kind, requires_key, captures_replica_role, retain_seconds, retain_bytes, image, captures_applied,
                    name, confirmed_id)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)
                """, values)
        }
        _ = try database.rows("DELETE FROM main.tidemark_pipeline WHERE name IS NULL")
    }

    /// What `record` does about retention, as `--plan` shows it; none where it stays as it is.
    func retentionStatements(_ request: CaptureRequest, after known: CaptureRequest?) -> [String] {
        guard request.retention != known?.retention ?? .none else { return [] }
        func literal(_ number: Int64?) -> String { number.map(String.init) ?? "NULL" }
        return [
            "UPDATE tidemark_pipeline SET retain_seconds = \(literal(request.retention.seconds)),"
                + " retain_bytes = \(literal(request.retention.bytes)) WHERE name = \(SQLiteIdentifier.literal(request.pipeline))"
        ]
    }
}
