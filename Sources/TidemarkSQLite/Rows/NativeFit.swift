import TidemarkCore

/// Whether a target's columns keep values as the source's columns hold them, so that rows can go in as they are.
struct NativeFit {
    private let rows: TableRows

    init(_ rows: TableRows) { self.rows = rows }

    /// The columns that the target writes; nil where some value could become another one, or has to be refused by name.
    var columns: [String]? {
        guard rows.captured.encoding == .storageClasses else { return nil }
        let written = zip(rows.captured.columns, rows.columns).filter { !$1.isGenerated }
        guard !written.isEmpty, written.allSatisfy({ keeps($0, $1) }) else { return nil }
        return written.map(\.0.name)
    }

    private func keeps(_ source: CapturedColumn, _ target: SQLiteTable.Column) -> Bool {
        // An alias of the rowid makes a number of its own of a NULL, which only a key never is.
        if rows.isRowID(target), rows.captured.keyColumns != [source.name] { return false }
        if target.affinity == .blob { return true }
        // In a STRICT table it means anything, in others a number if it looks like one; which it was is not recorded.
        if source.type.uppercased() == "ANY" { return false }
        // What has passed an affinity passes it again unchanged.
        return SQLiteTable.Affinity(declaredType: source.type, strict: false) == target.affinity
    }
}
