import TidemarkCore

/// What no trigger sees, and the catalogue shows (BREAKS C3): tables whose rows may have changed
/// without a trace in the log.
struct UnseenChanges {
    let session: PostgresSession

    /// A table, why its rows may have changed, and the generation of capture that has, or will have, the gap in front of it.
    typealias Unseen = (table: TableName, why: String, capture: Int32, stoppedBy: UInt64?)

    /// The tables changed since setup, and those that setup found so and captures anew since.
    func all() throws -> [Unseen] {
        let rows = try session.query(
            """
            select f.schema_name, f.table_name, f.reason, null, case when f.reason = tidemark.stop_reason(c.id) then c.stopped_xid end
            from tidemark.foreign_changes() f join tidemark.capture c on c.id = f.capture
            union all
            select schema_name, table_name, gap, id, null from tidemark.capture where retired_at is null and gap is not null
            """)
        return (0..<rows.count).map { row in
            // What setup has not seen yet is held whatever was copied: the copy's rows may be passed over too.
            (TableName(schema: rows[row, 0], name: rows[row, 1] ?? ""), rows[row, 2] ?? "", Int32(rows[row, 3] ?? "") ?? .max, rows[row, 4].flatMap { UInt64($0) })
        }
    }

    static let remedy =
        "Nothing is applied until the table is known to be equal. Type tidemark setup …, then tidemark copy --table TABLE"
        + " --existing empty …, or tidemark verify --table TABLE --repair …, which leaves equal rows alone."
        + " Or leave the table out: tidemark setup … --exclude TABLE."
}
