package import TidemarkCore

/// What was logged when, for who waits until a target has it.
extension SQLiteSourceAdministration {
    package func moment() throws -> Snapshot {
        try saying("the change log cannot be read", path: path) {
            guard try log.isInstalled() else {
                throw TidemarkError(
                    "the source is not set up", why: "\(path) has no tidemark_installation",
                    remedy: "Type: tidemark setup --source sqlite:\(path) --target …")
            }
            return .change(try log.last()?.id ?? 0)
        }
    }

    package func isLogged(between earlier: Snapshot, and later: Snapshot, of tables: [TablePattern]) throws -> Bool {
        guard case .change(let first) = earlier, case .change(let last) = later else { return true }
        return try saying("the change log cannot be read", path: path) {
            var condition = ""
            if !tables.isEmpty {
                let captures = try CaptureRegistry(database).capturedTables().filter { table in tables.contains { $0.matches(table.name) } }
                condition = "AND capture IN (\(captures.map { String($0.capture) }.joined(separator: ",")))"
            }
            return try !database.rows(
                "SELECT 1 FROM main.data_changes WHERE id > ? AND id <= ? AND operation IS NOT 'B' \(condition) LIMIT 1",
                [.integer(first), .integer(last)]).isEmpty
        }
    }
}
