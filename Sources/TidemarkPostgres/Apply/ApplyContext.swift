/// What every part of the apply side knows about its session.
struct ApplyContext {
    let pipeline: String
    /// Who applies, for the grants that errors ask for.
    let role: String
    let database: String
    /// Does `session_replication_role = replica` keep the target's foreign keys and triggers still?
    /// Where the role may not set it, they act, and the order of changes has to respect them.
    let holdsTriggersStill: Bool
    /// As the server numbers it: 150020 is 15.20.
    let serverVersion: Int
    /// Does the database log what is applied to it, so that it has to be told where that was made first? It cannot change unseen:
    /// capture refuses what is not marked, and the next session looks again.
    var marksOrigins = false

    /// Deferred, a constraint sees the end of a transaction only, as it saw the end of the source's.
    var begin: String { holdsTriggersStill ? "begin" : "begin; set constraints all deferred" }

    /// How the role gets the right, as a sentence.
    var grantOfReplicaRole: String {
        serverVersion >= 150_000
            ? "Type as a superuser: grant set on parameter session_replication_role to \(PostgresIdentifier.quoted(role));"
            : "Before PostgreSQL 15 only a superuser holds them still: let --target connect as one;"
    }
}
