import TidemarkCore

/// What no trigger sees, and the catalogue shows (BREAKS C3): tables whose rows may have changed
/// without a trace in the log.
struct UnseenChanges {
    let session: PostgresSession

    /// The tables changed since setup, and those that setup found so and captures anew since.
    func all() throws -> [(table: TableName, why: String)] {
        let rows = try session.query(
            """
            select schema_name, table_name, reason from tidemark.foreign_changes()
            union all
            select schema_name, table_name, gap from tidemark.capture where retired_at is null and gap is not null
            """)
        return (0..<rows.count).map { (TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? ""), rows[$0, 2] ?? "") }
    }

    func refuse(_ taken: TableSelection) throws {
        guard let first = try all().first(where: { taken.takes($0.table) }) else { return }
        throw TidemarkError(
            "rows of a table may have changed without a trace in the log", table: first.table, why: first.why,
            remedy: Self.remedy)
    }

    static let remedy =
        "Nothing is applied until the table is known to be equal: type tidemark teardown …; then, while nobody writes to the source,"
        + " load the target anew and type tidemark setup …. Or leave the table out: tidemark setup … --exclude TABLE."
}
