import PostgresSQL
package import TidemarkCore

/// Keeps leases in one PostgreSQL database.
package final class PostgresLeaseAdministration: LeaseAdministration {
    private let session: PostgresSession

    package init(_ url: String) throws {
        session = try reporting("the target cannot be reached") {
            let session = try PostgresSession(url)
            // A renewal that a crash of the server takes back is one renewal late, and the disk is not waited for.
            try session.run("set session synchronous_commit = off; set session lock_timeout = '2s'")
            return session
        }
    }

    package func installLeases() throws {
        try reporting("what keeps leases cannot be made in the target") {
            // First, as a role that may not make a schema can still use one.
            guard try session.query("select to_regclass('tidemark.lease')")[0, 0] == nil else { return }
            try OwnSchema(session: session).refuseForeign()
            try session.run(PostgresSQL.leases)
        }
    }

    package func acquire(_ pipeline: String, by holder: String, forMs: Int64, force: Bool) throws -> Lease {
        try reporting("the lease cannot be taken") {
            // Each look may meet a lease that is given back meanwhile.
            while true {
                try session.run("begin; set local synchronous_commit = on")
                do {
                    let taken = try session.query(
                        """
                        insert into tidemark.lease as l (pipeline, holder, epoch, expires_at, renewed_at)
                        values ($1, $2, 1, clock_timestamp() + $3 * interval '1 ms', clock_timestamp())
                        on conflict (pipeline) do update set holder = excluded.holder,
                            epoch = l.epoch + (l.holder is distinct from excluded.holder)::int,
                            expires_at = clock_timestamp() + $3 * interval '1 ms', renewed_at = clock_timestamp()
                        where l.holder is null or l.holder = excluded.holder or l.expires_at <= clock_timestamp() or $4
                        returning \(LeaseRow.columns)
                        """, [.text(pipeline), .text(holder), .text(String(forMs)), .text(force ? "t" : "f")])
                    try session.run("commit")
                    if let lease = LeaseRow.parsed(taken) { return lease }
                } catch {
                    session.rollback()
                    throw error
                }
                if let lease = try LeaseRow(session: session, pipeline: pipeline).read() { return lease }
            }
        }
    }

    package func renew(_ epochs: [String: Int64], by holder: String, forMs: Int64) throws -> Set<String> {
        try reporting("the leases cannot be renewed") {
            let known = epochs.sorted { $0.key < $1.key }
            let rows = try session.query(
                """
                update tidemark.lease l set expires_at = clock_timestamp() + $3 * interval '1 ms', renewed_at = clock_timestamp()
                where l.holder = $2 and (l.pipeline, l.epoch) in (
                    select k.value ->> 0, (k.value ->> 1)::bigint from json_array_elements($1) k)
                returning l.pipeline
                """, [.json(Self.pairs(known)), .text(holder), .text(String(forMs))])
            return Set((0..<rows.count).compactMap { rows[$0, 0] })
        }
    }

    private static func pairs(_ epochs: [(key: String, value: Int64)]) -> [UInt8] {
        Array("[\(epochs.map { "[\(JSONString.quoted($0.key)),\($0.value)]" }.joined(separator: ","))]".utf8)
    }

    /// The row stays, so that the epoch goes on rising.
    package func release(_ pipeline: String, by holder: String) throws {
        try reporting("the lease cannot be given back") {
            try session.query(
                "update tidemark.lease set holder = null, expires_at = clock_timestamp() where pipeline = $1 and holder = $2",
                [.text(pipeline), .text(holder)])
        }
    }

    package func lease(of pipeline: String) throws -> Lease? {
        try reporting("the lease cannot be read") { try LeaseRow(session: session, pipeline: pipeline).read() }
    }

    /// A process that is stopped, or cut off, in the middle of a window keeps the cursor's row locked: its connection stands.
    package func endSessions(of holder: String, pipeline: String?) throws {
        try reporting("the sessions of \(holder) cannot be ended in the target") {
            var pipelines = [pipeline].compactMap(\.self)
            if pipelines.isEmpty {
                let rows = try session.query("select pipeline from tidemark.cursor")
                pipelines = (0..<rows.count).compactMap { rows[$0, 0] }
            }
            let names = JSONText.array(pipelines.map { SessionName.of(holder, at: $0) })
            let found = try session.query(
                """
                select pid, usename, current_user from pg_stat_activity
                where datname = current_database() and pid <> pg_backend_pid()
                  and application_name in (select json_array_elements_text($1))
                """, [.json(names)])
            for row in 0..<found.count {
                try end(pid: found[row, 0] ?? "", of: found[row, 1] ?? "?", as: found[row, 2] ?? "?", holder: holder)
            }
        }
    }

    /// - Parameter user: whose session it is.
    private func end(pid: String, of user: String, as role: String, holder: String) throws {
        let byHand = "select pg_terminate_backend(\(pid));"
        do {
            let ended = try session.query("select pg_terminate_backend($1, 2000)", [.text(pid)])
            guard ended[0, 0] != "t", try session.query("select pg_stat_get_backend_pid(b) from pg_stat_get_backend_idset() b where pg_stat_get_backend_pid(b) = $1", [.text(pid)]).count > 0
            else { return }
            throw TidemarkError(
                "a session of an earlier leader does not end", why: "process \(pid) of \(holder) was told to, 2 s ago",
                remedy: "Look what it waits for: select * from pg_stat_activity where pid = \(pid);", retry: .later)
        } catch let failure as PostgresFailure where failure.sqlState == "42501" {
            throw TidemarkError(
                "a session of an earlier leader cannot be ended", why: "it is process \(pid) of user \(user), and \(role) may not end it",
                remedy: "Type as a superuser of the target: \(byHand) To let \(role) do so itself:"
                    + " grant pg_signal_backend to \(PostgresIdentifier.quoted(role));")
        }
    }
}
