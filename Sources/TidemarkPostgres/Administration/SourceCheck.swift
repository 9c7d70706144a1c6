import TidemarkCore

/// Everything about a source that would go wrong, or that its DBA should have accepted.
struct SourceCheck {
    let session: PostgresSession

    func findings(_ request: CaptureRequest, tables: [SourceTable]) throws -> [Finding] {
        var found = try server()
        if tables.isEmpty {
            found.append(
                Finding(.problem, "no table is selected", remedy: "Patterns are schema.table with *; psql's \\dt *.* lists the tables."))
        }
        for table in tables { found += try examine(table, request) }
        found += try applications(of: tables)
        found += try SourceSequences(session: session).findings(request.selection)
        if try CaptureRegistry.isInstalled(in: session) {
            guard try LogLimitRecord.isInstalled(in: session) else {
                return found + [Finding(.problem, "the source was set up by an older version", remedy: OlderLog.remedy)]
            }
            if let silent = try LogStatus(session: session).slowestPipeline(besides: request.pipeline)?.finding { found.append(silent) }
            found += try foreignChanges() + LogLimitRecord(session: session).standing().findings
        }
        found += try openTransactions()
        if try isTarget(besides: request.pipeline) { found += try chain(request) }
        return found
    }

    /// Of a source that tidemark applies changes to: do they go on?
    private func chain(_ request: CaptureRequest) throws -> [Finding] {
        guard request.capturesApplied else {
            // Between two ends that send each other their own changes nothing has to go on.
            guard !request.isShared else { return [] }
            return [
                Finding(
                    .warning, "the source is a target too, and what tidemark applies to it does not go on from there",
                    remedy: "If it should, write pass-on: true, or give --pass-on, and type: tidemark setup … Or let each target follow the first source.")
            ]
        }
        return try AppliedRecord(session: session).leftOut().filter(request.selection.takes).map { table in
            Finding(
                .problem, table: table, "what tidemark applies to the table is not captured, and so cannot be passed on",
                remedy: "Type: tidemark setup …, then tidemark verify --repair …, which brings what was applied until then.")
        }
    }

    /// Does another pipeline apply changes here? The pipeline's own cursor is left from when the roles were others.
    private func isTarget(besides pipeline: String) throws -> Bool {
        guard try session.query("select to_regclass('tidemark.cursor')")[0, 0] != nil else { return false }
        return try session.query("select exists (select from tidemark.cursor where pipeline <> $1)", [.text(pipeline)])[0, 0] == "t"
    }

    private func server() throws -> [Finding] {
        let rows = try session.query(
            """
            select current_setting('server_version_num')::int < 140000, current_setting('server_version'), pg_is_in_recovery(),
                   r.rolsuper, r.rolsuper or r.rolbypassrls, current_user,
                   has_database_privilege(current_database(), 'CREATE'), current_database()
            from pg_roles r where r.rolname = current_user
            """)
        let role = PostgresIdentifier.quoted(rows[0, 5] ?? "")
        var found: [Finding] = []
        if rows[0, 0] == "t" {
            found.append(
                Finding(.problem, "the server is PostgreSQL \(rows[0, 1] ?? "?")", remedy: "tidemark needs PostgreSQL 14 or newer at the source."))
        }
        if rows[0, 2] == "t" {
            found.append(
                Finding(.problem, "the server is a standby in recovery", remedy: "Give the address of the primary: capture has to write."))
        }
        if rows[0, 4] != "t" {
            found.append(
                Finding(
                    .problem, "role \(role) may not read past row-level security, so capture could miss rows",
                    remedy: "Type as a superuser: alter role \(role) bypassrls;"))
        }
        if rows[0, 3] == "t" {
            found.append(
                Finding(
                    .note, "capture runs with the rights of the superuser that installs it",
                    remedy: "A role with BYPASSRLS, CREATE on the database, and SELECT and TRIGGER on the tables is enough."))
        }
        if rows[0, 6] != "t" {
            found.append(
                Finding(
                    .problem, "role \(role) may not create a schema",
                    remedy: "grant create on database \(PostgresIdentifier.quoted(rows[0, 7] ?? "")) to \(role);"))
        }
        return found
    }

    private func examine(_ table: SourceTable, _ request: CaptureRequest) throws -> [Finding] {
        let quoted = PostgresIdentifier.quoted(table.name)
        let rows = try session.query(
            """
            select c.relpersistence = 'u', has_table_privilege(c.oid, 'SELECT'), has_table_privilege(c.oid, 'TRIGGER'),
                   exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) or c.relkind = 'p',
                   current_user
            from pg_class c where c.oid = $1::regclass
            """, [.text(quoted)])
        var found: [Finding] = []
        func add(_ severity: Finding.Severity, _ what: String, _ remedy: String) {
            found.append(Finding(severity, table: table.name, what, remedy: remedy))
        }
        let role = PostgresIdentifier.quoted(rows[0, 4] ?? "")
        if rows[0, 0] == "t" {
            add(.problem, "the table is UNLOGGED: a crash empties it, and no trigger sees that", "alter table \(quoted) set logged;")
        }
        if rows[0, 1] != "t" || rows[0, 2] != "t" {
            add(.problem, "role \(role) may not read the table or put triggers on it", "grant select, trigger on \(quoted) to \(role);")
        }
        if request.kind == .statement, rows[0, 3] == "t" {
            add(.problem, "statement capture cannot see changes that come through a parent table", "Use --capture auto or row.")
        }
        if table.keyColumns.isEmpty {
            add(
                request.requiresKey ? .problem : .warning,
                "the table has no key: rows are identified as a whole, which is slow for updates and deletes",
                "Give it a primary key, or a unique index on NOT NULL columns that is not deferrable.")
        }
        return found
    }

    private func applications(of tables: [SourceTable]) throws -> [Finding] {
        guard !tables.isEmpty else { return [] }
        return [
            Finding(
                .note, "after a captured write, lastval() answers for the change log, or fails where its rights are missing",
                remedy: "Applications that call lastval() should use RETURNING or currval('their sequence')."),
            Finding(
                .note, "what is written under session_replication_role = replica is not captured",
                remedy: "tidemark setup --capture-replica-role includes it."),
        ]
    }

    private func foreignChanges() throws -> [Finding] {
        try UnseenChanges(session: session).all().map { unseen in
            Finding(
                .problem, table: unseen.table, "rows may have changed without a trace in the log: \(unseen.why)",
                remedy: UnseenChanges.remedy)
        }
    }

    private func openTransactions() throws -> [Finding] {
        let rows = try session.query(
            """
            select pid, usename, extract(epoch from clock_timestamp() - xact_start)::bigint from pg_stat_activity
            where backend_xid is not null and pid <> pg_backend_pid() and xact_start < clock_timestamp() - interval '5 min'
            """)
        return (0..<rows.count).map { row in
            Finding(
                .warning,
                "process \(rows[row, 0] ?? "?") of user \(rows[row, 1] ?? "?") has a transaction open for \(rows[row, 2] ?? "?") s,"
                    + " which delays its own changes and the pruning of the log",
                remedy: "End it, if it was forgotten: select pg_terminate_backend(\(rows[row, 0] ?? "?"));")
        }
    }
}
