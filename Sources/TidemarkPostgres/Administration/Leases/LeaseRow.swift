import TidemarkCore

/// The pipeline's row of `tidemark.lease`.
struct LeaseRow {
    let session: PostgresSession
    let pipeline: String

    /// What `parsed` reads.
    static let columns = """
        l.holder, l.epoch, greatest(0, (extract(epoch from l.expires_at - clock_timestamp()) * 1000)::bigint), l.renewed_at,
        (extract(epoch from l.expires_at - l.renewed_at) * 1000)::bigint
        """

    /// Nil where nobody has it, and where nothing keeps leases.
    func read() throws(PostgresFailure) -> Lease? {
        guard try session.query("select to_regclass('tidemark.lease')")[0, 0] != nil else { return nil }
        return Self.parsed(try session.query("select \(Self.columns) from tidemark.lease l where l.pipeline = $1", [.text(pipeline)]))
    }

    static func parsed(_ rows: PostgresRows) -> Lease? {
        guard let holder = rows[0, 0], let epoch = rows[0, 1].flatMap({ Int64($0) }), let left = rows[0, 2].flatMap({ Int64($0) }) else {
            return nil
        }
        var lease = Lease(holder: holder, epoch: epoch, remainingMs: left)
        if let at = rows[0, 3], let length = rows[0, 4].flatMap({ Int64($0) }) { lease.renewal = Lease.Renewal(at: at, lengthMs: length) }
        return lease
    }
}
