import TidemarkCore

/// The triggers that keep the rows which others delete from a pipeline's shared tables.
struct TombstoneTriggers {
    let session: PostgresSession
    let pipeline: String

    /// Beside those of single tables, `tombstones_OID`.
    static let functions = ["merge_json", "log_removal"]
    private static let trigger = "tidemark_tombstone"

    private struct Table {
        let name: TableName
        let oid: String
        let keyColumns: [String]

        var function: String { "tidemark.tombstones_\(oid)" }
    }

    /// Puts them on these tables, and takes them off the pipeline's others that no other pipeline shares.
    func prepare(_ tables: [CapturedTable]) throws {
        guard try session.query("select to_regclass('tidemark.shared_table')")[0, 0] != nil else { return }
        let locks = TableLocks(session: session)
        let found = try tables.map { table in
            guard let found = try find(table) else { throw lacksTable(table) }
            return found
        }
        for table in found {
            let missing = try missing(table)
            try locks.holding(table.name, doing: "the rows that are deleted from a table cannot be kept") {
                for statement in missing { try session.run(statement) }
                try session.query(
                    "insert into tidemark.shared_table values ($1, $2, $3) on conflict do nothing",
                    [.text(pipeline), .text(table.name.schema ?? "public"), .text(table.name.name)])
            }
        }
        for table in try left(by: found.map(\.name)) {
            try locks.holding(table, doing: "the rows that are deleted from a table cannot be left alone") {
                for statement in try removal(of: table) { try session.run(statement) }
            }
        }
    }

    func plan(_ tables: [CapturedTable]) throws -> [PlannedStatement] {
        let added = try tables.compactMap { try find($0) }.flatMap { table in
            try missing(table).map { PlannedStatement($0, lock: Self.lock($0, on: table.name)) }
        }
        return try added + planRemoval(but: tables.map { TableName(schema: $0.atTarget.schema ?? "public", name: $0.atTarget.name) })
    }

    func planRemoval(but kept: [TableName] = []) throws -> [PlannedStatement] {
        guard try session.query("select to_regclass('tidemark.shared_table')")[0, 0] != nil else { return [] }
        return try left(by: kept).flatMap { table in try removal(of: table).map { PlannedStatement($0, lock: Self.lock($0, on: table)) } }
    }

    /// Source: PostgreSQL documentation, CREATE TRIGGER and DROP TRIGGER.
    private static func lock(_ sql: String, on table: TableName) -> String {
        if sql.hasPrefix("drop trigger") { return "ACCESS EXCLUSIVE on \(table)" }
        return sql.hasPrefix("create trigger") ? "SHARE ROW EXCLUSIVE on \(table)" : "none on any table of yours"
    }

    private func lacksTable(_ table: CapturedTable) -> TidemarkError {
        TidemarkError(
            "the target lacks a table", pipeline: pipeline, table: table.name, why: "there is no table \(PostgresIdentifier.quoted(table.atTarget))",
            remedy: "Type tidemark setup --create …, which makes it, or create it by hand; then type: tidemark setup …")
    }

    private func find(_ table: CapturedTable) throws -> Table? {
        let name = TableName(schema: table.atTarget.schema ?? "public", name: table.atTarget.name)
        let rows = try session.query(
            """
            select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')
            """, [.text(name.schema ?? ""), .text(name.name)])
        return rows[0, 0].map { Table(name: name, oid: $0, keyColumns: table.keyColumns.sorted()) }
    }

    /// The statements that are not run yet, as the table is now.
    private func missing(_ table: Table) throws -> [String] {
        let columns = try columns(of: table)
        let source = body(table, columns, shape: try shape(of: table))
        let known = try session.query("select prosrc from pg_proc where oid = to_regprocedure($1)", [.text("\(table.function)()")])
        var statements: [String] = []
        if known[0, 0] != source {
            statements = [
                """
                create or replace function \(table.function)() returns trigger
                language plpgsql security definer set search_path = pg_catalog, pg_temp
                set extra_float_digits = 1 set "IntervalStyle" = 'postgres' set "DateStyle" = 'ISO, YMD' set "TimeZone" = 'UTC'
                set bytea_output = 'hex' set lc_monetary = 'C' as $tidemark$\(source)$tidemark$
                """,
                "revoke all on function \(table.function)() from public",
            ]
        }
        let standing = try session.query("select tgname from pg_trigger where tgrelid = $1::oid and not tgisinternal", [.text(table.oid)])
        let names = Set((0..<standing.count).compactMap { standing[$0, 0] })
        let on = "on \(PostgresIdentifier.quoted(table.name)) for each row"
        return statements + (names.contains(Self.trigger) ? [] : ["create trigger \(Self.trigger) after update or delete \(on) execute function \(table.function)()"])
    }

    private func columns(of table: Table) throws -> [ImageColumn] {
        let forms = try SharedRows.forms(of: table.oid, in: session)
        let rows = try session.query(
            "select attname from pg_attribute where attrelid = $1::oid and attnum > 0 and not attisdropped and attgenerated = '' order by attnum",
            [.text(table.oid)])
        return (0..<rows.count).compactMap { row in
            rows[row, 0].flatMap { name in forms[name].map { ImageColumn(name: name, form: $0) } }
        }
    }

    /// The condition under which the table's columns are, dropped ones included, what the function is made for.
    private func shape(of table: Table) throws -> String {
        let rows = try session.query("select attname, atttypid from pg_attribute where attrelid = $1::oid and attnum > 0 order by attnum", [.text(table.oid)])
        let columns = (0..<rows.count).map { row in
            "(a.attname = \(PostgresIdentifier.literal(rows[row, 0] ?? "")) and a.atttypid = \(rows[row, 1] ?? "0")::oid)"
        }
        return "not exists (select from pg_attribute a where a.attrelid = \(table.oid)::oid and a.attnum > 0 and not (\(columns.joined(separator: " or "))))"
    }

    /// A trigger that somebody puts on a table of his own must not write here. A table that was altered keeps no rows until setup has
    /// seen it: an application must not fail for a column that is gone. That a key is another one is not for a WHEN to say, which would
    /// keep its type from being altered. An image too large to be kept is that of the key.
    private func body(_ table: Table, _ columns: [ImageColumn], shape: String) -> String {
        let row = ImageExpressions(of: columns, alias: "OLD")
        let kept = table.keyColumns.map { "OLD.\(PostgresIdentifier.quoted($0)) is not distinct from NEW.\(PostgresIdentifier.quoted($0))" }.joined(separator: " and ")
        let key = ImageExpressions(of: columns.filter { table.keyColumns.contains($0.name) }.sorted { $0.name < $1.name }, alias: "OLD").key(table.keyColumns)
        return """

            begin
                if TG_RELID <> \(table.oid)::oid and pg_partition_root(TG_RELID) is distinct from \(table.oid)::oid::regclass then return null; end if;
                if not (\(shape)) then return null; end if;
                if TG_OP = 'UPDATE' then
                    if \(kept) then return null; end if;
                end if;
                insert into tidemark.tombstone (schema_name, table_name, key, image, deleted_at)
                values (\(PostgresIdentifier.literal(table.name.schema ?? "public")), \(PostgresIdentifier.literal(table.name.name)),
                        \(key), coalesce(\(row.image), \(key)), clock_timestamp())
                on conflict (schema_name, table_name, key) do update set image = excluded.image, deleted_at = excluded.deleted_at;
                return null;
            end
            """
    }

    /// Tables that the pipeline shared until now.
    private func left(by kept: [TableName]) throws -> [TableName] {
        let rows = try session.query(
            "select schema_name, table_name from tidemark.shared_table where pipeline = $1 order by 1, 2", [.text(pipeline)])
        return (0..<rows.count).map { TableName(schema: rows[$0, 0], name: rows[$0, 1] ?? "") }.filter { !kept.contains($0) }
    }

    private func removal(of table: TableName) throws -> [String] {
        let (schema, name) = (PostgresIdentifier.literal(table.schema ?? "public"), PostgresIdentifier.literal(table.name))
        let forgotten =
            "delete from tidemark.shared_table where pipeline = \(PostgresIdentifier.literal(pipeline)) and schema_name = \(schema) and table_name = \(name)"
        let others = try session.query(
            "select exists (select from tidemark.shared_table where pipeline <> $1 and schema_name = $2 and table_name = $3)",
            [.text(pipeline), .text(table.schema ?? "public"), .text(table.name)])
        guard others[0, 0] != "t" else { return [forgotten] }
        let standing = try session.query(
            """
            select format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass), format('drop function %s', t.tgfoid::regprocedure)
            from pg_trigger t where t.tgrelid = to_regclass($1) and t.tgparentid = 0
              and t.tgfoid::regproc::text like 'tidemark.tombstones\\_%' order by t.tgname
            """, [.text(PostgresIdentifier.quoted(table))])
        let triggers = (0..<standing.count).compactMap { standing[$0, 0] }
        let functions = Set((0..<standing.count).compactMap { standing[$0, 1] }).sorted()
        return triggers + functions + ["delete from tidemark.tombstone where schema_name = \(schema) and table_name = \(name)", forgotten]
    }
}
