package import TidemarkCore

/// Sources that are targets, too.
extension PostgresSource {
    package func follow(_ applied: AppliedChanges) throws { log.applied = applied }

    package func keepBefore(of captures: Set<Int32>) throws {
        guard log.befores.captures != captures else { return }
        log.befores = try reporting("the registry of captured tables cannot be read") { try KeptBefores(captures, in: session) }
    }

    /// - Throws: where what tidemark applies is to be passed on, and setup was not told to have it captured.
    func requireCaptured(_ request: CaptureRequest?, of pipeline: String) throws {
        guard case .passedOn = log.applied, let request, !request.capturesApplied else { return }
        throw TidemarkError(
            "what is applied to the source cannot be passed on", pipeline: pipeline, why: "its capture leaves that out, as setup was told",
            remedy: "Type: tidemark setup --pipeline \(pipeline) …, then tidemark verify --repair …, which brings what was applied until then.")
    }
}
