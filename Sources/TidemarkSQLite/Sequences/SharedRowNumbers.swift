package import TidemarkCore

/// The tables of a source that number their rows within one range, where each of several databases has its own.
///
/// SQLite counts on from the largest number that a table ever held, wherever that came from: so the range has to be above all that
/// other databases give.
struct SharedRowNumbers {
    let database: SQLiteDatabase

    /// What a table's next number comes from.
    private struct Standing {
        var given: Int64
        var stored: Int64
        var next: Int64 { max(given, stored) &+ 1 }
    }

    func statements(_ sites: SequenceSite, of selection: TableSelection, for pipeline: String) throws -> [String] {
        guard case .range(let range) = sites else { throw Self.isNoRange(sites) }
        var statements: [String] = []
        for entry in try entries(selection) {
            let (standing, table) = (try standing(entry), SQLiteIdentifier.literal(entry.table))
            if try database.hasTable("tidemark_sequence_site") { try refuseOther(entry, sites, pipeline) }
            guard standing.stored <= range.upperBound, standing.given < range.upperBound else { throw Self.isAbove(entry, standing, range) }
            if standing.next < range.lowerBound {
                statements.append("DELETE FROM main.sqlite_sequence WHERE name = \(table)")
                statements.append("INSERT INTO main.sqlite_sequence (name, seq) VALUES (\(table), \(range.lowerBound - 1))")
            }
            let values = "\(SQLiteIdentifier.literal(pipeline)), \(table), \(SQLiteIdentifier.literal(sites.description))"
            let known = try database.hasTable("tidemark_sequence_site")
                && !database.rows(
                    "SELECT 1 FROM main.tidemark_sequence_site WHERE (pipeline, table_name, sites) = (?, ?, ?)",
                    [.string(pipeline), .string(entry.table), .string(sites.description)]
                ).isEmpty
            if !known {
                statements.append("DELETE FROM main.tidemark_sequence_site WHERE pipeline = \(SQLiteIdentifier.literal(pipeline)) AND table_name = \(table)")
                statements.append("INSERT INTO main.tidemark_sequence_site (pipeline, table_name, sites) VALUES (\(values))")
            }
        }
        return statements
    }

    func findings(_ sites: SequenceSite, of selection: TableSelection) throws -> [Finding] {
        guard case .range(let range) = sites else {
            let error = Self.isNoRange(sites)
            return [Finding(.problem, "\(error.what): \(error.why)", remedy: error.remedy)]
        }
        let plain = try RowNumbers.all(in: database).filter { !$0.isAutoincrement && selection.takes(TableName(schema: nil, name: $0.table)) }.map { entry in
            Finding(
                .warning, table: TableName(schema: nil, name: entry.table), "its numbers go on from the largest one that it holds, and cannot be given a range",
                remedy: "Declare \(entry.column) INTEGER PRIMARY KEY AUTOINCREMENT, or have the application give the numbers.")
        }
        return try plain + entries(selection).compactMap { entry in
            let (standing, table) = (try standing(entry), TableName(schema: nil, name: entry.table))
            guard range.contains(standing.next) else {
                return Finding(
                    .problem, table: table, "it numbers its next row \(standing.next), which is outside sites: \(sites)",
                    remedy: standing.next < range.lowerBound
                        ? "Type: tidemark setup …, which puts it on the first number of the range."
                        : "SQLite counts on from the largest number that a table ever held: give this database the highest range of all, and type: tidemark setup …")
            }
            guard SharedNumbers.isNearEnd(standing.next, of: range) else { return nil }
            return Finding(
                .warning, table: table, "it numbers its next row \(standing.next), and its range ends at \(range.upperBound)",
                remedy: "Give this database another range with sites:, above all others, and type: tidemark setup …")
        }
    }

    func removal(_ pipeline: String) throws(SQLiteFailure) -> [String] {
        guard try database.hasTable("tidemark_sequence_site"),
            try !database.rows("SELECT 1 FROM main.tidemark_sequence_site WHERE pipeline = ?", [.string(pipeline)]).isEmpty
        else { return [] }
        return ["DELETE FROM main.tidemark_sequence_site WHERE pipeline = \(SQLiteIdentifier.literal(pipeline))"]
    }

    private func entries(_ selection: TableSelection) throws(SQLiteFailure) -> [RowNumbers.Entry] {
        try RowNumbers.all(in: database).filter { $0.isAutoincrement && selection.takes(TableName(schema: nil, name: $0.table)) }
    }

    private func standing(_ entry: RowNumbers.Entry) throws(SQLiteFailure) -> Standing {
        let stored = try database.rows("SELECT max(\(SQLiteIdentifier.quoted(entry.column))) FROM main.\(SQLiteIdentifier.quoted(entry.table))").first?.first?.integer
        let given = try database.rows("SELECT max(CAST(seq AS INTEGER)) FROM main.sqlite_sequence WHERE name = ?", [.string(entry.table)]).first?.first?.integer
        return Standing(given: given ?? 0, stored: stored ?? 0)
    }

    private func refuseOther(_ entry: RowNumbers.Entry, _ sites: SequenceSite, _ pipeline: String) throws {
        let other = try database.rows(
            "SELECT pipeline, sites FROM main.tidemark_sequence_site WHERE pipeline <> ? AND table_name = ? AND sites <> ? LIMIT 1",
            [.string(pipeline), .string(entry.table), .string(sites.description)])
        guard let row = other.first else { return }
        throw SharedNumbers.isOther("table \(entry.table)", row[0].string ?? "", row[1].string ?? "", sites)
    }

    private static func isNoRange(_ sites: SequenceSite) -> TidemarkError {
        TidemarkError(
            "SQLite cannot count by steps", why: "AUTOINCREMENT gives the number behind the largest one, whatever sites: \(sites) says",
            remedy: "Give it a range above all that other databases give: sites: range 1000000000-1999999999.")
    }

    private static func isAbove(_ entry: RowNumbers.Entry, _ standing: Standing, _ range: ClosedRange<Int64>) -> TidemarkError {
        TidemarkError(
            "a table's numbers are above its range", table: TableName(schema: nil, name: entry.table),
            why: "it held \(max(standing.given, standing.stored)), and SQLite counts on from the largest number; the range ends at \(range.upperBound)",
            remedy: "Give this database a range above that, and above all that other databases give: sites: range FIRST-LAST.")
    }
}

extension SQLiteSourceAdministration {
    /// Ranges of two databases do not meet, so that where the other one's numbers stand is nothing to this one.
    package func share(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws {
        try saying("the numbers of rows cannot be shared", pipeline: pipeline, path: path) {
            let shared = SharedRowNumbers(database: database)
            guard try !shared.statements(sites, of: selection, for: pipeline).isEmpty else { return }
            try WriteLock(database: database).hold {
                for statement in try shared.statements(sites, of: selection, for: pipeline) { try database.execute(statement) }
            }
        }
    }

    package func planSharing(_ sites: SequenceSite, of selection: TableSelection, above others: SequenceFloors, for pipeline: String) throws -> [PlannedStatement] {
        try saying("the numbers of rows cannot be read", pipeline: pipeline, path: path) {
            try SharedRowNumbers(database: database).statements(sites, of: selection, for: pipeline).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func checkSharing(_ sites: SequenceSite, of selection: TableSelection) throws -> [Finding] {
        try saying("the numbers of rows cannot be read", path: path) { try SharedRowNumbers(database: database).findings(sites, of: selection) }
    }

    package func unshare(_ pipeline: String) throws {
        try saying("the numbers of rows cannot be put back", pipeline: pipeline, path: path) {
            let statements = try SharedRowNumbers(database: database).removal(pipeline)
            guard !statements.isEmpty else { return }
            try WriteLock(database: database).hold { for statement in statements { try database.execute(statement) } }
        }
    }

    /// Numbers stay where they are: nothing of a table's is another way than it was.
    package func planUnsharing(_ pipeline: String) throws -> [PlannedStatement] {
        try saying("the numbers of rows cannot be read", pipeline: pipeline, path: path) {
            try SharedRowNumbers(database: database).removal(pipeline).map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }
}
