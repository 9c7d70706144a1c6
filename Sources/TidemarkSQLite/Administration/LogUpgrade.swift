import SQLiteSQL

/// Brings the log of an older version up to this one's: new tables, and new columns of old ones.
struct LogUpgrade {
    let database: SQLiteDatabase
    private static let columns = [
        ("tidemark_pipeline", "retain_seconds", "INTEGER"), ("tidemark_pipeline", "retain_bytes", "INTEGER"),
        ("tidemark_pipeline", "lost_at", "TEXT"), ("tidemark_pipeline", "lost_why", "TEXT"),
        ("tidemark_pipeline", "image", "TEXT"), ("tidemark_capture", "images", "TEXT"),
        ("tidemark_capture", "stopped_at", "TEXT"), ("tidemark_capture", "stopped_why", "TEXT"),
        ("tidemark_pipeline", "captures_applied", "INTEGER"),
    ]

    /// None where the log is this version's.
    func statements() throws(SQLiteFailure) -> [String] {
        var missing: [String] = []
        for (table, column, type) in Self.columns {
            guard try !hasColumn(column, of: table) else { continue }
            missing.append("ALTER TABLE \(table) ADD COLUMN \(column) \(type)")
        }
        let hasRoles = try RoleTable(database).exists()
        let hasSites = try database.hasTable("tidemark_sequence_site")
        return missing.isEmpty && hasRoles && hasSites ? [] : missing + SQLScript.statements(SQLiteSQL.install)
    }

    func hasColumn(_ column: String, of table: String) throws(SQLiteFailure) -> Bool {
        try !database.rows("SELECT 1 FROM pragma_table_info(?, 'main') WHERE name = ?", [.string(table), .string(column)]).isEmpty
    }
}
