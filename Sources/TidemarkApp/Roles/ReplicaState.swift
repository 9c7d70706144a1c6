package import TidemarkCore

/// What a replica has of its source, and what is not known of that: all that counts once the source is gone.
package struct ReplicaState: Sendable {
    package let pipeline: String
    /// The replica's address, as it may be shown.
    package let address: String
    package let cursor: Cursor
    /// When the last window was applied, by the replica's clock.
    package let appliedAt: String?
    package let heartbeat: SourceHeartbeat?
    /// Tables that are not copied to their end.
    package let incomplete: [TableName]
    /// Tables that differed when they were last compared, and nobody has repaired since.
    package let differing: [TableName]
    package let neverCompared: [TableName]
    /// Transactions that are set aside, and tables that are not exact because of such.
    package let parkedTransactions: Int
    package let notExact: [TableName]
    package let standing: Standing?
    package let isClosed: Bool

    init(_ definition: PipelineDefinition, _ side: PipelineSide) throws {
        guard let stored = try side.asTarget.cursor(of: definition.name) else {
            throw TidemarkError(
                "there is nothing to promote", pipeline: definition.name, why: "\(side.shown) holds no cursor for it",
                remedy: "Check --target and --pipeline; tidemark status … shows what a database holds.")
        }
        let copies = try side.asTarget.copies(of: definition.name)
        let proofs = try side.asTarget.proofs(of: definition.name).filter { $0.finishedAt != nil }
        (pipeline, address, cursor) = (definition.name, side.shown, stored.cursor)
        (appliedAt, heartbeat, isClosed) = (stored.appliedAt, stored.heartbeat, stored.closedAt != nil)
        standing = try side.roles.standing(of: definition.name)
        incomplete = copies.filter { $0.state != .done }.map(\.table)
        differing = proofs.filter { $0.differences > $0.repaired }.map(\.table)
        let parked = try side.asTarget.parked(of: definition.name)
        (parkedTransactions, notExact) = (parked.transactions.count, parked.notExact)
        let compared = Set(proofs.map(\.table))
        neverCompared = copies.map(\.table).filter { !compared.contains($0) }
    }

    /// How many changes the source is known to have drawn an id for and the replica does not have; at most so many, as
    /// ids of transactions that failed count too, and those of heartbeats. None where all is applied that had been committed
    /// when the source was last seen. Nil where no heartbeat tells.
    package var missingKnown: Int64? {
        if let heartbeat, heartbeat.seenID != nil, let appliedAt = heartbeat.appliedAt, appliedAt == heartbeat.seenAt { return 0 }
        return heartbeat?.seenID.map { max(0, $0 - cursor.lastID) }
    }

    /// Has the other one everything that this one has, and more?
    package func isBehind(_ other: ReplicaState) -> Bool {
        cursor.snapshot != other.cursor.snapshot && cursor.snapshot.isContained(in: other.cursor.snapshot)
    }
}
