
/// What the server, or libpq, said; turned into a `TidemarkError` where table and key are known.
package struct PostgresFailure: Error, Sendable {
    /// Five characters; empty where there was no answer from a server.
    package var sqlState: String
    package var message: String
    package var detail: String
    package var hint: String
    package var table: String
    package var constraint: String

    /// Did the connection go away, or is the server starting up, shutting down or full?
    package var isConnectionLost: Bool {
        sqlState.isEmpty || sqlState.hasPrefix("08") || sqlState.hasPrefix("57P") || sqlState == "53300"
    }

    /// Could the same transaction succeed if it is simply run again?
    package var isTransient: Bool {
        isConnectionLost || ["40001", "40P01", "55P03"].contains(sqlState)
    }
}

extension PostgresFailure: CustomStringConvertible {
    package var description: String {
        [message, sqlState.isEmpty ? "" : "(SQLSTATE \(sqlState))"].filter { !$0.isEmpty }.joined(separator: " ")
    }
}
