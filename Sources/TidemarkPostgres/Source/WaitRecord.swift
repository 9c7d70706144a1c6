package import TidemarkCore

/// What `tidemark.wait_for` goes by: how a pipeline is waited for, and how far it is.
struct WaitRecord {
    let session: PostgresSession
    let pipeline: String

    /// An installation of an older version has no place for it until setup renews it.
    func isInstalled() throws -> Bool {
        try session.query(
            "select exists (select from pg_attribute where attrelid = to_regclass('tidemark.pipeline') and attname = 'incomplete' and not attisdropped)")[0, 0] == "t"
    }

    func write(_ waiting: Waiting) throws {
        guard try isInstalled() else {
            // Nobody was promised anything.
            guard waiting.mode != .asynchronous else { return }
            throw OlderLog.error()
        }
        try session.query(
            """
            update tidemark.pipeline set wait = $2, wait_tables = array(select json_array_elements_text($3))
            where name = $1 and (wait, wait_tables) is distinct from ($2, array(select json_array_elements_text($3)))
            """, [.text(pipeline), .text(waiting.mode.rawValue), .json(JSONText.array(waiting.tables.map(\.text)))])
    }

    func read() throws -> Waiting? {
        let rows = try session.query(
            "select to_jsonb(p) ->> 'wait', coalesce(to_jsonb(p) ->> 'wait_tables', '[]') from tidemark.pipeline p where name = $1", [.text(pipeline)])
        guard rows.count == 1, let mode = rows[0, 0].flatMap({ Waiting.Mode(rawValue: $0) }) else { return nil }
        return Waiting(mode, tables: try JSONText.strings(rows[0, 1] ?? "[]").map { TablePattern($0) })
    }

    /// Who waits reads it before the disk has it: after a crash of the server the worker says it once more.
    func write(_ place: Acknowledgement) throws {
        // A target of the past acknowledges nothing.
        guard case .transactions(let snapshot) = place.cursor.snapshot,
            try isInstalled(), try !RemovedChanges(session: session).mayBeLacked(at: snapshot, by: pipeline)
        else { return }
        try session.query(
            """
            update tidemark.pipeline p
            set snapshot = $2::text::pg_snapshot, witness = $3::text::uuid, last_id = $4, confirmed_at = clock_timestamp(), incomplete = $5::int[]
            from (select set_config('synchronous_commit', 'off', true)) setting
            where p.name = $1 and p.lost_at is null
              and (p.snapshot::text, p.witness::text, p.incomplete) is distinct from ($2::text, $3::text, $5::int[])
            """,
            [
                .text(pipeline), .text(place.cursor.snapshot.description), .text(place.cursor.witness), .text(String(place.cursor.lastID)),
                .text("{\(place.incomplete.map(String.init).joined(separator: ","))}"),
            ])
    }
}

extension PostgresSource {
    package func announce(_ waiting: Waiting, of pipeline: String) throws {
        try reporting("who waits cannot be told how") { try WaitRecord(session: session, pipeline: pipeline).write(waiting) }
    }

    package func acknowledge(_ place: Acknowledgement, of pipeline: String) throws {
        try reporting("who waits cannot be told of the target") { try WaitRecord(session: session, pipeline: pipeline).write(place) }
    }
}

extension PostgresSourceAdministration {
    package func moment() throws -> Snapshot {
        try reporting("the source cannot be read") {
            let rows = try session.query("select pg_is_in_recovery(), pg_current_snapshot()")
            guard rows[0, 0] != "t" else {
                throw TidemarkError(
                    "the source is a standby in recovery", why: "its snapshots do not list what is open on the primary",
                    remedy: "Give the address of the primary.")
            }
            return .transactions(try TransactionSnapshot.parsed(rows[0, 1]))
        }
    }

    package func isLogged(between earlier: Snapshot, and later: Snapshot, of tables: [TablePattern]) throws -> Bool {
        try reporting("the change log cannot be read") {
            guard try session.query("select to_regprocedure('tidemark.is_logged_between(pg_snapshot, pg_snapshot, int[])')")[0, 0] != nil else {
                throw OlderLog.error()
            }
            let captures = try tables.isEmpty ? nil : CaptureRegistry.tables(in: session)
                .filter { table in tables.contains { $0.matches(table.name) } }.map { String($0.capture) }
            return try session.query(
                "select tidemark.is_logged_between($1, $2, $3)",
                [.text(earlier.description), .text(later.description), .optional(captures.map { "{\($0.joined(separator: ","))}" })])[0, 0] == "t"
        }
    }
}
