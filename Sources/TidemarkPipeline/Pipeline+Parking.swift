import Logging
import TidemarkBlocking
import TidemarkCore

/// Sets aside what cannot be applied, where the operator has chosen so.
extension Pipeline {
    /// From so many transactions of a window on that a table refuses, all of its changes wait.
    private static let faultsPerTableMax = 20

    func maySetAside(_ failure: TidemarkError) -> Bool {
        settings.failurePolicy == .setAside && failure.isAboutData && failure.retry == .never
            && (failure.changeID != nil || failure.table != nil)
    }

    /// A transaction that is to be left out of a window.
    private struct Mark {
        var transaction: UInt64
        var fault: ParkedFault
        /// A table of which everything in the window is left out with it.
        var holding: TableName?
    }

    /// Applies a window without the transactions that the target refuses, which it keeps in the same transaction, one more each
    /// time.
    /// - Throws: the failure itself where no transaction of the window is what failed.
    func applySettingAside(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, after first: TidemarkError
    ) async throws -> Cursor {
        // The source's thread may be looking for the next windows.
        abandonLook()
        var (marks, compared, failure) = ([Mark](), Set<Int32>(), first)
        var faults: [TableName: Int] = [:]
        while true {
            if let table = failure.table { faults[table, default: 0] += 1 }
            let isWhole = failure.table.map { failure.changeID == nil || faults[$0, default: 0] > Self.faultsPerTableMax } ?? false
            let (mark, touched) = try await mark(failure, holding: isWhole ? failure.table : nil, in: window, tables: tables)
            // Nothing is won by leaving the same out again.
            guard !marks.contains(where: { $0.transaction == mark.transaction && $0.holding == mark.holding }) else { throw failure }
            // Of several changes of a row the last one is what is refused: if it still is without that, it was an earlier one's doing.
            marks.removeAll { $0.holding == nil && mark.fault.key != nil && $0.fault.isOfSameRow(as: mark.fault) }
            marks.append(mark)
            compared.formUnion(try await comparedByText(touched))
            var plan = ParkingPlan()
            plan.comparedByText = compared
            for mark in marks { plan.setAside(mark.transaction, for: mark.fault, holding: mark.holding) }
            do {
                let moved = try await apply(window, tables: tables, moving: cursor, parking: plan)
                for fault in plan.faults { log.error("set aside transaction \(fault.transaction): \(fault.reason)") }
                return moved
            } catch let next as TidemarkError where maySetAside(next) {
                failure = next
            }
        }
    }

    private func apply(
        _ window: Window, tables: [Int32: CapturedTable], moving cursor: Cursor, parking plan: ParkingPlan
    ) async throws -> Cursor {
        func pages() -> PageSlots<ChangePage> { startReading(window, tables, keepingEveryChange: true) }
        do {
            return try await apply(window, pages(), tables: tables, moving: cursor, order: .paged, parking: plan)
        } catch let failure as TidemarkError where failure.retry == .staged {
            return try await apply(window, pages(), tables: tables, moving: cursor, order: .staged, parking: plan)
        }
    }

    /// The transaction to be left out for a failure, and the tables that it touches.
    private func mark(
        _ failure: TidemarkError, holding table: TableName?, in window: Window, tables: [Int32: CapturedTable]
    ) async throws -> (Mark, [CapturedTable]) {
        let found = try await makers(of: failure, holding: table, in: window, tables: tables)
        guard let transaction = found.transaction else { throw failure }
        let touched = found.captures.compactMap { tables[$0] }
        // A row that is copied later would be younger than what is parked of it.
        guard touched.allSatisfy({ copies[$0.name]?.isLeft != true }) else { throw failure }
        let fault = ParkedFault(
            transaction: String(transaction), table: failure.table, key: failure.key, changeID: failure.changeID, reason: Self.reason(of: failure))
        return (Mark(transaction: transaction, fault: fault, holding: table), touched)
    }

    private func comparedByText(_ tables: [CapturedTable]) async throws -> [Int32] {
        let exact = tables.filter(\.keysAreTheirText)
        return try await targetThread.run { target in exact.filter { target?.comparesKeysByText($0) ?? false }.map(\.capture) }
    }

    /// The transaction that made the change that failed, or the first one that touched the table, with what else it touched.
    private func makers(
        of failure: TidemarkError, holding table: TableName?, in window: Window, tables: [Int32: CapturedTable]
    ) async throws -> (transaction: UInt64?, captures: Set<Int32>) {
        let captures = tables.keys.sorted()
        return try await sourceThread.run { source in
            var transaction: UInt64?
            var touched: [UInt64: Set<Int32>] = [:]
            source?.keepEveryChange(true)
            defer { source?.keepEveryChange(false) }
            try source?.read(window, captures: captures) { page in
                for (index, change) in page.changes.enumerated() {
                    let maker = WindowSplit.transaction(of: index, in: page)
                    touched[maker, default: []].insert(change.capture)
                    let isIt = table.map { tables[change.capture]?.name == $0 } ?? (change.id == failure.changeID)
                    if isIt, transaction == nil { transaction = maker }
                }
            }
            return (transaction, transaction.flatMap { touched[$0] } ?? [])
        }
    }

    /// What failed, with what to type once it is mended.
    private static func reason(of failure: TidemarkError) -> String { "\(failure.what): \(failure.why)\n  \(remedyOfRetry(failure.remedy))" }

    /// What is parked does not go on by itself.
    package static func remedyOfRetry(_ remedy: String) -> String {
        ["type: tidemark run …; it goes on at this change.", "type: tidemark run …; it goes on by itself.", "type: tidemark run …"]
            .reduce(remedy) { $0.replacing($1, with: "type: tidemark parked retry …") }
    }

    /// Rows that parked changes will overwrite are not made right before.
    func refuseIfParked(_ table: TableName, _ work: String) throws {
        guard parked.holds(table) else { return }
        throw TidemarkError(
            "a table has parked changes", pipeline: settings.name, table: table,
            why: "to \(work) it would bring rows that they are older than, and applying them later would take the rows back",
            remedy: "Settle them first: tidemark parked list … names them; tidemark parked retry --all … applies them, and tidemark"
                + " parked skip --all … gives them up.")
    }
}

extension ParkedFault {
    fileprivate func isOfSameRow(as other: ParkedFault) -> Bool { table == other.table && key == other.key }
}
