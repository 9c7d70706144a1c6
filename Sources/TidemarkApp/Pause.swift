package import TidemarkCore

/// Holds a pipeline where it is, and lets it go on.
package struct Pause {
    private let definition: PipelineDefinition

    package init(_ definition: PipelineDefinition) { self.definition = definition }

    /// Waits for the window at hand; from then on nothing is applied. It stays so when processes end.
    /// - Parameter holder: who wants it, for those who ask.
    package func pause(by holder: String) throws -> Cursor {
        try definition.naming {
            let target = try definition.openTargetAdministration()
            guard try target.cursor(of: definition.name) != nil else { throw notSetUp }
            // An installation of an older version has no place to note it.
            try target.install()
            return try roles().hold(definition.name, for: .paused, by: holder)
        }
    }

    /// - Returns: false where it was not paused.
    package func resume() throws -> Bool {
        try definition.naming {
            guard let stored = try definition.openTargetAdministration().cursor(of: definition.name) else { throw notSetUp }
            guard let hold = stored.hold else { return false }
            guard hold.reason == .paused else {
                throw stored.refusal(of: nil, pipeline: definition.name) ?? notSetUp
            }
            try roles().release(definition.name)
            return true
        }
    }

    /// Who has paused it; nil where nobody has.
    package func holder() throws -> String? {
        try definition.naming {
            let hold = try definition.openTargetAdministration().cursor(of: definition.name)?.hold
            return hold?.reason == .paused ? hold?.by : nil
        }
    }

    private func roles() throws -> any RoleAdministration {
        try Engines.accepting(definition.target, of: "target").roleAdministration(definition.target, side: "target")
    }

    private var notSetUp: TidemarkError {
        TidemarkError(
            "the pipeline is not set up", why: "the target holds no cursor for it", remedy: "Type: tidemark status --pipeline \(definition.name) …")
    }
}
