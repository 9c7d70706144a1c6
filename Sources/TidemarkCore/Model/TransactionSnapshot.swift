/// Which transactions were committed at one moment: PostgreSQL's `pg_snapshot`, `xmin:xmax:xip,…`.
///
/// Transaction ids are 64-bit (`xid8`), so they do not wrap. A transaction is visible if its id is
/// below `xmax` and not in the list of those that were still in progress.
///
/// Source of the rules: PostgreSQL documentation, "Transaction ID and Snapshot Information
/// Functions"; the cut at windows instead of ids is PgQ's (`pgq.batch_event_sql`).
package struct TransactionSnapshot: Hashable, Sendable {
    /// The lowest transaction id that was still in progress; everything below it had ended.
    package let xmin: UInt64
    /// One above the highest id that had ended; everything from here on was not yet visible.
    package let xmax: UInt64
    /// The ids between `xmin` and `xmax` that were still in progress, in increasing order.
    package let inProgress: [UInt64]

    /// - Returns: nil unless `xmin <= xmax` and every id of the list lies in `xmin ..< xmax`.
    package init?(xmin: UInt64, xmax: UInt64, inProgress: [UInt64]) {
        guard xmin <= xmax, inProgress.allSatisfy({ $0 >= xmin && $0 < xmax }) else { return nil }
        self.xmin = xmin
        self.xmax = xmax
        self.inProgress = Set(inProgress).sorted()
    }

    /// Reads PostgreSQL's text form. Returns nil for anything else; a cursor that cannot be read
    /// must stop its pipeline, never start it somewhere.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, let xmin = UInt64(parts[0]), let xmax = UInt64(parts[1]) else { return nil }
        var list: [UInt64] = []
        for item in parts[2].split(separator: ",", omittingEmptySubsequences: parts[2].isEmpty) {
            guard let xid = UInt64(item) else { return nil }
            list.append(xid)
        }
        self.init(xmin: xmin, xmax: xmax, inProgress: list)
    }

    /// Had this transaction committed, or aborted, when the snapshot was taken?
    package func sees(_ xid: UInt64) -> Bool {
        if xid >= xmax { return false }
        if xid < xmin { return true }
        var low = 0
        var high = inProgress.count
        while low < high {
            let middle = (low + high) / 2
            if inProgress[middle] < xid { low = middle + 1 } else { high = middle }
        }
        return low == inProgress.count || inProgress[low] != xid
    }

    /// Is everything that this snapshot sees also seen by `later`? Only then is there a window
    /// between the two.
    package func isContained(in later: TransactionSnapshot) -> Bool {
        xmax <= later.xmax && !later.inProgress.contains(where: sees)
    }

    /// The lowest transaction id that this snapshot does not see and that `later` may: with ids of
    /// changes drawn after a transaction's own id, where reading the window has to begin.
    package func oldestUnseen(endedIn later: TransactionSnapshot) -> UInt64 {
        inProgress.first(where: later.sees) ?? xmax
    }

    /// The same moment with one transaction counted as still in progress.
    ///
    /// A tick that a capture trigger writes holds `pg_current_snapshot()`, which never lists the
    /// caller's own transaction: cut there, a window would hold half of it. The tick stores that
    /// transaction's id, and the cut counts it as open.
    package func countingAsOpen(_ xid: UInt64) -> TransactionSnapshot {
        guard sees(xid) else { return self }
        return TransactionSnapshot(xmin: Swift.min(xmin, xid), xmax: xmax, inProgress: inProgress + [xid]) ?? self
    }
}

extension TransactionSnapshot: CustomStringConvertible {
    /// PostgreSQL's text form, which `init(_:)` and a cast to `pg_snapshot` read back.
    package var description: String {
        "\(xmin):\(xmax):" + inProgress.map(String.init).joined(separator: ",")
    }
}
