import PostgresSQL
import TidemarkCore

/// What `install` would run. The statements for a table are made by functions of the installation
/// itself, so it is installed, asked, and rolled back; no table of the user's is locked by that.
struct InstallPlan {
    let session: PostgresSession

    func statements(_ request: CaptureRequest) throws -> [PlannedStatement] {
        try request.refuseContradiction()
        try session.run(TableLocks.begin)
        defer { _ = try? session.run("rollback") }
        try session.run(PostgresSQL.install)
        var planned = [PlannedStatement(PostgresSQL.install, lock: "none on any table of yours; makes schema tidemark")]
        let known = try RecordedRequest(of: request.pipeline, in: session)?.request
        let kept = RecordedRequest(request).retentionStatements(after: known) + (try LogLimitRecord(session: session).statements(for: request.logLimit))
        planned += kept.map { PlannedStatement($0, lock: "none on any table of yours") }
        let tables = try UserTables.all(in: session).filter { request.selection.takes($0.name) }
        for table in tables {
            let images = try RecordedRequest.images(of: table.name, for: request, in: session)
            let rows = try session.query(
                "select s from tidemark.capture_statements($1::regclass, $2, null, $3::boolean, $4, $5::boolean) s",
                [
                    .text(PostgresIdentifier.quoted(table.name)), .text(request.kind(with: images).rawValue),
                    .text(request.capturesReplicaRole ? "t" : "f"), .text(images.rawValue),
                    .text(try RecordedRequest.capturesApplied(table.name, for: request, in: session) ? "t" : "f"),
                ])
            for row in 0..<rows.count {
                let sql = rows[row, 0] ?? ""
                planned.append(PlannedStatement(sql, lock: Self.lock(sql, on: table.name)))
            }
        }
        return planned
    }

    /// Source: PostgreSQL documentation, CREATE TRIGGER and DROP TRIGGER, and “Table-Level Locks”.
    private static func lock(_ sql: String, on table: TableName) -> String {
        if sql.hasPrefix("drop trigger") { return "ACCESS EXCLUSIVE on \(table)" }
        if sql.hasPrefix("create trigger") || sql.hasPrefix("alter table") { return "SHARE ROW EXCLUSIVE on \(table)" }
        return "none on any table of yours"
    }
}
