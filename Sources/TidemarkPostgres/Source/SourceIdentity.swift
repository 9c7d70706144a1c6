import TidemarkCore

/// Which source this is: system identifier of the server, OID of the database, and the installation
/// that `setup` drew. A restored dump, a clone or another server differs in one.
enum SourceIdentity {
    static func read(in session: PostgresSession) throws -> String {
        guard let identity = try ifInstalled(in: session) else { throw notSetUp("it has no schema tidemark") }
        return identity
    }

    /// Nil where the database is no source.
    static func ifInstalled(in session: PostgresSession) throws -> String? {
        guard try CaptureRegistry.isInstalled(in: session) else { return nil }
        let rows = try session.query(
            """
            select (select system_identifier from pg_control_system()) || '/' ||
                   (select oid from pg_database where datname = current_database()) || '/' ||
                   (select id from tidemark.installation)
            """)
        guard let identity = rows[0, 0] else { throw notSetUp("tidemark.installation is empty") }
        return identity
    }

    private static func notSetUp(_ why: String) -> TidemarkError {
        TidemarkError("the source is not set up", why: why, remedy: "Type: tidemark setup --source … --target …")
    }
}

extension TransactionSnapshot {
    /// Reads what a server sent.
    static func parsed(_ text: String?) throws -> TransactionSnapshot {
        guard let snapshot = text.flatMap({ TransactionSnapshot($0) }) else {
            throw TidemarkError(
                "a snapshot cannot be read", why: "the server sent “\(text ?? "NULL")”",
                remedy: "This should not happen; report it with the server's version.")
        }
        return snapshot
    }
}
