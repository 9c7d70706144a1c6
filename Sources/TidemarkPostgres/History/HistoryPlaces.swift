import TidemarkCore

/// The places that a source's ticks mark, and which of them its log leads back to.
struct HistoryPlaces {
    let session: PostgresSession

    func newest(_ name: PlaceName) throws -> HistoryPlace {
        let (condition, value, order) = switch name {
        case .time(let time): ("written_at <= $1::timestamptz", time, "written_at desc, id desc")
        case .change(let id): ("last_id < $1::bigint", String(id), "last_id desc, id desc")
        }
        let found = try places("where \(condition) and last_id is not null order by \(order) limit 1", [.text(value)])
        guard let place = found.first, try isReached(place) else { throw try unreachable() }
        return place
    }

    /// Is everything that came behind the place still in the log? Whatever a pipeline has not confirmed, and what is retained.
    func isReached(_ place: HistoryPlace) throws -> Bool {
        let cut = try PostgresHistory.transactions(place.snapshot)
        let rows = try session.query(
            "select snapshot from tidemark.pipeline where lost_at is null union all select snapshot from tidemark.retained")
        return try (0..<rows.count).contains { row in
            // One that has never confirmed still has everything.
            guard let text = rows[row, 0] else { return true }
            return try TransactionSnapshot.parsed(text).isContained(in: cut)
        }
    }

    func unreachable() throws -> TidemarkError {
        let oldest = try places(
            """
            where last_id is not null and id >= (select coalesce(min(t.id), 0) from tidemark.tick t
                where t.token in (select witness from tidemark.pipeline where lost_at is null) or t.id in (select tick from tidemark.retained))
            order by id limit 1000
            """, []).first(where: isReached)
        return TidemarkError(
            "the change log does not lead back so far",
            why: oldest.map { "its oldest place is at \($0.time), change \($0.lastID)" } ?? "it holds nothing that its pipelines have applied",
            remedy: "Name a later place. What is to be kept from now on: tidemark setup --retain 24h …")
    }

    private func places(_ rest: String, _ values: [PostgresParameter]) throws -> [HistoryPlace] {
        let rows = try session.query(
            """
            select token, snapshot, xid, last_id, to_char(written_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            from tidemark.tick \(rest)
            """, values)
        return try (0..<rows.count).map { row in
            let cut = try TransactionSnapshot.parsed(rows[row, 1]).countingAsOpen(UInt64(rows[row, 2] ?? "") ?? 0)
            return HistoryPlace(
                snapshot: .transactions(cut), witness: rows[row, 0] ?? "", lastID: Int64(rows[row, 3] ?? "") ?? 0, time: rows[row, 4] ?? "")
        }
    }
}
