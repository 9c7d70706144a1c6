import TidemarkCore

/// What no trigger sees, and the catalogue shows (BREAKS C3): tables whose rows may have changed
/// without a trace in the log.
struct UnseenChanges {
    let session: PostgresSession

    /// The tables changed since setup, and those that setup found so and captures anew since.
    /// - Returns: with the generation of capture that has, or will have, the gap in front of it.
    func all() throws -> [(table: TableName, why: String, capture: Int32, stoppedBy: UInt64?)] {
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

    /// - Returns: where capture was stopped, if that is all that is wrong: the log is whole up to there.
    func refuse(_ taken: TakenTables) throws -> StoppedCapture? {
        let held = try all().filter { taken.isHeld($0.table, before: $0.capture) }
        guard let first = held.first(where: { $0.stoppedBy == nil }) ?? held.first else { return nil }
        let error = TidemarkError(
            "rows of a table may have changed without a trace in the log", table: first.table, why: first.why,
            remedy: Self.remedy)
        guard first.stoppedBy != nil, let xid = held.compactMap(\.stoppedBy).min() else { throw error }
        return StoppedCapture(xid: xid, error: error)
    }

    static let remedy =
        "Nothing is applied until the table is known to be equal. Type tidemark setup …, then tidemark copy --table TABLE"
        + " --existing empty …, or tidemark verify --table TABLE --repair …, which leaves equal rows alone."
        + " Or leave the table out: tidemark setup … --exclude TABLE."
}
