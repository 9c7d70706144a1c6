/// Why a transaction is set aside.
package struct ParkedFault: Hashable, Sendable {
    /// As the source numbers it.
    package var transaction: String
    /// Where it failed, as far as that is known.
    package var table: TableName?
    package var key: String?
    package var changeID: Int64?
    /// Why, and what to type.
    package var reason: String

    package init(transaction: String, table: TableName?, key: String?, changeID: Int64?, reason: String) {
        (self.transaction, self.table, self.key, self.changeID, self.reason) = (transaction, table, key, changeID, reason)
    }
}

/// The parked transaction that a row belongs to.
package enum ParkedOwner: Hashable, Sendable {
    /// One that the target keeps.
    case known(Int64)
    /// One of the window at hand, by the place of its fault among the window's.
    case new(Int)

    /// - Parameter ids: what the target calls the window's own.
    package func id(among ids: [Int64]) -> Int64 {
        switch self {
        case .known(let id): id
        case .new(let place): ids[place]
        }
    }
}

/// What is said beside a change that is parked.
package struct ParkedPlace: Hashable, Sendable {
    package var owner: ParkedOwner
    /// Is it of a later transaction, which waits for the owner?
    package var isWaiting: Bool
    /// Do all changes of the table wait from here on?
    package var holdsTable: Bool

    package init(owner: ParkedOwner, isWaiting: Bool, holdsTable: Bool) {
        (self.owner, self.isWaiting, self.holdsTable) = (owner, isWaiting, holdsTable)
    }
}

/// A page of a window, taken apart.
package struct SplitPage: Sendable {
    package var applied: ChangePage
    package var parked = ChangePage()
    /// Beside the parked changes.
    package var places: [ParkedPlace] = []
    /// Transactions whose rows cannot be told apart from here on, so that they are settled together.
    package var joined: [Joined] = []

    package struct Joined: Hashable, Sendable {
        package var one: ParkedOwner
        package var other: ParkedOwner
    }

    package init(applied: ChangePage) { self.applied = applied }
}

/// What is to become of parked transactions.
package struct ParkedSettlement: Hashable, Sendable {
    package enum Action: String, Hashable, Sendable {
        /// They are applied, with all that waits for them.
        case retried
        /// They are given up: the rows stay as the target has them.
        case skipped
    }

    package var ids: [Int64]
    package var action: Action
    package var by: String

    package init(_ action: Action, _ ids: [Int64], by: String) { (self.action, self.ids, self.by) = (action, ids, by) }

    /// What to say where the target does not know a parked transaction.
    package static func isUnknown(_ id: Int64?) -> TidemarkError {
        TidemarkError(
            "there is no such parked transaction", why: "the target keeps no \(id.map { "number \($0)" } ?? "parked changes") of the pipeline",
            remedy: "tidemark parked list … shows what is parked. What was settled is in its audit: tidemark parked list --audit …")
    }
}

/// What was done about one parked transaction.
package struct SettledTransaction: Hashable, Sendable {
    /// As the target writes times.
    package var at: String
    package var by: String
    package var action: String
    package var id: Int64
    package var changes: Int64
    package var tables: [TableName]
    package var detail: String?

    package init(at: String, by: String, action: String, id: Int64, changes: Int64, tables: [TableName], detail: String?) {
        (self.at, self.by, self.action, self.id) = (at, by, action, id)
        (self.changes, self.tables, self.detail) = (changes, tables, detail)
    }
}

/// A parked transaction as the target keeps it.
package struct KeptTransaction: Hashable, Sendable {
    package var id: Int64
    package var fault: ParkedFault
    package var parkedAt: String
    /// The lowest id of those that are settled together.
    package var settledWith: Int64
    package var changes = Int64(0)
    package var waitingChanges = Int64(0)
    package var firstChangeID = Int64(0)
    package var lastChangeID = Int64(0)
    package var tables: [TableName] = []

    package init(id: Int64, fault: ParkedFault, parkedAt: String, settledWith: Int64) {
        (self.id, self.fault, self.parkedAt, self.settledWith) = (id, fault, parkedAt, settledWith)
    }
}

/// A parked change as the target keeps it, beside the row as it stands there.
package struct KeptChange: Hashable, Sendable {
    package var id: Int64
    package var table: TableName
    package var operation: Operation
    package var key: String?
    package var image: String?
    package var isWaiting: Bool
    /// As JSON; nil where there is none, or the key names none.
    package var targetRow: String?

    package init(id: Int64, table: TableName, operation: Operation, key: String?, image: String?, isWaiting: Bool) {
        (self.id, self.table, self.operation, self.key, self.image, self.isWaiting) = (id, table, operation, key, image, isWaiting)
    }
}

/// What a target keeps of a pipeline that is not applied to it.
package struct ParkedState: Sendable {
    package var transactions: [KeptTransaction] = []
    /// Tables that parked changes make differ from the source, or that did once they were skipped, as long as no copy and no
    /// comparison has made that good.
    package var notExact: [TableName] = []

    package init() {}
}

extension ImageEncoding {
    /// As a target keeps it beside parked changes.
    package var storedName: String {
        switch self {
        case .typedText: "text"
        case .storageClasses: "storage classes"
        }
    }

    package init?(storedName: String) {
        guard let known = [ImageEncoding.typedText, .storageClasses].first(where: { $0.storedName == storedName }) else { return nil }
        self = known
    }
}
