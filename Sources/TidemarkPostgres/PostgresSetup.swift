import PostgresSQL
package import TidemarkCore

/// Installs and removes what tidemark needs in a source and a target.
package struct PostgresSetup {
    private let source: PostgresSession
    private let target: PostgresSession

    package init(source: String, target: String) throws(PostgresFailure) {
        self.source = try PostgresSession(source)
        self.target = try PostgresSession(target)
    }

    /// Captures the tables that the patterns select and puts the pipeline's cursor before the first
    /// change that capture can log. Run again it adds what is missing and moves nothing.
    /// - Returns: the tables captured.
    package func install(pipeline: String, include: [TablePattern], exclude: [TablePattern]) throws -> [TableName] {
        try source.run(PostgresSQL.install)
        try target.run(PostgresSQL.target)
        let tables = try userTables().filter { table in
            (include.isEmpty || include.contains { $0.matches(table) }) && !exclude.contains { $0.matches(table) }
        }
        guard !tables.isEmpty else {
            throw TidemarkError(
                "no table is selected", pipeline: pipeline,
                why: "no user table of the source matches \(include.map(\.text).joined(separator: ", "))",
                remedy: "Patterns are schema.table with *; psql's \\dt *.* lists the tables.")
        }
        try placeCursor(of: pipeline)
        for table in tables { try attach(table) }
        return tables
    }

    /// Removes the pipeline's cursor and capture, and tidemark's schema from both databases.
    package func remove() throws {
        if try source.query("select to_regnamespace('tidemark')")[0, 0] != nil {
            let captured = try source.query(
                "select relation::regclass, schema_name, table_name from tidemark.capture where retired_at is null order by id")
            for row in 0..<captured.count {
                let table = TableName(schema: captured[row, 1], name: captured[row, 2] ?? "")
                try onceUnlocked(table, "detach", [.text(captured[row, 0] ?? "")])
            }
        }
        try source.run("drop schema if exists tidemark cascade")
        try target.run("drop schema if exists tidemark cascade")
    }

    private func userTables() throws -> [TableName] {
        let rows = try source.query(
            """
            select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
              and n.nspname not in ('pg_catalog', 'information_schema', 'tidemark') and n.nspname !~ '^pg_'
              and not exists (select from pg_depend d where d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype = 'e')
            order by 1, 2
            """)
        return (0..<rows.count).map { TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? "") }
    }

    /// The first cursor is taken before the first trigger exists, so every captured change lies
    /// after it; a pipeline that has one keeps it.
    private func placeCursor(of pipeline: String) throws {
        let known = try target.query("select from tidemark.cursor where pipeline = $1", [.text(pipeline)])
        guard known.count == 0 else { return }
        let identity = try PostgresSource.identity(in: source)
        let lastID = try source.query(
            "select case when is_called then last_value else last_value - 1 end from tidemark.data_changes_id_seq")
        let tick = try source.query(
            """
            insert into tidemark.tick (snapshot, xid, last_id)
            values (pg_current_snapshot(), pg_current_xact_id(), $1) returning snapshot, token
            """, [.text(lastID[0, 0] ?? "0")])
        try target.query(
            """
            insert into tidemark.cursor (pipeline, source, snapshot, witness, last_id, epoch)
            values ($1, $2, $3, $4, $5, 0) on conflict (pipeline) do nothing
            """,
            [
                .text(pipeline), .text(identity), .text(tick[0, 0] ?? ""), .text(tick[0, 1] ?? ""),
                .text(lastID[0, 0] ?? "0"),
            ])
    }

    private func attach(_ table: TableName) throws {
        try onceUnlocked(table, "attach", [.text(PostgresIdentifier.quoted(table))])
    }

    /// One table a transaction, with a short lock timeout and a few tries: a writer that stays open
    /// must not make every other writer queue behind the installation.
    private func onceUnlocked(_ table: TableName, _ function: String, _ parameters: [PostgresParameter]) throws {
        for attempt in 1...10 {
            do {
                try source.run("begin; set local lock_timeout = '500ms'")
                try source.query("select tidemark.\(function)($1::regclass)", parameters)
                try source.run("commit")
                return
            } catch let failure {
                _ = try? source.run("rollback")
                guard failure.sqlState == "55P03", attempt < 10 else {
                    throw TidemarkError(
                        "capture cannot be \(function)ed", table: table, why: failure.description,
                        remedy: failure.sqlState == "55P03"
                            ? "A transaction holds the table: find it in pg_stat_activity, then type the command again."
                            : "Mend it, then type the command again; what is done stays done.")
                }
            }
        }
    }
}
