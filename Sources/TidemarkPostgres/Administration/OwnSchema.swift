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

    /// The statements that drop these tables of ours, the functions with the log, and the schema where
    /// nothing is left in it: the other side's tables, or what a user put there, stay.
    func dropping(_ tables: [String]) throws -> [String] {
        try refuseForeign()
        let isSource = tables.contains("data_changes")
        let functions = try session.query(
            "select format('drop function if exists %s', oid::regprocedure) from pg_proc where pronamespace = to_regnamespace('tidemark')")
        let standing = try session.query(
            "select relname from pg_class where relnamespace = to_regnamespace('tidemark') and relkind in ('r', 'p', 'v', 'm', 'f') and not relispartition")
        let left = Set((0..<standing.count).compactMap { standing[$0, 0] }).subtracting(tables)
        return tables.map { "drop table if exists tidemark.\($0)" }
            + (isSource ? (0..<functions.count).compactMap { functions[$0, 0] } : [])
            + (left.isEmpty ? ["drop schema if exists tidemark"] : [])
    }
}
