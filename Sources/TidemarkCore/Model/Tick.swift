/// A snapshot that was written into the source, so that a backlog can be cut at it and a cursor
/// can name it.
package struct Tick: Hashable, Sendable {
    /// Random; it tells this tick from one that another history of the same source wrote.
    package let token: String
    /// The moment as it may be cut at: the transaction that wrote the tick counts as open.
    package let cut: TransactionSnapshot
    /// A change id that is below every id drawn by a transaction not seen at the moment, or nil
    /// where the writer could not know one (its snapshot was older than its ids).
    package let lastID: Int64?
    /// No transaction that is seen at the moment has drawn a higher id; nil where it was not noted.
    package let highID: Int64?

    package init(token: String, snapshot: TransactionSnapshot, writer: UInt64, lastID: Int64?, highID: Int64? = nil) {
        self.token = token
        self.cut = snapshot.countingAsOpen(writer)
        self.lastID = lastID
        self.highID = highID
    }
}

/// Cuts the way from one snapshot to another into windows of whole transactions.
package enum WindowCut {
    /// - Parameters:
    ///   - start: where the cursor stands.
    ///   - end: the snapshot B that the worker took.
    ///   - ticks: what the source holds between the two, in any order.
    ///   - changesMax: how many change ids a window should span at most. A window is larger only
    ///     where no usable tick lies further in: transactions are never cut.
    /// - Returns: the ends of the windows in order; the last one is `end`. Each contains the one
    ///   before it.
    package static func ends(
        from start: TransactionSnapshot, startID: Int64, to end: TransactionSnapshot,
        ticks: [Tick], changesMax: Int64
    ) -> [TransactionSnapshot] {
        let ordered = ticks.compactMap { tick in tick.lastID.map { (id: $0, cut: tick.cut) } }
            .sorted { $0.id < $1.id }
        var ends: [TransactionSnapshot] = []
        var here = start
        var hereID = startID
        var candidate: (id: Int64, cut: TransactionSnapshot)?
        for tick in ordered {
            guard tick.cut != here, here.isContained(in: tick.cut), tick.cut.isContained(in: end) else { continue }
            if let reachable = candidate, tick.id - hereID > changesMax {
                ends.append(reachable.cut)
                (hereID, here) = (reachable.id, reachable.cut)
                guard tick.cut != here, here.isContained(in: tick.cut) else { continue }
            }
            candidate = tick
        }
        if let last = candidate, last.cut != ends.last, here.isContained(in: last.cut), last.cut != end {
            ends.append(last.cut)
        }
        ends.append(end)
        return ends
    }
}
