import TidemarkCore

/// `tidemark.applied`: which changes of the log were made elsewhere, and applied here.
struct AppliedRecord {
    let session: PostgresSession

    /// An installation of an older version has none until setup renews it.
    func exists() throws(PostgresFailure) -> Bool { try session.query("select to_regclass('tidemark.applied')")[0, 0] != nil }

    /// The captured tables whose capture leaves out what tidemark applies.
    func leftOut() throws(PostgresFailure) -> [TableName] {
        let rows = try session.query(
            """
            select schema_name, table_name from tidemark.capture c
            where retired_at is null and to_jsonb(c) ->> 'applied' is distinct from 'true' order by 1, 2
            """)
        return (0..<rows.count).map { TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? "") }
    }

    /// Is any captured table logged with what tidemark applies to it? Not, as far as a role knows that may not see it: capture
    /// refuses what it writes then.
    func isTaken() throws(PostgresFailure) -> Bool {
        let isReadable = try session.query(
            "select has_table_privilege(to_regclass('tidemark.capture'), 'select') and to_regclass('tidemark.applied') is not null")
        guard isReadable[0, 0] == "t" else { return false }
        return try session.query("select exists (select from tidemark.capture where retired_at is null and applied)")[0, 0] == "t"
    }

    /// The condition under which a row of `tidemark.data_changes` is of a change that was made here.
    static let isOwn = "\(origin) is null"

    /// The origin of a row of `tidemark.data_changes`; null where it was made here.
    static let origin = "nullif(split_part(\(mark), ' ', 1), '')"

    /// The condition under which it is known in that database, as it was made there or came from there.
    static func isKnown(in database: String) -> String {
        "coalesce(\(PostgresIdentifier.literal(database)) = any (string_to_array(\(mark), ' ')), false)"
    }

    /// As `AppliedOrigin` writes it.
    private static let mark =
        "(select o.origin from tidemark.applied o where o.xid = data_changes.xid and o.after_id < data_changes.id order by o.after_id desc limit 1)"
}
