import TidemarkApp
import TidemarkCore

extension OutputOptions {
    func printUndone(_ definition: PipelineDefinition) {
        if json {
            printJSON(["pipeline": definition.name, "undone": "yes"])
        } else {
            print("pipeline \(definition.name): the switchover is undone; the old primary takes writes")
        }
    }

    func printSwitchover(_ outcome: Switchover.Outcome, of definition: PipelineDefinition, seconds: Double) {
        if json {
            return printJSON(
                SwitchoverJSON(
                    pipeline: definition.name, primary: outcome.primary, replica: outcome.replica,
                    secondsWithoutWrites: outcome.secondsWithoutWrites, seconds: seconds, sequencesNotSet: outcome.sequencesNotSet))
        }
        guard let without = outcome.secondsWithoutWrites else {
            return print("pipeline \(definition.name): \(outcome.primary) is the primary, and \(outcome.replica) its replica")
        }
        print(
            """
            pipeline \(definition.name): \(outcome.primary) is the primary now, and \(outcome.replica) its replica
              \(RoleChangeOutput.seconds(without)) without writes, \(RoleChangeOutput.seconds(seconds)) in all
              Next: point applications at the new primary. tidemark run follows it, with its addresses as they are.
            """)
        printSequences(outcome.sequencesNotSet)
    }

    private func printSequences(_ notSet: [String]) {
        for sequence in notSet { warn("not set on the new primary: \(sequence)") }
    }

    /// What would be lost, in words that can be read out to somebody.
    func printRisk(_ states: [ReplicaState], isAssessment: Bool) {
        if json {
            if isAssessment { printJSON(states.map(RiskJSON.init)) }
            return
        }
        for (place, state) in states.enumerated() {
            print("\(place == 0 ? "to be promoted" : "another replica"): \(state.address) (pipeline \(state.pipeline))")
            for line in state.riskLines { print("  \(line)") }
        }
        if states.count > 1 {
            let best = states.indices.first { index in !states.contains { states[index].isBehind($0) } } ?? 0
            print(best == 0 ? "It has as much as any other." : "\(states[best].address) (pipeline \(states[best].pipeline)) has MORE.")
        }
    }

    func printFailover(_ outcome: Failover.Outcome, of definition: PipelineDefinition, followers: [(PipelineDefinition, [VerifiedTable])]) {
        if json {
            return printJSON(
                FailoverJSON(
                    pipeline: definition.name, primary: outcome.primary, seconds: outcome.seconds, isNew: outcome.isNew,
                    sequencesNotSet: outcome.sequencesNotSet, followers: followers.map(\.0.name)))
        }
        guard outcome.isNew else { return print("pipeline \(definition.name): \(outcome.primary) is the primary already") }
        print(
            """
            pipeline \(definition.name): \(outcome.primary) is the primary now (\(RoleChangeOutput.seconds(outcome.seconds)))
              Next: point applications at it. When the old source is back, before anything writes to it: tidemark failback …
            """)
        for (other, tables) in followers {
            let repaired = tables.reduce(0) { $0 + $1.repaired }
            print("  pipeline \(other.name) follows it now; \(Amount.text(repaired, "row", ("was", "were"))) brought to what it has. Change its source to \(outcome.primary).")
        }
        printSequences(outcome.sequencesNotSet)
    }

    func printFailback(_ outcome: Failback.Outcome, _ verified: [VerifiedTable], of definition: PipelineDefinition, exportedTo file: String?) {
        let lost = outcome.lost
        if json {
            return printJSON(
                FailbackJSON(
                    pipeline: definition.name, primary: outcome.primary, replica: outcome.replica, isDone: outcome.isDone,
                    lostChanges: lost.changes, lostTables: Dictionary(uniqueKeysWithValues: lost.tables.map { ($0.key.description, $0.value) }),
                    firstLostChange: lost.firstID, lastLostChange: lost.lastID, tables: verified))
        }
        if lost.changes == 0 {
            print("pipeline \(definition.name): nothing was lost; the old source had sent all that it committed")
        } else {
            let tables = lost.tables.sorted { $0.key < $1.key }.map { "\($0.value) of \($0.key)" }.joined(separator: ", ")
            print("pipeline \(definition.name): \(Amount.text(lost.changes, "change")) never left the old source (\(lost.firstID ?? 0) to \(lost.lastID ?? 0)): \(tables)")
            if let file { print("  They are in \(file).") }
        }
        guard outcome.isDone else {
            return print(
                """
                  \(outcome.replica) is fenced, and nothing else was changed. To go on, type the same command with
                    --lost undo     the rows become what the new primary has
                    --lost replay   the changes are written to the new primary as well
                """)
        }
        for (table, keys) in outcome.conflicts.sorted(by: { $0.key < $1.key }) {
            print("  changed on both sides: \(Amount.text(keys.count, "row")) of \(table): \(keys.prefix(5).joined(separator: ", "))\(keys.count > 5 ? ", …" : "")")
        }
        if !verified.isEmpty { print(VerifiedTable.text(verified, planning: false)) }
        print("\(outcome.replica) follows \(outcome.primary) now. Next: tidemark run …; to make it the primary again: tidemark switchover …")
    }
}

extension OutputOptions {
    func printDrill(_ outcome: Drill.Outcome, of definition: PipelineDefinition) {
        let tables = outcome.verdicts.map { VerifiedTable(definition.name, $0) }
        if json {
            return printJSON(
                DrillJSON(
                    pipeline: definition.name, copySeconds: outcome.copySeconds, verifySeconds: outcome.verifySeconds,
                    promotionSeconds: outcome.promotionSeconds, tables: tables))
        }
        print(VerifiedTable.text(tables, planning: false))
        print(
            """
            pipeline \(definition.name): a failover to this copy took \(RoleChangeOutput.seconds(outcome.promotionSeconds))
              The copy of \(Amount.text(outcome.tables, "table")) took \(RoleChangeOutput.seconds(outcome.copySeconds)) before, and comparing them \(RoleChangeOutput.seconds(outcome.verifySeconds)). It stays; nothing of the drill is left at the source.
            """)
    }
}

extension ReplicaState {
    var riskLines: [String] {
        var lines = ["has everything up to change \(cursor.lastID)\(heartbeat?.appliedAt.map { ", which the source had at \($0)" } ?? "")\(appliedAt.map { ", applied at \($0)" } ?? "")"]
        if let heartbeat, let seen = heartbeat.seenID, let at = heartbeat.seenAt {
            lines.append(
                missingKnown == 0
                    ? "the source had no more when it was last heard of, at \(at); at risk is what it committed since"
                    : "the source had drawn change \(seen) when it was last heard of, at \(at): up to \(Amount.text(missingKnown ?? 0, "change", ("is", "are"))) MISSING, besides what it committed since")
        } else {
            lines.append("what the source had beyond that is not known")
        }
        if !incomplete.isEmpty { lines.append("NOT COMPLETE: \(incomplete.map(\.description).joined(separator: ", ")) are not copied to their end") }
        if !differing.isEmpty { lines.append("DIFFERED when last compared: \(differing.map(\.description).joined(separator: ", "))") }
        if !neverCompared.isEmpty { lines.append("never compared with the source: \(neverCompared.map(\.description).joined(separator: ", "))") }
        if parkedTransactions > 0 { lines.append("\(Amount.text(parkedTransactions, "transaction", ("is", "are"))) SET ASIDE, and not applied: tidemark parked list … names them") }
        if !notExact.isEmpty { lines.append("NOT EXACT because of parked changes: \(notExact.map(\.description).joined(separator: ", "))") }
        if standing?.role == .primary { lines.append("is the primary already, since \(standing?.since ?? "?")") }
        return lines
    }
}

private struct SwitchoverJSON: Encodable {
    let pipeline: String
    let primary: String
    let replica: String
    let secondsWithoutWrites: Double?
    let seconds: Double
    let sequencesNotSet: [String]
}

private struct DrillJSON: Encodable {
    let pipeline: String
    let copySeconds: Double
    let verifySeconds: Double
    let promotionSeconds: Double
    let tables: [VerifiedTable]
}

private struct RiskJSON: Encodable {
    let pipeline: String
    let target: String
    let appliedID: Int64
    let appliedAt: String?
    let appliedSourceTime: String?
    let seenID: Int64?
    let seenAt: String?
    let missingKnown: Int64?
    let incomplete: [String]
    let differing: [String]
    let parkedTransactions: Int
    let notExact: [String]

    init(_ state: ReplicaState) {
        (parkedTransactions, notExact) = (state.parkedTransactions, state.notExact.map(\.description))
        (pipeline, target, appliedID, appliedAt) = (state.pipeline, state.address, state.cursor.lastID, state.appliedAt)
        (appliedSourceTime, seenID, seenAt) = (state.heartbeat?.appliedAt, state.heartbeat?.seenID, state.heartbeat?.seenAt)
        (missingKnown, incomplete, differing) = (state.missingKnown, state.incomplete.map(\.description), state.differing.map(\.description))
    }
}

private struct FailoverJSON: Encodable {
    let pipeline: String
    let primary: String
    let seconds: Double
    let isNew: Bool
    let sequencesNotSet: [String]
    let followers: [String]
}

private struct FailbackJSON: Encodable {
    let pipeline: String
    let primary: String
    let replica: String
    let isDone: Bool
    let lostChanges: Int64
    let lostTables: [String: Int64]
    let firstLostChange: Int64?
    let lastLostChange: Int64?
    let tables: [VerifiedTable]
}
