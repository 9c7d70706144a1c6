/// A row that was written to a source's log to see how long it takes until a target has it.
package struct HeartbeatMark: Hashable, Sendable {
    package enum Place: Hashable, Sendable {
        /// The transaction that wrote it.
        case transaction(UInt64)
        /// Its id, where ids are the order of commits.
        case change(Int64)
    }

    package let place: Place

    package init(_ place: Place) { self.place = place }

    /// Is it applied where everything that this snapshot sees is? False for a place of another engine.
    package func isSeen(by snapshot: Snapshot) -> Bool {
        switch (place, snapshot) {
        case (.transaction(let xid), .transactions(let snapshot)): snapshot.sees(xid)
        case (.change(let id), .change(let end)): id <= end
        default: false
        }
    }

    /// The generation of capture that it names, which no table has: so nothing takes it.
    package static let capture: Int32 = 0
}
