/// The net effect of one page on its tables: what is left of each row after later changes of the
/// same row have replaced earlier ones.
///
/// The plan holds indices into the page, not values. Applied in the order truncations, whole-row
/// insertions, deletes, upserts (and, at the end of the *window*, whole-row deletions), it leaves
/// the same rows as applying the page change by change. `PagePlanProperties` checks that sentence.
package struct PagePlan: Sendable {
    package var tables: [TablePlan] = []

    /// Folds the changes of a page.
    ///
    /// - Parameter keysCompareByText: for a capture, whether two keys are equal exactly if their
    ///   text is. Where they are not (numeric scale, `citext`, `char(n)`, -0, nondeterministic
    ///   collations) the changes stay in their order, and the target's own equality decides.
    /// - Throws: `UnappliableChange` at the first change that carries no row.
    package init(
        coalescing page: ChangePage, keysCompareByText: (Int32) -> Bool
    ) throws(UnappliableChange) {
        var slots: [Int32: Int] = [:]
        var latest = KeyIndex(changes: page.changes.count)
        for (index, change) in page.changes.enumerated() {
            if change.operation == .shapeChanged || change.operation == .imageTooLarge {
                throw UnappliableChange(index: index, operation: change.operation)
            }
            let slot: Int
            if let known = slots[change.capture] {
                slot = known
            } else {
                slot = tables.count
                slots[change.capture] = slot
                tables.append(
                    TablePlan(capture: change.capture, coalesced: keysCompareByText(change.capture)))
            }
            if change.operation == .truncate {
                tables[slot].truncate()
            } else if let key = change.key {
                var replaced: Int?
                if tables[slot].coalesced {
                    replaced = latest.put(index, key: key, of: change.capture, in: page)
                }
                tables[slot].keyed.append(index)
                if let replaced {
                    tables[slot].superseded.insert(replaced)
                    if tables[slot].fresh.remove(replaced) { tables[slot].fresh.insert(index) }
                } else if tables[slot].coalesced, change.operation == .insert {
                    tables[slot].fresh.insert(index)
                }
            } else if change.operation == .delete {
                tables[slot].wholeRowDeletions.append(index)
            } else {
                tables[slot].wholeRowInsertions.append(index)
            }
        }
    }
}

/// What a page does to one table.
package struct TablePlan: Sendable {
    package let capture: Int32
    /// Are keys compared by their text, so that at most one change of each row is left?
    package let coalesced: Bool
    /// Empty the table before anything else of this plan.
    package internal(set) var truncates = false
    package internal(set) var wholeRowInsertions: [Int] = []
    /// For the end of the window: a row that nested statements wrote and removed again may be
    /// logged as removed first.
    package internal(set) var wholeRowDeletions: [Int] = []

    var keyed: [Int] = []
    var superseded = PlaceSet()
    /// Of the changes that count, those of rows that the page inserts: before it they did not exist.
    package internal(set) var fresh = PlaceSet()

    init(capture: Int32, coalesced: Bool) {
        self.capture = capture
        self.coalesced = coalesced
    }

    /// The changes of rows with a key that count, in the order of their ids.
    package var keyedChanges: [Int] {
        superseded.isEmpty ? keyed : keyed.filter { !superseded.contains($0) }
    }

    /// Nothing that came before a truncation is left of it.
    mutating func truncate() {
        truncates = true
        wholeRowInsertions = []
        wholeRowDeletions = []
        keyed = []
        superseded = PlaceSet()
        fresh = PlaceSet()
    }
}

/// A change that says that a row cannot be applied because it is not in the log.
package struct UnappliableChange: Error, Equatable {
    /// Which change of the page.
    package let index: Int
    package let operation: Operation
}

extension TablePlan {
    /// The same plan for one of its changes alone, to find out which one a target refuses.
    package func only(_ index: Int, of page: ChangePage) -> TablePlan {
        var single = TablePlan(capture: capture, coalesced: coalesced)
        if page.changes[index].key != nil {
            single.keyed = [index]
        } else {
            single.wholeRowInsertions = [index]
        }
        return single
    }
}
