import TidemarkCore

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

    /// Could the same transaction succeed if it is simply run again? A server that is full, or out of memory, is one that
    /// somebody mends without knowing of tidemark; what an administrator cancelled was in his way just then.
    package var isTransient: Bool {
        isConnectionLost || ["40001", "40P01", "55P03", "57014"].contains(sqlState) || sqlState.hasPrefix("53")
    }
}

extension PostgresFailure: CustomStringConvertible {
    package var description: String {
        [message, sqlState.isEmpty ? "" : "(SQLSTATE \(sqlState))"].filter { !$0.isEmpty }.joined(separator: " ")
    }
}

extension PostgresFailure {
    /// The same for a person: what was being done, and what to do about it.
    func reported(_ what: String) -> TidemarkError {
        if isAboutOwnSchema { return TornDown.error(nil, why: "\(what): \(description)") }
        return TidemarkError(what, why: ([description] + [detail].filter { !$0.isEmpty }).joined(separator: "; "), remedy: remedy,
            retry: isTransient ? .later : .never)
    }

    /// Is what setup makes not there?
    private var isAboutOwnSchema: Bool {
        // The server's messages are translated; what they quote is not.
        ["42P01", "3F000"].contains(sqlState) && (message.contains("\"tidemark.") || message.contains("\"tidemark\""))
    }

    private var remedy: String {
        switch sqlState {
        case "42501": "Give the role the right (psql's \\dp shows what it has), or connect as the role that ran setup."
        // A guard says by itself what to type.
        case "25006" where !hint.isEmpty: hint
        case "25006": "The server is read-only or a standby: give the address of the primary."
        case "28P01", "28000": "Check user and password: the URL, PGPASSWORD or ~/.pgpass, and the server's pg_hba.conf."
        case "3D000": "Create the database, or correct its name in the URL."
        case "42P01", "3F000": "Type: tidemark setup --source … --target …"
        case "55P03": "A transaction holds the table: find it in pg_stat_activity, then type the command again."
        case "53100": "Free space on the server's disk, then type the command again; it goes on where it was."
        case _ where isConnectionLost: "Check that the server runs and that the address is right: psql with the same URL has to connect."
        default: hint.isEmpty ? "Mend what the server says, then type the command again; nothing is lost." : hint
        }
    }
}

/// Says what was being done in whatever the server, or libpq, said.
@discardableResult
func reporting<T>(_ what: String, _ body: () throws -> T) throws -> T {
    do {
        return try body()
    } catch let failure as PostgresFailure {
        throw failure.reported(what)
    }
}
