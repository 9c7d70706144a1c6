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

    /// What one change would make another row of; nil where it would change nothing.
    func kind(_ page: AppliedPage, _ index: Int) throws -> RowDifference.Kind? { try compare(page, index) { _ in } }

    private func difference(_ page: AppliedPage, _ index: Int) throws -> RowDifference? {
        var columns: [String] = []
        let kind = try compare(page, index) { given in
            columns = names.indices.filter { !given.isSame(Int32($0), as: Int32($0), of: standing) }.map { names[$0] }
        }
        // Spelled only for the few that differ.
        return kind.map { RowDifference($0, key: page.keyText(index) ?? "", columns: columns) }
    }

    /// - Parameter differing: looks at the two rows while they are there, where they are not the same.
    private func compare(
        _ page: AppliedPage, _ index: Int, _ differing: (_ given: SQLiteStatement) -> Void
    ) throws -> RowDifference.Kind? {
        do {
            defer { standing.reset() }
            try target.key.bind(page.key(index), to: standing, scratch.key)
            let isThere = try standing.step()
            if page.page.changes[index].operation == .delete { return isThere ? .extra : nil }
            guard isThere else { return .missing }
            defer { given.reset() }
            try target.image.bind(page.image(index), to: given, scratch.image)
            _ = try given.step()
            guard names.indices.contains(where: { !given.isSame(Int32($0), as: Int32($0), of: standing) }) else { return nil }
            differing(given)
            return .different
        } catch {
            throw ApplyFault(pipeline: pipeline, table: target.captured.name, key: page.keyText(index))
                .error(for: error, order: .staged)
        }
    }
}

/// A statement that gives back what is bound to it, with nothing made of it.
enum GivenRow {
    static func sql(columns: Int) -> String {
        "SELECT " + (columns == 0 ? "NULL" : (1...columns).map { "?\($0)" }.joined(separator: ", "))
    }
}
