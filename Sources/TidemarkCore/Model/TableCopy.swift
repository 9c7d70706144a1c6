/// How far the rows that a table held before the stream reached it are in the target. Kept in the target.
package struct TableCopy: Hashable, Sendable {
    package enum State: String, Hashable, Sendable {
        /// Nothing of it is copied yet.
        case waiting
        /// Part of it is; the stream keeps that part, and every row that it touches, at the cursor.
        case copying
        /// The table is what the source had at the cursor.
        case done
    }

    /// What becomes of rows that the target's table holds before the copy.
    package enum Existing: String, Hashable, Sendable, CaseIterable {
        /// A table that holds rows is not copied into.
        case refuse
        /// They are removed first.
        case empty
        /// They stay, and those with the key of a row that is copied are overwritten.
        case merge
        /// There is no copy: the operator has loaded the table.
        case keep
    }

    package var table: TableName
    package var state: State
    package var existing: Existing
    /// The generation of capture at the source that the target's rows are complete from; 0 while they are not.
    package var capture: Int32
    /// The key, as JSON, up to which the table is copied in the order of its keys.
    package var copiedThrough: String?
    package var rows: Int64
    /// As they travelled.
    package var bytes: Int64
    /// An estimate of how many rows there are; 0 where it is not known.
    package var expectedRows: Int64
    /// To be run on the target once the table is copied: its indexes.
    package var statementsAfter: [String]
    /// And once all tables are: foreign keys.
    package var statementsLast: [String]
    /// What of the table travels, and what the target calls it, as `TableRules.shape(of:)` says it; nil for all, under its own name.
    package var shape: String?
    /// As the target writes times.
    package var startedAt: String?
    package var finishedAt: String?

    package init(_ table: TableName, _ existing: Existing, statementsAfter: [String] = [], statementsLast: [String] = []) {
        self.table = table
        self.existing = existing
        (self.statementsAfter, self.statementsLast) = (statementsAfter, statementsLast)
        state = existing == .keep ? .done : .waiting
        (capture, rows, bytes, expectedRows) = (0, 0, 0, 0)
    }

    /// The same table's copy from its first row on; what waits for its end still does.
    package func anew(_ existing: Existing) -> TableCopy {
        var copy = TableCopy(table, existing, statementsAfter: statementsAfter, statementsLast: statementsLast)
        copy.shape = shape
        return copy
    }

    /// Is there anything still to be done?
    package var isLeft: Bool { state != .done || !statementsAfter.isEmpty || !statementsLast.isEmpty }

    /// May the stream's changes be applied to the table? Before its first row is copied they are left
    /// out, since the copy, which is younger, has them all. A table without a key is copied at one moment.
    package func isStreamed(keyed: Bool) -> Bool {
        switch state {
        case .waiting: existing == .merge && keyed
        case .copying: keyed
        case .done: true
        }
    }

    /// What to say where the target's table holds rows and the operator has not chosen.
    package static func refusal(of table: TableName, pipeline: String) -> TidemarkError {
        TidemarkError(
            "the target's table holds rows already", pipeline: pipeline, table: table,
            why: "a copy would mix with them, and nobody has said what is to become of them",
            remedy: "Choose: --existing empty removes them first; --existing merge keeps them, and overwrites those that the"
                + " source has too; --no-copy leaves the copy out, where you have loaded the table yourself.")
    }

    /// Up to which generation of capture it does not matter what passed unseen: the copy has it, or will.
    package var settledThrough: Int32 {
        state == .waiting && existing != .merge ? Self.everyGeneration : capture
    }

    /// Above every generation that setup has made, below what it has not seen yet: that is held in any case.
    package static let everyGeneration = Int32.max - 1
}

/// The tables that a pipeline takes, as its source has to know them.
package struct TakenTables: Hashable, Sendable {
    package var selection: TableSelection
    /// Up to which generation of capture rows that passed unseen are in the target all the same.
    package var settledThrough: [TableName: Int32]

    package init(_ selection: TableSelection, settledThrough: [TableName: Int32] = [:]) {
        self.selection = selection
        self.settledThrough = settledThrough
    }

    /// Does a gap in front of this generation of a table's capture stop the pipeline?
    package func isHeld(_ table: TableName, before capture: Int32) -> Bool {
        selection.takes(table) && capture > settledThrough[table] ?? 0
    }
}
