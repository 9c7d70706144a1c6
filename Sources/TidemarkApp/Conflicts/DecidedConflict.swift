package import TidemarkCore

/// One conflict, as people and programs read it.
package struct DecidedConflict: Codable, Sendable, Equatable {
    /// Names it to `tidemark conflicts`.
    package var id: Int64
    package var pipeline: String
    package var at: String
    /// As the target calls it.
    package var table: String
    package var key: String
    /// insert-insert, update-update, update-delete, delete-update or unique
    package var kind: String
    /// Where the source's change was made first, if not in the source itself.
    package var origin: String?
    package var changeID: Int64
    /// Rows as JSON; nil where there was none.
    package var before: String?
    package var source: String?
    package var target: String?
    package var outcome: String?
    package var strategy: String
    /// source, target or merged: which of the two stands there now.
    package var result: String
    package var restoredAt: String?
    package var restoredBy: String?

    package init(_ found: Conflict) {
        (id, pipeline, at, table, key) = (found.id, found.pipeline, found.at, found.table.description, found.key)
        (kind, origin, changeID) = (found.kind.rawValue, found.origin, found.changeID)
        (before, source, target, outcome) = (found.before, found.source, found.target, found.outcome)
        (strategy, result, restoredAt, restoredBy) = (found.strategy, found.result.rawValue, found.restoredAt, found.restoredBy)
    }
}

extension DecidedConflict {
    /// A column of the row, as each image has it.
    package struct Line: Sendable, Equatable {
        package var column: String
        /// In the order before, source, target, outcome; nil where there is no row.
        package var values: [String?]
        /// Do source and target differ in it?
        package var differs: Bool
    }

    /// Side by side.
    package var lines: [Line] {
        let images = [before, source, target, outcome].map { $0.map(FlatObject.members) }
        var columns: [String] = []
        for case let image? in images { for (name, _) in image where !columns.contains(name) { columns.append(name) } }
        return columns.map { column in
            let values = images.map { image in image.map { $0.first { $0.name == column }.map { FlatObject.shown($0.value) } ?? "" } }
            return Line(column: column, values: values, differs: values[1] != values[2])
        }
    }
}
