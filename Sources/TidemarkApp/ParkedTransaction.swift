
/// A transaction that was set aside, with the later changes of its rows that wait behind it.
package struct ParkedTransaction: Codable, Sendable, Equatable {
    /// Names it to `tidemark parked`.
    package var id: Int64
    package var pipeline: String
    /// As the source numbers it.
    package var transaction: String
    package var parkedAt: String
    /// What could not be applied: the table, the key and the change where it failed, as far as that is known.
    package var table: String?
    package var key: String?
    package var changeID: Int64?
    /// Why, and what to type.
    package var reason: String
    /// How many changes it holds, of which so many belong to later transactions and wait for it.
    package var changes: Int64
    package var waitingChanges: Int64
    package var firstChangeID: Int64
    package var lastChangeID: Int64
    /// The tables that are not exact because of it.
    package var tables: [String]
    /// Other parked transactions that are settled with it, since their rows cannot be told apart.
    package var together: [Int64]
}

/// One change of a parked transaction.
package struct ParkedChange: Codable, Sendable, Equatable {
    package var changeID: Int64
    package var table: String
    /// insert, update, delete or truncate
    package var operation: String
    /// JSON; nil of a truncation, and of a row that only its whole image names.
    package var key: String?
    /// The row as the source left it, as JSON; nil where it was deleted.
    package var image: String?
    /// The row as the target has it now, as JSON; nil where it has none.
    package var targetRow: String?
    /// Is it of a later transaction, which waits for this one?
    package var isWaiting: Bool
}

/// What was done about parked changes, by whom.
package struct ParkedAudit: Codable, Sendable, Equatable {
    package var at: String
    package var by: String
    /// parked, retried or skipped
    package var action: String
    package var parked: Int64
    package var changes: Int64
    package var tables: [String]
    package var detail: String?
}
