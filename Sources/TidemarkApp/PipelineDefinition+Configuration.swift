package import TidemarkConfig
import TidemarkCore
package import TidemarkPipeline

extension PipelineDefinition {
    /// As a configuration has it.
    /// - Parameter needingTarget: false for what is about the source alone.
    package init(_ entry: Configuration.Entry, needingTarget: Bool = true) throws {
        if let fault = PipelineName.fault(entry.name) { throw UsageError(fault.prefix(1).uppercased() + fault.dropFirst() + ".") }
        guard let source = entry.source else {
            throw UsageError("No source: give --source URL, set TIDEMARK_SOURCE, or write it into the --config file.")
        }
        guard let target = entry.target ?? (needingTarget ? nil : "") else {
            throw UsageError("No target: give --target URL, set TIDEMARK_TARGET, or write it into the --config file.")
        }
        _ = try Engines.accepting(source, of: "source")
        if needingTarget { _ = try Engines.accepting(target, of: "target") }
        guard source != target else { throw UsageError("Source and target are the same database.") }
        self.init(name: entry.name, source: source, target: target)
        (include, exclude) = (entry.tables?.map { TablePattern($0) }, entry.exclude?.map { TablePattern($0) })
        (kind, images) = (entry.capture, entry.images)
        (requiresKey, capturesReplicaRole) = (entry.requiresKey, entry.capturesReplicaRole)
        (retention, logLimit, delay, role) = (entry.retention, entry.logLimit, entry.delay, entry.role)
        failurePolicy = entry.failurePolicy
        if entry.wait != nil || entry.waitTables != nil {
            let said = Waiting(entry.wait ?? .asynchronous, tables: (entry.waitTables ?? []).map { TablePattern($0) })
            try said.refuseContradiction()
            waiting = said
        }
        run = entry.run
        rules = entry.rules
        (passesOn, counterpart, sites) = (entry.passesOn, entry.counterpart, entry.sites)
    }
}

extension Configuration {
    /// The file, with addresses that some engine takes.
    package static func read(_ path: String, environment: [String: String], needsAddresses: Bool = false) throws(ConfigurationProblems) -> Configuration {
        try Configuration(path: path, environment: environment, needsAddresses: needsAddresses) { address, side in
            guard let engine = try? Engines.accepting(address, of: side) else { return "this is no address that tidemark knows: \(Engines.forms)" }
            return engine.shown(address) == Engines.unreadable ? "the address cannot be read: in a URI, %, @, / and : within a name or password are written as %25, %40, %2F and %3A" : nil
        }
    }
}

extension Pipeline.Settings {
    /// Copies and compares as the pipeline's configuration has it.
    package mutating func follow(_ run: Configuration.RunSettings) {
        jobs = run.jobs ?? jobs
        existing = run.copies == false ? .keep : run.existing ?? existing
        verifiesCopies = run.verify != .never
    }
}
