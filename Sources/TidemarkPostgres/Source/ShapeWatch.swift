import TidemarkCore

/// Looks for unseen changes at each window's end, and thoroughly only where the catalogue has changed: a thorough look
/// costs as much as all else that a small window costs.
///
/// Whatever it would find has written, or removed, rows of the catalogue that belong to captured tables. So their number and
/// the transactions that wrote them stand for them. All of these, not the youngest: an older one may commit later.
final class ShapeWatch {
    private let session: PostgresSession
    private let prepared: PreparedStatements
    private var known: (relations: String, stamp: String, unseen: [UnseenChanges.Unseen])?
    /// Another one after each thorough look: while it stays, so does what the registry of captured tables holds.
    private(set) var version = 0

    /// The state of the catalogue at the last look, as any session would see it.
    var catalog: String? { known.map { "\($0.relations) \($0.stamp)" } }

    init(_ session: PostgresSession, _ prepared: PreparedStatements) {
        self.session = session
        self.prepared = prepared
    }

    /// - Returns: where capture was stopped, if that is all that is wrong: the log is whole up to there.
    /// - Throws: `TidemarkError` where rows of a table that the pipeline takes may have changed.
    func refuse(_ taken: TakenTables) throws -> StoppedCapture? {
        let held = try look().filter { taken.isHeld($0.table, before: $0.capture) }
        guard let first = held.first(where: { $0.stoppedBy == nil }) ?? held.first else { return nil }
        let error = TidemarkError(
            "rows of a table may have changed without a trace in the log", table: first.table, why: first.why,
            remedy: UnseenChanges.remedy)
        guard first.stoppedBy != nil, let xid = held.compactMap(\.stoppedBy).min() else { throw error }
        return StoppedCapture(xid: xid, error: error)
    }

    private func look() throws -> [UnseenChanges.Unseen] {
        if let known, try stamp(of: known.relations) == known.stamp { return known.unseen }
        let rows = try session.query(
            """
            select array_agg(distinct t.relid) from tidemark.capture c cross join lateral tidemark.tree(c.relation) t
            where c.retired_at is null
            """)
        let relations = rows[0, 0] ?? "{}"
        // Before the look: what changes meanwhile changes the stamp.
        let stamp = try stamp(of: relations)
        let unseen = try UnseenChanges(session: session).all()
        known = (relations, stamp, unseen)
        version += 1
        return unseen
    }

    /// The tables stand in the text, so that it is planned once.
    private func stamp(of relations: String) throws -> String {
        let tables = "'\(relations)'::oid[]"
        let catalogs = [
            "tidemark.capture", "pg_class where oid = any (\(tables))", "pg_attribute where attrelid = any (\(tables))",
            "pg_trigger where tgrelid = any (\(tables))", "pg_index where indrelid = any (\(tables))",
            "pg_inherits where inhrelid = any (\(tables))", "pg_inherits where inhparent = any (\(tables))",
            "pg_namespace where oid in (select relnamespace from pg_class where oid = any (\(tables)))",
        ]
        let rows = try prepared.query(
            catalogs.map {
                "select concat_ws(':', count(*), sum(xmin::text::bigint), sum(hashint8(xmin::text::bigint))) from \($0)"
            }.joined(separator: " union all "), [])
        return (0..<rows.count).map { rows[$0, 0] ?? "" }.joined(separator: " ")
    }
}
