import TidemarkCore

/// A conflict that is left to a person. What the window wrote goes with its transaction, and so would a record of this one: it is kept
/// beside it.
struct StoppedConflict: Error {
    /// As `tidemark_conflict` takes it.
    let row: [SQLiteValue]

    func error(table: TableName, pipeline: String) -> TidemarkError {
        let kind = row[5].string ?? "?"
        let why = kind == ConflictKind.unique.rawValue
            ? "another row of the target has the same value where it has to be unique, and conflict: stop asks for a person"
            : "the two changes knew nothing of each other (\(kind)), and conflict: stop asks for a person"
        return TidemarkError(
            "a row was changed at both ends", pipeline: pipeline, table: table, key: row[4].string, changeID: row[7].integer, why: why,
            remedy: ConflictRule.stopRemedy(pipeline: pipeline), isAboutData: true)
    }

    /// Once, however often the pipeline is started before somebody decides, and whatever the source makes of the row meanwhile: what the
    /// cursor has not passed is the same conflict still.
    func record(epoch: Int64, in database: SQLiteDatabase) throws(SQLiteFailure) {
        let (pipeline, table, key, change) = (row[0], row[3], row[4], row[7])
        guard
            let last = try database.rows("SELECT last_id FROM main.tidemark_cursor WHERE pipeline = ? AND epoch = ?", [pipeline, .integer(epoch)]).first?.first
        else { return }
        let stopped = SQLiteValue.string(ConflictResult.stopped.rawValue)
        _ = try database.rows(
            """
            UPDATE main.tidemark_conflict SET kind = ?, origin = ?, change_id = ?, before = ?, source = ?, target = ?, outcome = ?
            WHERE pipeline = ? AND table_name = ? AND key = ? AND result = ? AND (change_id = ? OR change_id > ? AND restored_at IS NULL)
            """, [row[5], row[6], change, row[8], row[9], row[10], row[10], pipeline, table, key, stopped, change, last])
        guard database.changes == 0 else { return }
        _ = try database.rows(
            "\(ConflictSQL.intoRecord) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13)",
            Array(row[...10]) + [row[12], stopped])
    }
}
