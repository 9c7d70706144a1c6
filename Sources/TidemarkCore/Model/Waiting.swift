/// When the source is told that a window is durable in the target: who waits at the source waits for that.
package struct Waiting: Hashable, Sendable {
    package enum Mode: String, Hashable, Sendable, CaseIterable, Codable {
        /// Now and then.
        case asynchronous
        /// After each window.
        case synchronous
        /// After each window that holds changes of named tables; nobody waits for others.
        case hybrid

        /// The texts, for help and errors.
        package static let forms = "asynchronous, synchronous or hybrid"
    }

    package var mode: Mode
    /// With `hybrid`: which tables.
    package var tables: [TablePattern]

    package init(_ mode: Mode = .asynchronous, tables: [TablePattern] = []) { (self.mode, self.tables) = (mode, tables) }

    /// May somebody wait for a change of this table?
    package func awaits(_ table: TableName) -> Bool { mode != .hybrid || tables.contains { $0.matches(table) } }

    /// - Throws: where the mode and the tables do not go together.
    package func refuseContradiction() throws(UsageError) {
        if mode == .hybrid, tables.isEmpty { throw UsageError("wait: hybrid needs the tables that are waited for: wait-tables: in the configuration, or --wait-table.") }
        if mode != .hybrid, !tables.isEmpty { throw UsageError("The tables that are waited for are chosen with wait: hybrid only; with \(mode.rawValue) it is all of them.") }
    }
}

/// How far the target is, for who waits at the source.
package struct Acknowledgement: Hashable, Sendable {
    package var cursor: Cursor
    /// Generations of tables of which the target does not have all rows that `cursor` sees, as they are being copied.
    package var incomplete: [Int32]

    package init(_ cursor: Cursor, incomplete: [Int32]) { (self.cursor, self.incomplete) = (cursor, incomplete) }
}
