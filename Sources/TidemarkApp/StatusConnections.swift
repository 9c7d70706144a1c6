package import TidemarkCore

/// What status reports are read over: connections that are kept from one report to the next, and shared by pipelines of the
/// same databases. Confined to one thread.
///
/// After a failure those of both databases are opened anew; and so they are after a minute: another database may have
/// taken the place of a file, or of an address, and a server gets back what long sessions hold.
package final class StatusConnections {
    private struct Kept<Side> {
        let side: Side
        let since: ContinuousClock.Instant
    }

    private let keptFor: Duration
    private let clock = ContinuousClock()
    private var sources: [String: Kept<any SourceAdministration>] = [:]
    private var targets: [String: Kept<any TargetAdministration>] = [:]
    private var roles: [String: Kept<any RoleAdministration>] = [:]
    private var polled: [String: Kept<any PolledTarget>] = [:]
    /// How often one was opened.
    package private(set) var openings = 0

    package init(keptFor: Duration = .seconds(60)) { self.keptFor = keptFor }

    package func source(of definition: PipelineDefinition) throws -> any SourceAdministration {
        try kept(in: &sources, definition.source) { try definition.openSourceAdministration() }
    }

    package func target(of definition: PipelineDefinition) throws -> any TargetAdministration {
        try kept(in: &targets, definition.target) { try definition.openTargetAdministration() }
    }

    func sourceRoles(of definition: PipelineDefinition) throws -> any RoleAdministration {
        try kept(in: &roles, definition.source) { try definition.openSourceRoles() }
    }

    func targetRoles(of definition: PipelineDefinition) throws -> any RoleAdministration {
        try kept(in: &roles, definition.target) { try definition.openTargetRoles() }
    }

    /// Of one pipeline, unlike the others.
    func polledTarget(of definition: PipelineDefinition) throws -> any PolledTarget {
        try kept(in: &polled, "\(definition.name) \(definition.target)") { try definition.openPolledTarget() }
    }

    package func forget(_ definition: PipelineDefinition) {
        for address in [definition.source, definition.target] {
            (sources[address], targets[address], roles[address]) = (nil, nil, nil)
        }
        polled["\(definition.name) \(definition.target)"] = nil
    }

    private func kept<Side>(in known: inout [String: Kept<Side>], _ address: String, _ open: () throws -> Side) throws -> Side {
        if let kept = known[address], clock.now - kept.since < keptFor { return kept.side }
        known[address] = nil
        let side = try open()
        openings += 1
        known[address] = Kept(side: side, since: clock.now)
        return side
    }
}
