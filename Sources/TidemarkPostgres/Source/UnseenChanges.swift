import TidemarkCore

/// What no trigger sees, and the catalogue shows (BREAKS C3): tables whose rows may have changed
/// without a trace in the log.
struct UnseenChanges {
    let session: PostgresSession

    /// The tables changed since setup, and those that setup found so and captures anew since.
    /// - Returns: with the generation of capture that has, or will have, the gap in front of it.
    func all() throws -> [(table: TableName, why: String, capture: Int32)] {
        let rows = try session.query(
            """
            select schema_name, table_name, reason, null from tidemark.foreign_changes()
            union all
            select schema_name, table_name, gap, id from tidemark.capture where retired_at is null and gap is not null
            """)
        return (0..<rows.count).map { row in
            // What setup has not seen yet is held whatever was copied: the copy's rows may be passed over too.
            (TableName(schema: rows[row, 0], name: rows[row, 1] ?? ""), rows[row, 2] ?? "", Int32(rows[row, 3] ?? "") ?? .max)
        }
    }

    func refuse(_ taken: TakenTables) throws {
        guard let first = try all().first(where: { taken.isHeld($0.table, before: $0.capture) }) else { return }
        throw TidemarkError(
            "rows of a table may have changed without a trace in the log", table: first.table, why: first.why,
            remedy: Self.remedy)
    }

    static let remedy =
        "Nothing is applied until the table is known to be equal. Type tidemark setup …, then tidemark copy --table TABLE"
        + " --existing empty …, or tidemark verify --table TABLE --repair …, which leaves equal rows alone."
        + " Or leave the table out: tidemark setup … --exclude TABLE."
}
