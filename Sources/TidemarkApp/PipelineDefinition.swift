package import TidemarkConfig
package import TidemarkCore

/// A pipeline as a person defined it: where, and which tables how.
package struct PipelineDefinition: Sendable {
    package var name: String
    package var source: String
    package var target: String
    /// What is nil was not said: what setup recorded counts, or else the default.
    package var include: [TablePattern]?
    package var exclude: [TablePattern]?
    package var kind: CaptureKind?
    package var images: CapturedImages?
    package var requiresKey: Bool?
    package var capturesReplicaRole: Bool?
    package var retention: Retention?
    package var logLimit = LogLimitRequest()
    /// How far the target stays behind on purpose.
    package var delay: StreamDelay?
    package var role: TargetRole?
    /// How it copies and compares while it is followed.
    package var run = Configuration.RunSettings()
    /// What becomes of a pipeline that cannot go on; stop unless said.
    package var failurePolicy: FailurePolicy?

    package init(name: String, source: String, target: String) {
        self.name = name
        self.source = source
        self.target = target
    }

    /// The selection that was named, if one was.
    var namedSelection: TableSelection? {
        include == nil && exclude == nil ? nil : TableSelection(include: include ?? [], exclude: exclude ?? [])
    }

    package var delaySeconds: Int64 { delay?.seconds ?? 0 }

    /// - Throws: where the target stays behind on purpose: what compares or copies would take it to now.
    package func refuseIfDelayed(_ work: String) throws {
        guard delaySeconds > 0 else { return }
        throw TidemarkError(
            "the target is \(TimeSpan.text(delaySeconds)) behind on purpose", pipeline: name,
            why: "to \(work), both sides have to be at one place, and the source can be read only as it is now",
            remedy: "Give --delay 0 to do it all the same: it takes the target to now, with everything that the delay holds back.")
    }

    /// What was said here, and for the rest what setup recorded in the source.
    func request(_ source: any SourceAdministration) throws -> CaptureRequest {
        let recorded = try source.recordedRequest(of: name)
        var request = CaptureRequest(
            pipeline: name,
            selection: TableSelection(
                include: include ?? recorded?.selection.include ?? [],
                exclude: exclude ?? recorded?.selection.exclude ?? []),
            kind: kind ?? recorded?.kind ?? .auto, requiresKey: requiresKey ?? recorded?.requiresKey ?? false,
            capturesReplicaRole: capturesReplicaRole ?? recorded?.capturesReplicaRole ?? false,
            retention: retention ?? recorded?.retention ?? .none)
        request.images = images ?? recorded?.images ?? .new
        request.logLimit = logLimit
        return request
    }

    /// The tables of the pipeline that these patterns name.
    /// - Throws: `TidemarkError` for a pattern that names none.
    package func recordedTables(_ patterns: [String]) throws -> [SourceTable] {
        let source = try openSourceAdministration()
        guard let recorded = try source.recordedRequest(of: name) else {
            throw TidemarkError(
                "the pipeline is not set up", why: "the source does not know it",
                remedy: "Type: tidemark setup --pipeline \(name) --source … --target …")
        }
        let tables = try source.tables(recorded.selection)
        return try Set(patterns).sorted().flatMap { text in
            let found = tables.filter { TablePattern(text).matches($0.name) }
            guard !found.isEmpty else {
                throw TidemarkError(
                    "no table of the pipeline matches \(text)", why: "it has \(tables.map(\.name.description).joined(separator: ", "))",
                    remedy: "Name one of these; * stands for any run of characters.")
            }
            return found
        }
    }

    package func openSourceAdministration() throws -> any SourceAdministration {
        try naming { try Engines.accepting(source, of: "source").sourceAdministration(source) }
    }

    func openTargetAdministration() throws -> any TargetAdministration {
        try naming { try Engines.accepting(target, of: "target").targetAdministration(target) }
    }

    func openSourceRoles() throws -> any RoleAdministration {
        try naming { try Engines.accepting(source, of: "source").roleAdministration(source, side: "source") }
    }

    func openTargetRoles() throws -> any RoleAdministration {
        try naming { try Engines.accepting(target, of: "target").roleAdministration(target, side: "target") }
    }

    /// Puts the pipeline's name into errors of parts that do not know it.
    package func naming<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            throw failure
        }
    }
}
