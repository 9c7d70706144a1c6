import TidemarkCore

/// Schema `tidemark`: ours if its comment says so. A user's schema of that name is left alone.
struct OwnSchema {
    let session: PostgresSession

    func refuseForeign() throws {
        let rows = try session.query(
            "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'tidemark'")
        guard rows.count == 1, rows[0, 0]?.hasPrefix("tidemark:") != true else { return }
        throw TidemarkError(
            "the database has a schema tidemark that is not tidemark's", why: "its comment does not say that setup made it",
            remedy: "Rename it (alter schema tidemark rename to …), then type the command again; nothing was changed.")
    }

    /// Runs one of the files that make what is ours, or renew it. Those who do so at the same moment, as the pipelines of one configuration
    /// do, come one after the other.
    func make(by script: String, doing what: String) throws {
        try refuseForeign()
        try TableLocks(session: session).holding(nil, doing: what) {
            try session.run(
                """
                set local lock_timeout = 0; select pg_advisory_xact_lock(hashtextextended('tidemark.install', 0));
                set local lock_timeout = '\(TableLocks.timeoutMs)ms'
                """)
            try session.run(script)
        }
    }

    /// What both sides of a pipeline keep, wherever either of them is.
    private static let shared: Set = ["role", "wait_grant"]

    /// The statements that drop these tables of ours, the functions with the log, and the schema where
    /// nothing is left in it: the other side's tables, or what a user put there, stay. What both sides keep
    /// goes with the last of them.
    func dropping(_ tables: [String]) throws -> [String] {
        try refuseForeign()
        let standing = try session.query(
            "select relname from pg_class where relnamespace = to_regnamespace('tidemark') and relkind in ('r', 'p', 'v', 'm', 'f') and not relispartition")
        let left = Set((0..<standing.count).compactMap { standing[$0, 0] }).subtracting(tables)
        let isLastSide = left.isDisjoint(with: ["data_changes", "cursor"])
        let functions = try session.query(
            """
            select format('drop function if exists %s', p.oid::regprocedure), p.proname = any ($1::text[]) or p.proname like 'tombstones\\_%'
            from pg_proc p where p.pronamespace = to_regnamespace('tidemark')
            """, [.text("{\((Guard.functions + WaitGrants.functions + TombstoneTriggers.functions).joined(separator: ","))}")])
        let isSource = tables.contains("data_changes")
        let gone = (0..<functions.count).filter { isLastSide && (isSource || functions[$0, 1] == "t") || isSource && functions[$0, 1] == "f" }
        return (tables + (isLastSide ? Self.shared.sorted() : [])).map { "drop table if exists tidemark.\($0)" }
            + gone.compactMap { functions[$0, 0] }
            + (left.subtracting(isLastSide ? Self.shared : []).isEmpty ? ["drop schema if exists tidemark"] : [])
    }
}
