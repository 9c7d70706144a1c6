import TidemarkCore

/// Takes a pipeline's guard off its tables, and forgets what the database was to it.
struct RoleRemoval {
    let session: PostgresSession
    let pipeline: String

    func plan() throws -> [PlannedStatement] {
        let forgetting = "delete from tidemark.role where pipeline = \(PostgresIdentifier.literal(pipeline))"
        return try Guard(session: session, pipeline: pipeline).planRemoval()
            + (isNoted() ? [PlannedStatement(forgetting, lock: "none on any table of yours")] : [])
    }

    func run() throws {
        try Guard(session: session, pipeline: pipeline).remove()
        if try isNoted() { try session.query("delete from tidemark.role where pipeline = $1", [.text(pipeline)]) }
    }

    private func isNoted() throws -> Bool { try RoleRecord(session: session, pipeline: pipeline).read() != nil }
}
