/// What becomes of a row that was changed at both ends of a pipeline, neither change knowing of the other.
///
/// The target decides, in the transaction of the window: it compares the row that stands there with the row that the change was made
/// from. Columns are called as the target calls them.
package struct ConflictRule: Hashable, Sendable {
    package enum Strategy: Hashable, Sendable {
        /// The change that comes from the source counts.
        case sourceWins
        /// What stands at the target counts.
        case targetWins
        /// The row counts whose column, a time, is the later one. The same at every end, whatever comes first.
        case lastWriteWins(by: String)
        /// The row counts whose column, a number that grows with each write, is higher. The same at every end, whatever comes first.
        case highestVersion(by: String)
        /// Column by column: those that `columns` names by their own rule, all others from the row whose column is the later or higher
        /// one. The same at every end, as far as the columns' rules are.
        case merge(by: String)
        /// The pipeline stops, and says which row.
        case stop
        /// The change counts of which this is true: SQL of the target's engine over the columns of `source`, `target` and `before`.
        case custom(String)
    }

    /// How a merge decides about one column.
    package enum ColumnStrategy: Hashable, Sendable {
        /// The value counts whose own column, a time or a number, is the later or higher one. That column goes with it.
        case newest(by: String)
        /// A value counts before NULL; of two values the greater one.
        case fill
        /// Both are JSON objects: each member counts by itself, the changed one before the other; of two changed ones the greater text.
        case json
        /// A counter: what the source added to it is added at the target.
        case add
        case source
        case target
        /// SQL of the target's engine that gives the value, over the columns of `source`, `target` and `before`.
        case custom(String)
    }

    package var strategy: Strategy
    /// For `merge` only.
    package var columns: [String: ColumnStrategy]
    /// A column that says where a row was written: which of two counts whose times or versions are the same. Without it, the
    /// greater image does.
    package var site: String?

    package init(_ strategy: Strategy, columns: [String: ColumnStrategy] = [:], site: String? = nil) {
        (self.strategy, self.columns, self.site) = (strategy, columns, site)
    }
}

extension ConflictRule {
    /// Do all ends come to the same row, whatever comes first, if the rule's columns grow with each write? What is merged column by
    /// column, only of rows that nobody deletes meanwhile.
    package var converges: Bool {
        switch strategy {
        case .lastWriteWins, .highestVersion: true
        case .merge: columns.values.allSatisfy { if case .source = $0 { false } else if case .target = $0 { false } else { true } }
        case .sourceWins, .targetWins, .stop, .custom: false
        }
    }

    /// The column by which rows are in an order, where the rule has one.
    package var orderColumn: String? {
        switch strategy {
        case .lastWriteWins(let by), .highestVersion(let by), .merge(let by): by
        case .sourceWins, .targetWins, .stop, .custom: nil
        }
    }

    /// The columns by whose values rows, or single columns of them, are in an order.
    package var orderColumns: Set<String> {
        var names = Set([orderColumn].compactMap(\.self))
        for case .newest(let by) in columns.values { names.insert(by) }
        return names
    }

    /// The column of numbers of which the higher one counts; texts that hold such have another order.
    package var versionColumn: String? { if case .highestVersion(let by) = strategy { by } else { nil } }

    /// The columns that it names, each of which the target has to have.
    package var namedColumns: Set<String> {
        orderColumns.union(columns.keys).union([site].compactMap(\.self))
    }

    /// The word for it, as the configuration and the record of conflicts write it.
    package var name: String {
        switch strategy {
        case .sourceWins: "source-wins"
        case .targetWins: "target-wins"
        case .lastWriteWins: "last-write-wins"
        case .highestVersion: "highest-version"
        case .merge: "merge"
        case .stop: "stop"
        case .custom: "custom"
        }
    }

    /// What the pipeline in the other direction has to be told so that both ends come to the same.
    package var mirrored: ConflictRule {
        var mirrored = self
        switch strategy {
        case .sourceWins: mirrored.strategy = .targetWins
        case .targetWins: mirrored.strategy = .sourceWins
        case .lastWriteWins, .highestVersion, .merge, .stop, .custom: break
        }
        mirrored.columns = columns.mapValues { strategy in
            switch strategy {
            case .source: .target
            case .target: .source
            case .newest, .fill, .json, .add, .custom: strategy
            }
        }
        return mirrored
    }
}

extension ConflictRule {
    /// What to do about a row that the pipeline stopped at.
    package static func stopRemedy(pipeline: String) -> String {
        "Type: tidemark conflicts list --pipeline \(pipeline) …, which shows both rows. Make them the same: tidemark conflicts restore NUMBER --image source …"
            + " takes the source's at the target, or write the row by hand. Then type: tidemark run …"
    }

    /// What to say of a table with a rule that was truncated.
    package static func truncated(_ table: TableName, pipeline: String, changeID: Int64) -> TidemarkError {
        TidemarkError(
            "a table with a rule for conflicts was truncated at the source", pipeline: pipeline, table: table, changeID: changeID,
            why: "a truncation does not say which rows it took, so that rows which the target has changed could not be told from the others",
            remedy: "Nothing was applied. To have all of the target's rows go, too: take conflict: out of the table, and two-way: out of the pipeline, type"
                + " tidemark run --once --pipeline \(pipeline) …, and put them back. What only the target has, keep somewhere before. From now on, DELETE"
                + " instead of TRUNCATE.", isAboutData: true)
    }
}
