import CLibPQ

/// Statements that the server parses and plans once a session, for those that every window runs: on a
/// small window planning costs more than the work.
///
/// Only for statements whose plan does not depend on how large a table is: a plan made while a table
/// was empty would scan it whole after it has grown.
final class PreparedStatements {
    private let session: PostgresSession
    private var names: [String: String] = [:]
    /// Never goes back, so that a statement that could not be dropped is in nobody's way.
    private var made = 0

    init(_ session: PostgresSession) { self.session = session }

    /// Sends the statement; its answer is the next call's concern (`PostgresSession.send`).
    func send(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) {
        try session.settle()
        let name: String
        if let known = names[sql] { name = known } else { name = try prepare(sql, parameters) }
        try session.send(prepared: name, BoundParameters(parameters))
    }

    @discardableResult
    func query(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) -> PostgresRows {
        try session.settle()
        let name: String
        if let known = names[sql] { name = known } else { name = try prepare(sql, parameters) }
        let bound = BoundParameters(parameters)
        let result = bound.withPointers { pointers in
            PQexecPrepared(
                session.connection, name, Int32(parameters.count), pointers, bound.lengths, bound.formats, 0)
        }
        return PostgresRows(try session.checked(result))
    }

    /// Drops them all: a table may be another now.
    func forget() {
        for name in names.values { _ = try? session.run("deallocate \(name)") }
        names = [:]
    }

    private func prepare(_ sql: String, _ parameters: [PostgresParameter]) throws(PostgresFailure) -> String {
        made += 1
        let name = "tidemark_\(made)"
        let types = BoundParameters(parameters).types
        _ = try session.checked(PQprepare(session.connection, name, sql, Int32(types.count), types))
        names[sql] = name
        return name
    }
}
