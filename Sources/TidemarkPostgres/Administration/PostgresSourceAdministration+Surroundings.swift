package import TidemarkCore

extension PostgresSourceAdministration {
    package func surroundings(of tables: [TableName]) throws -> Surroundings {
        try reporting("triggers and extensions cannot be read") {
            let triggers = try session.query(
                """
                select c.relname || '.' || t.tgname
                from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_namespace n on n.oid = c.relnamespace
                where not t.tgisinternal and t.tgenabled in ('O', 'A') and t.tgname not like 'tidemark\\_%'
                  and (n.nspname, c.relname) in (select * from rows from (json_array_elements_text($1::json), json_array_elements_text($2::json)))
                """, [.json(JSONText.array(tables.map { $0.schema ?? "public" })), .json(JSONText.array(tables.map(\.name)))])
            let extensions = try session.query("select extname from pg_extension")
            return Surroundings(
                triggers: Set((0..<triggers.count).compactMap { triggers[$0, 0] }),
                extensions: Set((0..<extensions.count).compactMap { extensions[$0, 0] }))
        }
    }

    package func pipelines() throws -> [String] {
        try reporting("the pipelines cannot be listed") {
            guard try CaptureRegistry.isInstalled(in: session) else { return [] }
            let rows = try session.query("select name from tidemark.pipeline order by name")
            return (0..<rows.count).compactMap { rows[$0, 0] }
        }
    }
}
