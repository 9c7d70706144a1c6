package import Logging
import TidemarkCore
package import TidemarkPipeline

/// The source is gone: its replica becomes the primary, with what has arrived there.
package struct Failover: Sendable {
    package struct Options: Sendable {
        /// How many values each sequence leaves out, which the lost source may have given out.
        package var sequenceMargin = Int64(0)
        /// Promote it although the source can be reached: it is fenced first.
        package var despiteSource = false
        /// Leave the source alone, whether it answers or not: this is a rehearsal.
        package var ignoresSource = false
        /// Promote it although another replica has more.
        package var despiteBetter = false

        package init() {}
    }

    package struct Outcome: Sendable {
        package var primary: String
        package var seconds: Double
        /// False where it was the primary already.
        package var isNew: Bool
        package var sequencesNotSet: [String] = []
    }

    private static let work = "fail over to it"

    private let definition: PipelineDefinition
    /// Further replicas of the same source.
    private let others: [PipelineDefinition]
    private let options: Options
    private let worker: String
    private let log: Logger
    private let timed: TimedSteps

    package init(
        _ definition: PipelineDefinition, others: [PipelineDefinition], _ options: Options, worker: String, log: Logger,
        report: @escaping @Sendable (RoleChangeReport) -> Void
    ) {
        (self.definition, self.others, self.options) = (definition, others, options)
        (self.worker, self.log, timed) = (worker, log, TimedSteps(report))
    }

    /// What each replica has, the one to be promoted first. One that cannot be reached is left out.
    /// - Throws: also where it is none that could be promoted, before anybody is asked for a confirmation.
    package func states() throws -> [ReplicaState] {
        try definition.naming { try definition.requireWholeReplica(to: Self.work) }
        let own = try definition.naming { try ReplicaState(definition, try definition.openTargetSide()) }
        return [own] + others.compactMap { other in (try? other.openTargetSide()).flatMap { try? ReplicaState(other, $0) } }
    }

    /// Whether the source answers after all.
    package func sourceAnswers() -> Bool { (try? definition.openSourceSide()) != nil }

    /// Promotes the replica. Typed again after an interruption it goes on.
    package func promote() throws -> Outcome { try definition.naming { try promoteTarget() } }

    private func promoteTarget() throws -> Outcome {
        try definition.requireWholeReplica(to: Self.work)
        let start = timed.now
        let new = try definition.openTargetSide()
        try new.roles.claim(definition.name)
        try new.asTarget.install()
        let state = try ReplicaState(definition, new)
        guard state.standing?.role != .primary else { return Outcome(primary: new.shown, seconds: 0, isNew: false) }
        try refuseIfUnfit(state)
        let epoch = max(state.standing?.epoch ?? 1, 1) + 1
        try fenceSource(new, epoch: epoch)
        try timed(.prepared) {
            try new.asSource.installLog()
            try new.roles.installRoles()
            _ = try new.asSource.install(try request(new))
        }
        let held = try new.roles.hold(definition.name, for: .switchover, by: worker)
        var outcome = Outcome(primary: new.shown, seconds: 0, isNew: true)
        outcome.sequencesNotSet = try timed(.sequences) { try setSequences(new) }
        try timed(.promoted) {
            let place = try new.asSource.startCursor(of: definition.name)
            try new.roles.liftGuard(
                of: definition.name, noting: Standing(.primary, epoch: epoch, cause: .failover, start: place), closing: held)
        }
        outcome.seconds = timed.seconds(since: start)
        return outcome
    }

    private func refuseIfUnfit(_ state: ReplicaState) throws {
        if let table = state.incomplete.first {
            throw TidemarkError(
                "the replica is not complete", table: table, why: "its copy had not come to its end",
                remedy: "Promote another replica, or restore a backup and bring it forward. Nothing was changed.")
        }
        guard !options.despiteBetter, let better = try states().dropFirst().first(where: { state.isBehind($0) && $0.incomplete.isEmpty })
        else { return }
        throw TidemarkError(
            "another replica has more", why: "\(better.address) (pipeline \(better.pipeline)) has applied everything up to change"
                + " \(better.cursor.lastID), this one up to \(state.cursor.lastID)",
            remedy: "Type: tidemark failover --pipeline \(better.pipeline) …; or, to lose those changes: --even-if-behind.")
    }

    /// A source that can be reached must not go on taking writes.
    private func fenceSource(_ new: PipelineSide, epoch: Int64) throws {
        guard !options.ignoresSource, let old = try? definition.openSourceSide() else { return }
        guard options.despiteSource else {
            throw TidemarkError(
                "the source is not gone", why: "\(old.shown) answers",
                remedy: "To change roles without a lost write, type: tidemark switchover …; to go on all the same:"
                    + " --even-if-source-answers, which fences it first.")
        }
        try timed(.fenced) { try LeftBehindSource(definition).fence(old, epoch: epoch, cause: .failover) }
    }

    /// The source cannot be asked what was selected: the replica's copies tell.
    private func request(_ new: PipelineSide) throws -> CaptureRequest {
        let theirs = try new.asSource.tables(TableSelection())
        let copied = try new.asTarget.copies(of: definition.name).map {
            SourceTable(name: $0.table, columns: [], keyColumns: [], encoding: .typedText)
        }
        let include = PairedTables(copied, with: theirs).onReplica.map { TablePattern($0.description) }
        return CaptureRequest(pipeline: definition.name, selection: TableSelection(include: include))
    }

    /// They are never behind the rows; the margin is for values that went with the source.
    private func setSequences(_ new: PipelineSide) throws -> [String] {
        guard options.sequenceMargin > 0 else { return [] }
        let selection = try request(new).selection
        return try new.asTarget.setSequences(try new.asSource.sequences(selection), margin: options.sequenceMargin)
    }

    /// Lets another replica of the lost source follow the new primary, and makes it equal to that.
    package func bringBehind(_ other: PipelineDefinition) async throws -> [TableVerdict] {
        try await Following(other, of: definition, worker: worker, log: log).begin()
    }
}
