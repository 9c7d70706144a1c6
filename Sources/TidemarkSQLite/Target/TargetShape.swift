import TidemarkCore

/// Whether, and by what names, a target's table fits a captured one. Everything that does not fit is said with the
/// statement that mends it.
struct TargetShape {
    private let captured: CapturedTable
    private let pipeline: String?

    init(_ captured: CapturedTable, pipeline: String?) {
        self.captured = captured
        self.pipeline = pipeline
    }

    /// The table with the captured one's name, or the one that the pipeline gives it.
    func table(in database: SQLiteDatabase) throws -> SQLiteTable {
        if let table = try SQLiteCatalog(database).table(captured.atTarget.name) { return table }
        let columns = captured.columns.map { SQLiteIdentifier.quoted($0.name) }.joined(separator: ", ")
        throw error(
            "the target lacks a table", why: "the source captures it",
            remedy: "Type tidemark setup --create …, or on the target: CREATE TABLE \(SQLiteIdentifier.quoted(captured.atTarget.name)) (\(columns)) with the"
                + " source's types and key, or leave it out with --exclude; then type: tidemark run …")
    }

    func column(_ column: CapturedColumn, of table: SQLiteTable) throws -> SQLiteTable.Column {
        // ASCII letters only, as SQLite compares names.
        if let found = table.columns.first(where: { SQLiteIdentifier.folded($0.name) == SQLiteIdentifier.folded(column.name) }) { return found }
        let type = captured.encoding == .storageClasses && !column.type.isEmpty ? " \(column.type)" : ""
        throw error(
            "the target lacks a column", why: "the source has a column \(SQLiteIdentifier.quoted(column.name)) that it has not",
            remedy: "Type on the target: ALTER TABLE \(SQLiteIdentifier.quoted(table.name)) ADD COLUMN"
                + " \(SQLiteIdentifier.quoted(column.name))\(type); then type: tidemark run …")
    }

    /// The terms of a unique index over exactly the key's columns, in the order of the key.
    func keyTerms(of table: SQLiteTable) throws -> [SQLiteTable.Index.Term] {
        guard !captured.keyColumns.isEmpty else {
            guard table.rowIDName != nil else {
                throw error(
                    "the target identifies rows that the source cannot", why: "the table has no key on the source, and on the target no rowid",
                    remedy: "Create the target's table without WITHOUT ROWID, or give the source's table a key and type: tidemark setup …")
            }
            return []
        }
        let wanted = captured.keyColumns.map(SQLiteIdentifier.folded)
        var candidates = table.uniqueIndexes.filter { $0.predicate == nil }.map(\.terms)
        if let key = table.key, key.isRowID { candidates.insert(key.terms, at: 0) }
        let fitting = candidates.filter { terms in
            terms.count == wanted.count && Set(terms.compactMap { $0.column.map(SQLiteIdentifier.folded) }) == Set(wanted)
        }
        // Of several, the one that tells most keys apart.
        let best = fitting.first { $0.allSatisfy { $0.collation.uppercased() == "BINARY" } } ?? fitting.first
        guard let best else {
            let columns = captured.keyColumns.map(SQLiteIdentifier.quoted).joined(separator: ", ")
            throw error(
                "the target cannot find rows by their key", why: "it has no unique index on exactly \(columns)",
                remedy: "Type on the target: CREATE UNIQUE INDEX \(SQLiteIdentifier.quoted(table.name + "_key")) ON"
                    + " \(SQLiteIdentifier.quoted(table.name)) (\(columns)); then type: tidemark run …")
        }
        if captured.encoding == .typedText, best.contains(where: { $0.collation.uppercased() != "BINARY" }) {
            throw error(
                "the target takes different keys for one", why: "its key has a collation that PostgreSQL's has not",
                remedy: "Declare the key columns COLLATE BINARY (which is the default), then type: tidemark run …")
        }
        return wanted.compactMap { name in best.first { $0.column.map(SQLiteIdentifier.folded) == name } }
    }

    private func error(_ what: String, why: String, remedy: String) -> TidemarkError {
        let name = captured.targetName.map { ", and the pipeline calls it \($0) on the target" } ?? ""
        return TidemarkError(what, pipeline: pipeline, table: captured.name, why: why + name, remedy: remedy, isAboutData: true)
    }
}
