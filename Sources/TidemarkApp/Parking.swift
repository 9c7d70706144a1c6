import TidemarkCore
import TidemarkPipeline

/// The transactions that a pipeline has set aside, and what a person does about them.
package struct Parking: Sendable {
    private let definition: PipelineDefinition

    package init(_ definition: PipelineDefinition) { self.definition = definition }

    package func list() throws -> [ParkedTransaction] {
        try definition.naming {
            let kept = try definition.openTargetAdministration().parked(of: definition.name).transactions
            return kept.map { one in
                ParkedTransaction(one, of: definition.name, together: kept.filter { $0.settledWith == one.settledWith && $0.id != one.id }.map(\.id))
            }
        }
    }

    /// - Throws: where there is no such parked transaction.
    package func changes(of id: Int64, after changeID: Int64 = 0, limit: Int) throws -> [ParkedChange] {
        try definition.naming {
            let target = try definition.openTargetAdministration()
            guard try target.parked(of: definition.name).transactions.contains(where: { $0.id == id }) else { throw ParkedSettlement.isUnknown(id) }
            return try target.parkedChanges(of: definition.name, id, after: changeID, limit: limit).map(ParkedChange.init)
        }
    }

    /// The newest first.
    package func audit(limit: Int) throws -> [ParkedAudit] {
        try definition.naming { try definition.openTargetAdministration().parkedAudit(of: definition.name, limit: limit).map(ParkedAudit.init) }
    }

    /// Applies a parked transaction with all that waits for it, in one transaction of the target.
    /// - Throws: where it cannot be applied; nothing is changed then.
    package func retry(_ id: Int64, by who: String) throws -> ParkedAudit { try settle(.retried, id, by: who) }

    /// Gives a parked transaction up, with all that waits for it: the rows stay as the target has them.
    package func skip(_ id: Int64, by who: String) throws -> ParkedAudit { try settle(.skipped, id, by: who) }

    /// The same for all that are parked, in one transaction and in the order of their changes.
    package func retryAll(by who: String) throws -> [ParkedAudit] { try settleAll(.retried, by: who) }
    package func skipAll(by who: String) throws -> [ParkedAudit] { try settleAll(.skipped, by: who) }

    private func settleAll(_ action: ParkedSettlement.Action, by who: String) throws -> [ParkedAudit] {
        let ids = try list().map(\.id)
        return ids.isEmpty ? [] : try settle(ParkedSettlement(action, ids, by: who))
    }

    private func settle(_ action: ParkedSettlement.Action, _ id: Int64, by who: String) throws -> ParkedAudit {
        let settled = try settle(ParkedSettlement(action, [id], by: who))
        guard let own = settled.first(where: { $0.parked == id }) else { throw ParkedSettlement.isUnknown(id) }
        return own
    }

    private func settle(_ settlement: ParkedSettlement) throws -> [ParkedAudit] {
        try definition.naming {
            let target = try Engines.accepting(definition.target, of: "target").target(definition.target, pipeline: definition.name)
            do {
                return try target.settle(settlement).map(ParkedAudit.init)
            } catch var failure as TidemarkError where failure.isAboutData {
                failure.remedy = Pipeline.remedyOfRetry(failure.remedy) + "\n  Nothing was changed: all of it is still parked."
                throw failure
            }
        }
    }
}

extension ParkedTransaction {
    init(_ kept: KeptTransaction, of pipeline: String, together: [Int64]) {
        self.init(
            id: kept.id, pipeline: pipeline, transaction: kept.fault.transaction, parkedAt: kept.parkedAt, table: kept.fault.table?.description,
            key: kept.fault.key, changeID: kept.fault.changeID, reason: kept.fault.reason, changes: kept.changes,
            waitingChanges: kept.waitingChanges, firstChangeID: kept.firstChangeID, lastChangeID: kept.lastChangeID,
            tables: kept.tables.map(\.description), together: together)
    }
}

extension ParkedChange {
    init(_ kept: KeptChange) {
        let operation = switch kept.operation {
        case .insert: "insert"
        case .update, .imageTooLarge, .before: "update"
        case .delete: "delete"
        case .truncate: "truncate"
        case .shapeChanged: "alter"
        }
        self.init(
            changeID: kept.id, table: kept.table.description, operation: operation, key: kept.key, image: kept.image, targetRow: kept.targetRow,
            isWaiting: kept.isWaiting)
    }
}

extension ParkedAudit {
    init(_ settled: SettledTransaction) {
        self.init(
            at: settled.at, by: settled.by, action: settled.action, parked: settled.id, changes: settled.changes,
            tables: settled.tables.map(\.description), detail: settled.detail)
    }
}
