/// Which transactions of a window are set aside.
package struct ParkingPlan: Sendable {
    package private(set) var faults: [ParkedFault] = []
    /// The places of faults among them.
    package private(set) var transactions: [UInt64: Int] = [:]
    package private(set) var tables: [TableName: Int] = [:]
    /// The generations of which two keys are equal exactly if their text is. All others are held as whole tables.
    package var comparedByText: Set<Int32> = []

    package init() {}

    /// - Parameter table: one of which everything in the window is set aside with the transaction.
    package mutating func setAside(_ transaction: UInt64, for fault: ParkedFault, holding table: TableName? = nil) {
        let place = transactions[transaction] ?? faults.count
        if place == faults.count {
            faults.append(fault)
            transactions[transaction] = place
        }
        if let table { tables[table] = place }
    }
}

/// Takes a window's pages apart: what is applied, and what is parked.
///
/// Applying the one, and later the other in the order of ids, leaves the same rows as applying all in that order, whichever
/// of the parked transactions comes first that are not joined. `ParkingProperties` checks that sentence.
package struct WindowSplit: Sendable {
    package private(set) var scope: ParkedScope
    /// Is more held than before the window?
    package private(set) var holdsMore = false
    private let plan: ParkingPlan
    private let tables: [Int32: CapturedTable]

    package init(_ scope: ParkedScope, _ plan: ParkingPlan, tables: [Int32: CapturedTable]) {
        (self.scope, self.plan, self.tables) = (scope, plan, tables)
        holdsMore = !plan.faults.isEmpty
    }

    /// Who made the change. Where the source notes no transactions, each change is one.
    package static func transaction(of index: Int, in page: ChangePage) -> UInt64 {
        page.transactions.isEmpty ? UInt64(bitPattern: page.changes[index].id) : page.transactions[index]
    }

    package mutating func split(_ page: ChangePage) -> SplitPage {
        guard !scope.isEmpty || !plan.faults.isEmpty else { return SplitPage(applied: page) }
        var split: SplitPage?
        for (index, change) in page.changes.enumerated() {
            var joined: [SplitPage.Joined] = []
            guard let place = place(of: change, at: index, in: page, &joined) else {
                split?.applied.take(index, from: page)
                continue
            }
            if split == nil {
                var begun = SplitPage(applied: ChangePage())
                for earlier in 0..<index { begun.applied.take(earlier, from: page) }
                split = begun
            }
            split?.parked.take(index, from: page)
            split?.places.append(place)
            split?.joined += joined
        }
        return split ?? SplitPage(applied: page)
    }

    /// - Returns: nil where it is applied.
    private mutating func place(of change: Change, at index: Int, in page: ChangePage, _ joined: inout [SplitPage.Joined]) -> ParkedPlace? {
        guard let table = tables[change.capture] else { return nil }
        let fault = plan.transactions[Self.transaction(of: index, in: page)].map { ParkedOwner.new($0) }
        func waiting(for owner: ParkedOwner) -> ParkedPlace { ParkedPlace(owner: owner, isWaiting: owner != fault, holdsTable: false) }
        if let whole = scope.whole(of: table.name) { return waiting(for: whole) }
        if let place = plan.tables[table.name] { return hold(table.name, by: .new(place), fault, &joined) }
        let form = scope.keyForm(of: table.name)
        guard fault != nil || form != nil else { return nil }
        // A key of another form says nothing about those that are held.
        guard change.operation != .truncate, let range = change.key, form == nil || form == table.keyForm else {
            return (fault ?? scope.tables[table.name]?.holders.values.min(by: Self.isEarlier)).map { hold(table.name, by: $0, fault, &joined) }
        }
        let key = String(decoding: page.bytes[range], as: UTF8.self)
        if let holder = scope.holder(of: key, in: table.name) { return waiting(for: holder) }
        guard let fault else { return nil }
        guard plan.comparedByText.contains(change.capture), !scope.isFull else { return hold(table.name, by: fault, fault, &joined) }
        scope.hold(key, of: table.name, keyForm: table.keyForm, by: fault)
        return ParkedPlace(owner: fault, isWaiting: false, holdsTable: false)
    }

    /// From this change on the whole table waits.
    private mutating func hold(_ table: TableName, by owner: ParkedOwner, _ fault: ParkedOwner?, _ joined: inout [SplitPage.Joined]) -> ParkedPlace {
        holdsMore = true
        joined += scope.holdAll(of: table, by: owner).sorted(by: Self.isEarlier).map { SplitPage.Joined(one: owner, other: $0) }
        return ParkedPlace(owner: owner, isWaiting: owner != fault, holdsTable: true)
    }

    private static func isEarlier(_ one: ParkedOwner, _ other: ParkedOwner) -> Bool {
        switch (one, other) {
        case (.known(let one), .known(let other)): one < other
        case (.new(let one), .new(let other)): one < other
        case (.known, .new): true
        case (.new, .known): false
        }
    }
}
