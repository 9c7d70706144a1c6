import TidemarkCore

/// All sequences of a source at one moment, for who needs every one of them.
struct SourceSequences {
    let session: PostgresSession
    private static let lockTimeoutMs = 5_000

    func states(_ selection: TableSelection) throws -> [SequenceState] {
        let reading = SequenceReading(session, lockTimeoutMs: Self.lockTimeoutMs, leavesOutHeld: false)
        guard let states = try reading.states(taking: selection, version: 0) else {
            throw TidemarkError(
                "the sequences cannot be read", why: "the source's sequences are altered all the while", remedy: "Type the command again.", retry: .later)
        }
        guard let entry = try SequenceCatalog(taking: selection, in: session).entries.first(where: { !$0.isReadable }) else { return states }
        throw TidemarkError(
            "a sequence cannot be read", table: entry.identity.columns.first?.table, why: "the role has no rights on sequence \(entry.name)",
            remedy: try Self.grant(entry, in: session))
    }

    /// What `check` says of them.
    func findings(_ selection: TableSelection) throws(PostgresFailure) -> [Finding] {
        try SequenceCatalog(taking: selection, in: session).entries.filter { !$0.isReadable }.map { entry throws(PostgresFailure) in
            Finding(
                .warning, table: entry.identity.columns.first?.table,
                "the source's role may not read sequence \(entry.name), which is not followed: after a promotion it would give values again",
                remedy: try Self.grant(entry, in: session))
        }
    }

    private static func grant(_ entry: SequenceCatalog.Entry, in session: PostgresSession) throws(PostgresFailure) -> String {
        let role = PostgresIdentifier.quoted(try session.query("select current_user")[0, 0] ?? "")
        return "Type on the source: grant usage on schema \(PostgresIdentifier.quoted(entry.name.schema ?? "public")) to \(role);"
            + " grant select on sequence \(PostgresIdentifier.quoted(entry.name)) to \(role);"
    }
}
