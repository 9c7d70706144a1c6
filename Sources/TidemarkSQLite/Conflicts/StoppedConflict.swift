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

    /// Once, however often the pipeline is started before somebody decides.
    func record(epoch: Int64, in database: SQLiteDatabase) throws(SQLiteFailure) {
        let parameters = row.dropLast() + [.string(ConflictResult.stopped.rawValue), .integer(epoch)]
        _ = try database.rows(
            """
            \(ConflictSQL.intoRecord) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?13, ?14
            WHERE EXISTS (SELECT 1 FROM main.tidemark_cursor WHERE pipeline = ?1 AND epoch = ?15)
              AND NOT EXISTS (SELECT 1 FROM main.tidemark_conflict WHERE pipeline = ?1 AND table_name = ?4 AND key = ?5 AND change_id = ?8 AND result = ?14 AND target IS ?11)
            """, Array(parameters))
    }
}
