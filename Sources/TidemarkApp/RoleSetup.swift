import TidemarkCore

/// What setup makes of the roles of a pipeline's two databases.
struct RoleSetup {
    let definition: PipelineDefinition
    /// Writers that do not end keep setup waiting for so long.
    private static let waitMs = 10_000

    /// What was said, or else what an earlier setup recorded; nil where neither is.
    func wanted() throws -> TargetRole? {
        guard !definition.isArchive else {
            // Refused by its engine, before anything is made.
            if definition.role == .replica { _ = try definition.openTargetRoles() }
            return nil
        }
        let standing = try definition.openTargetRoles().standing(of: definition.name)
        if definition.role == .replica || definition.role == nil && standing?.role == .replica { try definition.refuseIfShaped("fail over to it") }
        guard definition.role != nil else { return standing?.role == .replica ? .replica : nil }
        guard let standing, standing.role != .replica else { return definition.role }
        throw TidemarkError(
            "the target's role is not setup's to choose", pipeline: definition.name,
            why: "it is \(standing.role.rawValue) since \(standing.since ?? "?"), by a \(standing.cause.rawValue)",
            remedy: "Leave --role out. tidemark status --pipeline \(definition.name) … says which database is the primary: its"
                + " address is --source, the other one's --target.")
    }

    /// Guards the tables of a replica, and those that came since; lifts the guard of a feed.
    func apply(_ role: TargetRole?, to tables: [TableName]) throws {
        guard role != nil else { return }
        let (source, target) = (try definition.openSourceRoles(), try definition.openTargetRoles())
        switch role {
        case .replica:
            let known = try target.standing(of: definition.name)
            try target.raiseGuard(
                on: tables, of: definition.name, noting: known ?? Standing(.replica, epoch: 1, cause: .setup), waitMs: Self.waitMs)
            guard try source.standing(of: definition.name) == nil else { return }
            try source.note(Standing(.primary, epoch: 1, cause: .setup), of: definition.name)
        case .feed:
            try target.forget(definition.name)
            try source.forget(definition.name)
        case nil: return
        }
    }

    /// - Parameter made: tables that setup would make before.
    func plan(_ role: TargetRole?, on tables: [TableName], made: [TableName]) throws -> [PlannedStatement] {
        switch role {
        case .replica: try definition.openTargetRoles().planGuard(on: tables, made: made, of: definition.name)
        case .feed: try definition.openTargetRoles().planForgetting(definition.name)
        case nil: []
        }
    }

    /// Tables of a replica that others can write to.
    func findings(on tables: [TableName]) throws -> [Finding] {
        guard !definition.isArchive else { return [] }
        let target = try definition.openTargetRoles()
        guard try target.standing(of: definition.name)?.role == .replica else { return [] }
        return try target.unguarded(tables, of: definition.name).map { table in
            Finding(
                .warning, table: table, "the target is a replica, and others can write to this table, or to a partition of it",
                remedy: "Type: tidemark setup --pipeline \(definition.name) …, which guards it.")
        }
    }
}
