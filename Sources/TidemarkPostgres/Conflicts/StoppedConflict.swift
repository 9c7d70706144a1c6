import TidemarkCore

/// A conflict that is left to a person. What the window wrote goes with its transaction, and so would a record of this one: it is kept
/// beside it.
struct StoppedConflict: Error {
    let table: TableName
    let kind: String
    let key: String
    let changeID: Int64
    let origin: String?
    /// What the change was made from, what it made of it, and what stands in the way.
    let before, source, target: String?

    /// Once, however often the pipeline is started before somebody decides, and whatever the source makes of the row meanwhile: what the
    /// cursor has not passed is the same conflict still.
    func record(of pipeline: String, epoch: Int64, in session: PostgresSession) throws(PostgresFailure) {
        try session.query(
            """
            with holder as (select last_id from tidemark.cursor where pipeline = $1 and epoch = $2), known as (
                update tidemark.conflict c set kind = $6, origin = $7, change_id = $8, before = $9, source = $10, target = $11, outcome = $11
                from holder h
                where c.pipeline = $1 and c.schema_name = $3 and c.table_name = $4 and c.key = $5 and c.result = $13
                  and (c.change_id = $8 or c.change_id > h.last_id and c.restored_at is null)
                returning 1)
            insert into tidemark.conflict
                (pipeline, schema_name, table_name, key, kind, origin, change_id, before, source, target, outcome, strategy, result)
            select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11, $12, $13 from holder where not exists (select from known)
            """,
            [
                .text(pipeline), .text(String(epoch)), .text(table.schema ?? "public"), .text(table.name), .text(key), .text(kind), .optional(origin),
                .text(String(changeID)), .optional(before), .optional(source), .optional(target), .text(ConflictRule(.stop).name),
                .text(ConflictResult.stopped.rawValue),
            ])
    }
}
