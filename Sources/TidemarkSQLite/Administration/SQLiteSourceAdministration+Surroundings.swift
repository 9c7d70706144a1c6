package import TidemarkCore

extension SQLiteSourceAdministration {
    package func surroundings(of tables: [TableName]) throws -> Surroundings {
        try saying("the triggers cannot be read", path: path) {
            let taken = Set(tables.map { SQLiteIdentifier.folded($0.name) })
            let triggers = try database.rows(
                "SELECT tbl_name, name FROM main.sqlite_schema WHERE type = 'trigger' AND name NOT GLOB 'tidemark_*'")
            return Surroundings(
                triggers: Set(
                    triggers.filter { taken.contains(SQLiteIdentifier.folded($0[0].string ?? "")) }
                        .map { "\($0[0].string ?? "").\($0[1].string ?? "")" }))
        }
    }

    package func pipelines() throws -> [String] {
        try saying("the pipelines cannot be listed", path: path) {
            try ChangeLog(database: database).installID() == nil ? [] : try PipelineRegistry(database: database).names()
        }
    }
}
