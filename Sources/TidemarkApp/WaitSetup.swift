package import TidemarkCore

/// Lets roles of an application wait: at the source for the target, at the target for what was seen at the source.
package struct WaitSetup {
    private let definition: PipelineDefinition
    private let granting: [String]
    private let revoking: [String]

    package init(_ definition: PipelineDefinition, granting: [String], revoking: [String]) {
        (self.definition, self.granting, self.revoking) = (definition, granting, revoking)
    }

    private func sides() throws -> [(name: String, rights: any WaitRights)] {
        guard !granting.isEmpty || !revoking.isEmpty else { return [] }
        let opened: [(String, Any)] = [("source", try definition.openSourceAdministration()), ("target", try definition.openTargetAdministration())]
        let sides = opened.compactMap { side in (side.1 as? any WaitRights).map { (side.0, $0) } }
        guard !sides.isEmpty else {
            throw TidemarkError(
                "nobody can be let wait", why: "neither database has roles",
                remedy: "Leave --grant-wait and --revoke-wait out: from a shell, tidemark wait … does without.")
        }
        return sides
    }

    /// - Throws: before anything is changed, for a role that is nowhere.
    package func check() throws {
        try definition.naming {
            let sides = try sides()
            for role in granting where try sides.allSatisfy({ try $0.rights.existing([role]).isEmpty }) {
                throw TidemarkError(
                    "there is no role \(role)", why: "\(sides.map(\.name).joined(separator: " and ")) do not have it, or you cannot see it",
                    remedy: "Create it, or correct the name: psql's \\du lists them.")
            }
        }
    }

    package func plan() throws -> [(side: String, statement: PlannedStatement)] {
        try definition.naming {
            try sides().flatMap { side in
                try side.rights.planWaiting(granting: side.rights.existing(granting), revoking: revoking, of: definition.name).map { (side.name, $0) }
            }
        }
    }

    /// Once both sides are set up.
    /// - Returns: who may wait where now, and which roles one side lacks.
    package func apply() throws -> [(side: String, granted: [String], absent: [String])] {
        try definition.naming {
            try sides().map { side in
                let existing = try side.rights.existing(granting)
                try side.rights.revokeWaiting(revoking, of: definition.name)
                try side.rights.grantWaiting(existing, of: definition.name)
                return (side.name, existing, granting.filter { !existing.contains($0) })
            }
        }
    }
}
