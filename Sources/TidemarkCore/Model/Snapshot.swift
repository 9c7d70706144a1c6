/// A moment of a source's history, exact to the transaction. Every window lies between two.
package enum Snapshot: Hashable, Sendable {
    /// PostgreSQL: which transactions had ended.
    case transactions(TransactionSnapshot)
    /// SQLite: one writer at a time makes the order of ids the order of commits, so the id of the
    /// last change is the whole moment.
    case change(Int64)

    /// Is everything seen here also seen by `later`? False between moments of different engines.
    package func isContained(in later: Snapshot) -> Bool {
        switch (self, later) {
        case (.transactions(let here), .transactions(let there)): here.isContained(in: there)
        case (.change(let here), .change(let there)): here <= there
        default: false
        }
    }

    /// Reads what `description` writes, which is what the cursor table stores.
    package init?(_ text: String) {
        if let id = Int64(text), id >= 0 {
            self = .change(id)
        } else if let snapshot = TransactionSnapshot(text) {
            self = .transactions(snapshot)
        } else {
            return nil
        }
    }
}

extension Snapshot: CustomStringConvertible {
    package var description: String {
        switch self {
        case .transactions(let snapshot): snapshot.description
        case .change(let id): String(id)
        }
    }
}
