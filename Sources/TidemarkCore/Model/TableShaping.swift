/// What becomes of a table's rows on their way: which of them travel, with which columns, under which names.
///
/// Expressions are SQL of the source's engine over the columns of one row of the table, evaluated at the source, so that what is left out
/// or masked never leaves it.
package struct TableShaping: Hashable, Sendable {
    /// Only rows of which this is true are in the target. A row that ceases to be one is deleted there, one that becomes one inserted.
    package var filter: String?
    /// The only columns of the table that travel; nil for all. The key's always do.
    package var columns: [String]?
    /// Columns that do not travel.
    package var omitted: [String] = []
    /// Values that travel instead of a column's own, and columns that only the target has: name at the source, and expression.
    package var expressions: [Expression] = []
    /// What columns are called at the target, by their name at the source.
    package var renamedColumns: [String: String] = [:]
    /// What the table is called at the target; nil for the same. Without a schema, that of the source's table.
    package var target: String?

    package struct Expression: Hashable, Sendable {
        package var column: String
        package var sql: String

        package init(column: String, sql: String) { (self.column, self.sql) = (column, sql) }
    }

    package init() {}

    /// Does a row look at the target as it looks at the source, if it is there?
    package var isNone: Bool { self == TableShaping() }

    /// Does the target lack rows, columns or values of the source, so that nobody can fail over to it?
    package var isPartial: Bool { filter != nil || columns != nil || !omitted.isEmpty || !expressions.isEmpty }
}

enum Unshapeable {
    static func error() -> TidemarkError {
        TidemarkError(
            "tables cannot be shaped on their way from here", why: "what is read is handed over as it is",
            remedy: "Take where:, columns:, omit:, set:, rename: and to: out of the pipeline's tables.")
    }
}
