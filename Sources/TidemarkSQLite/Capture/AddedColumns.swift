/// Tells an ALTER TABLE … ADD COLUMN from every other change of a captured table.
struct AddedColumns {
    private let database: SQLiteDatabase

    init(_ database: SQLiteDatabase) { self.database = database }

    /// Is the table what a generation was made for, with columns added behind, in which no row holds anything yet?
    /// Then the images of that generation are complete, and nothing passed it unseen.
    func areEmpty(in table: SQLiteTable, since capture: Int64) throws(SQLiteFailure) -> Bool {
        let recorded = try database.rows(
            "SELECT schema_text, trigger_text FROM main.tidemark_capture WHERE capture = ?", [.integer(capture)])
        let fingerprint = CaptureFingerprint(database)
        guard let schema = recorded.first?[0].string, let triggers = recorded.first?[1].string,
            try fingerprint.triggerText(of: capture) == triggers,
            schema.hasSuffix(try fingerprint.textBesideTable(table.name))
        else { return false }
        let known = try database.rows(
            "SELECT name, type, is_generated FROM main.tidemark_column WHERE capture = ? ORDER BY position", [.integer(capture)])
        guard known.count < table.columns.count else { return false }
        for (before, now) in zip(known, table.columns) {
            guard before == [.string(now.name), .string(now.declaredType), .integer(now.isGenerated ? 1 : 0)] else { return false }
        }
        let added = table.columns.dropFirst(known.count)
        guard !added.contains(where: \.isGenerated) else { return false }
        let filled = added.map { "\(SQLiteIdentifier.quoted($0.name)) IS NOT NULL" }.joined(separator: " OR ")
        return try database.rows("SELECT 1 FROM main.\(SQLiteIdentifier.quoted(table.name)) WHERE \(filled) LIMIT 1").isEmpty
    }
}
