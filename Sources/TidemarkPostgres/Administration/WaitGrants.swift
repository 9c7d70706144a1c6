import TidemarkCore

/// Which roles may wait for a pipeline in this database, whichever side of it this is.
struct WaitGrants {
    let session: PostgresSession
    let pipeline: String

    /// What waiting and its rights need, on either side: they go with the last of them.
    static let functions = [
        "is_within", "refuse_owner_that_waits", "renew_wait_grants", "grant_wait", "revoke_wait", "wait_until",
    ]

    func existing(_ roles: [String]) throws -> [String] {
        try roles.filter { try session.query("select exists (select from pg_roles where rolname = $1)", [.text($0)])[0, 0] == "t" }
    }

    func plan(granting: [String], revoking: [String]) -> [PlannedStatement] {
        func call(_ function: String, _ role: String) -> PlannedStatement {
            PlannedStatement(
                "select tidemark.\(function)(\(PostgresIdentifier.literal(pipeline)), \(PostgresIdentifier.literal(role)))",
                lock: "none on any table of yours")
        }
        return revoking.map { call("revoke_wait", $0) } + granting.map { call("grant_wait", $0) }
    }

    func grant(_ roles: [String]) throws {
        for role in roles { try session.query("select tidemark.grant_wait($1, $2)", [.text(pipeline), .text(role)]) }
    }

    func revoke(_ roles: [String]) throws {
        for role in roles { try session.query("select tidemark.revoke_wait($1, $2)", [.text(pipeline), .text(role)]) }
    }

    /// Before the pipeline goes: what other objects of the schema stay keeps it, and its rights with it.
    func removal() throws -> [PlannedStatement] {
        guard try session.query("select to_regclass('tidemark.wait_grant')")[0, 0] != nil,
            try session.query("select exists (select from tidemark.wait_grant where pipeline = $1)", [.text(pipeline)])[0, 0] == "t"
        else { return [] }
        return [PlannedStatement("select tidemark.revoke_wait(\(PostgresIdentifier.literal(pipeline)))", lock: "none on any table of yours")]
    }
}

/// An end of a pipeline that has roles.
protocol WaitingEnd: WaitRights {
    var session: PostgresSession { get }
    /// For errors.
    static var side: String { get }
}

extension WaitingEnd {
    package func existing(_ roles: [String]) throws -> [String] {
        try reporting("the roles cannot be read") { try WaitGrants(session: session, pipeline: "").existing(roles) }
    }

    package func planWaiting(granting: [String], revoking: [String], of pipeline: String) throws -> [PlannedStatement] {
        WaitGrants(session: session, pipeline: pipeline).plan(granting: granting, revoking: revoking)
    }

    package func grantWaiting(_ roles: [String], of pipeline: String) throws {
        try reporting("the \(Self.side) cannot let roles wait") { try WaitGrants(session: session, pipeline: pipeline).grant(roles) }
    }

    package func revokeWaiting(_ roles: [String], of pipeline: String) throws {
        try reporting("the \(Self.side) cannot take the right to wait back") { try WaitGrants(session: session, pipeline: pipeline).revoke(roles) }
    }
}

extension PostgresSourceAdministration: WaitingEnd {
    static var side: String { "source" }
}

extension PostgresTargetAdministration: WaitingEnd {
    static var side: String { "target" }
}
