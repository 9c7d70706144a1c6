import TidemarkCore

/// Compares changes with the rows that they would write: bound exactly as applying them would bind them.
final class ComparedRows {
    private let pipeline: String
    private let target: TargetTable
    /// The columns that are written, in the order in which the binder gives them.
    private let names: [String]
    private let given: SQLiteStatement
    private let standing: SQLiteStatement
    private let scratch = (image: ScratchBytes(), key: ScratchBytes())

    init(_ database: SQLiteDatabase, _ rows: TableRows, pipeline: String) throws {
        self.pipeline = pipeline
        target = try TargetTable(rows.captured, slot: 0, in: database, pipeline: pipeline)
        let written = zip(rows.captured.columns, rows.columns).filter { !$1.isGenerated }
        names = written.map(\.0.name)
        given = try database.prepare(GivenRow.sql(columns: names.count))
        let list = written.isEmpty ? "1" : written.map { rows.reference($0.1) }.joined(separator: ", ")
        standing = try database.prepare("SELECT \(list) FROM \(rows.quotedName) WHERE \(rows.keyMatch())")
    }

    func differences(_ page: ChangePage) throws -> [RowDifference] {
        try page.bytes.withUnsafeBufferPointer { bytes in
            let applied = AppliedPage(page: page, bytes: bytes)
            return try page.changes.indices.compactMap { try difference(applied, $0) }
        }
    }

    private func difference(_ page: AppliedPage, _ index: Int) throws -> RowDifference? {
        // Spelled only for the few that differ.
        func key() -> String { page.keyText(index) ?? "" }
        do {
            defer { standing.reset() }
            try target.key.bind(page.key(index), to: standing, scratch.key)
            let isThere = try standing.step()
            if page.page.changes[index].operation == .delete { return isThere ? RowDifference(.extra, key: key()) : nil }
            guard isThere else { return RowDifference(.missing, key: key()) }
            defer { given.reset() }
            try target.image.bind(page.image(index), to: given, scratch.image)
            _ = try given.step()
            let differing = names.indices.filter { !given.isSame(Int32($0), as: Int32($0), of: standing) }
            return differing.isEmpty ? nil : RowDifference(.different, key: key(), columns: differing.map { names[$0] })
        } catch {
            throw ApplyFault(pipeline: pipeline, table: target.captured.name, key: key()).error(for: error, order: .staged)
        }
    }
}

/// A statement that gives back what is bound to it, with nothing made of it.
enum GivenRow {
    static func sql(columns: Int) -> String {
        "SELECT " + (columns == 0 ? "NULL" : (1...columns).map { "?\($0)" }.joined(separator: ", "))
    }
}
